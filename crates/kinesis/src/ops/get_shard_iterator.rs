//! GetShardIterator: a place in a shard, valid for five minutes.

use crate::Kinesis;
use crate::error::{self, Failure};
use crate::iterator::ShardIterator;
use millstream_api_kinesis::{self as api, ShardIteratorType as Type};
use millstream_control::{Shard, Stream};
use millstream_engine::Start;
use millstream_types::{SequenceNumber, Timestamp};

pub(crate) async fn run(
    service: &Kinesis,
    input: api::GetShardIteratorInput,
) -> Result<api::GetShardIteratorOutput, Failure> {
    let stream = service.active_stream(input.stream_name.as_deref(), input.stream_arn.as_deref())?;
    let shard = service.shard(&stream, &input.shard_id)?;
    let number = input.starting_sequence_number.as_deref();
    let start = start(service, &stream, shard, &input.shard_iterator_type, number, input.timestamp)?;
    Failure::if_dry_run(input.dry_run)?;
    let position = service.engine.position(&stream, shard, start).await;
    let position = position.map_err(|error| error::engine(error, &service.home.account))?;
    let iterator = ShardIterator {
        stream: stream.name.clone(),
        shard: shard.log,
        position,
        issued: service.engine.now(),
    };
    Ok(api::GetShardIteratorOutput { shard_iterator: Some(iterator.seal()), ..Default::default() })
}

/// Where to start, from the type and what goes with it. SubscribeToShard's starting position means the same.
pub(crate) fn start(
    service: &Kinesis,
    stream: &Stream,
    shard: &Shard,
    kind: &Type,
    number: Option<&str>,
    timestamp: Option<Timestamp>,
) -> Result<Start, Failure> {
    if !matches!(kind, Type::AtSequenceNumber | Type::AfterSequenceNumber) && number.is_some() {
        return Err(mismatch(kind, "and also a StartingSequenceNumber"));
    }
    let parse = |number: Option<&str>| {
        let number = number.ok_or_else(|| mismatch(kind, "but no StartingSequenceNumber"))?;
        sequence_number(service, stream, shard, number)
    };
    Ok(match kind {
        Type::TrimHorizon => Start::TrimHorizon,
        Type::Latest => Start::Latest,
        Type::AtSequenceNumber => Start::AtSequenceNumber(parse(number)?),
        Type::AfterSequenceNumber => Start::AfterSequenceNumber(parse(number)?),
        Type::AtTimestamp => Start::AtTimestamp(past(service, timestamp)?),
        Type::Unknown(name) => {
            return Err(Failure::validation(format!(
                "1 validation error detected: Value '{name}' at 'shardIteratorType' failed to satisfy constraint: \
                 Member must satisfy enum value set: [AFTER_SEQUENCE_NUMBER, LATEST, AT_TIMESTAMP, AT_SEQUENCE_NUMBER, \
                 TRIM_HORIZON]"
            )));
        }
    })
}

fn mismatch(kind: &Type, what: &str) -> Failure {
    Failure::invalid(format!(
        "Must either specify (1) AT_SEQUENCE_NUMBER or AFTER_SEQUENCE_NUMBER and StartingSequenceNumber or (2) \
         TRIM_HORIZON or LATEST and no StartingSequenceNumber. Request specified {} {what}.",
        kind.as_str()
    ))
}

fn sequence_number(
    service: &Kinesis,
    stream: &Stream,
    shard: &Shard,
    text: &str,
) -> Result<SequenceNumber, Failure> {
    let number: SequenceNumber = text.parse().map_err(|_bad| {
        Failure::invalid(format!(
            "StartingSequenceNumber {text} used in GetShardIterator on shard {} in stream {} under account {} is \
             invalid.",
            shard.id, stream.name, service.home.account
        ))
    })?;
    if number.shard() == shard.id {
        Ok(number)
    } else {
        Err(Failure::invalid(format!(
            "Invalid StartingSequenceNumber. It encodes {}, while it was used in a call to a shard with {}",
            number.shard(),
            shard.id
        )))
    }
}

fn past(service: &Kinesis, timestamp: Option<Timestamp>) -> Result<Timestamp, Failure> {
    let timestamp = timestamp.ok_or_else(|| {
        Failure::invalid(
            "Must specify timestampInMillis parameter for iterator of type AT_TIMESTAMP. Current request has no \
             timestamp parameter.",
        )
    })?;
    let now = service.engine.now();
    if timestamp > now {
        return Err(Failure::invalid(format!(
            "The timestampInMillis parameter cannot be greater than the currentTimestampInMillis. timestampInMillis: \
             {}, currentTimestampInMillis: {}",
            timestamp.millis(),
            now.millis()
        )));
    }
    Ok(timestamp)
}
