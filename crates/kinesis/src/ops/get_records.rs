//! GetRecords: a page from an iterator, and the iterator to go on with.

use crate::error::{self, Failure};
use crate::iterator::ShardIterator;
use crate::meter::Call;
use crate::records::Records;
use crate::service::read;
use crate::{Kinesis, caps, shapes};
use bytes::Bytes;
use millstream_api_kinesis::{self as api, ErrorCode};
use millstream_engine::{PageLimit, Record};
use millstream_shapes::{Codec, Encode, Encoder};
use millstream_types::Timestamp;

pub(crate) async fn answer<C: Codec>(
    service: &Kinesis,
    codec: &C,
    body: &Bytes,
    call: &mut Call<'_>,
) -> Result<Bytes, Failure> {
    let input = read::<api::GetRecords, _>(codec, body)?;
    Ok(codec.encode(&run(service, input, call).await?))
}

/// As [`api::GetRecordsOutput`].
struct Answer {
    records: Records,
    next_shard_iterator: Option<String>,
    millis_behind_latest: Option<i64>,
    child_shards: Option<Vec<api::ChildShard>>,
}

impl Encode for Answer {
    fn encode<E: Encoder>(&self, e: &mut E) {
        e.open_structure();
        e.member("Records", &self.records);
        e.optional("NextShardIterator", self.next_shard_iterator.as_ref());
        e.optional("MillisBehindLatest", self.millis_behind_latest.as_ref());
        e.optional("ChildShards", self.child_shards.as_ref());
        e.close_structure();
    }

    fn expected_bytes(&self) -> usize {
        self.records.expected_bytes() + 1_024
    }
}

async fn run(service: &Kinesis, input: api::GetRecordsInput, call: &mut Call<'_>) -> Result<Answer, Failure> {
    let iterator = ShardIterator::open(&input.shard_iterator)
        .ok_or_else(|| Failure::invalid("Invalid ShardIterator."))?;
    let now = service.engine.now();
    if let Ok(stream) = service.stream_of_key(&iterator.stream) {
        call.means(&stream);
    }
    if iterator.is_expired(now) {
        return Err(expired(iterator.issued, now));
    }
    let stream = service.stream_of_iterator(&iterator.stream, input.stream_arn.as_deref())?;
    let shard = stream.shard_of_log(iterator.shard);
    // It has expired, or the stream is another one of the same name.
    let shard = shard.ok_or_else(|| {
        Failure::not_found(format!(
            "The shard of this iterator does not exist any more in stream {} under account {}.",
            stream.own_name(),
            service.home.account
        ))
    })?;
    let limit = input.limit.and_then(|limit| usize::try_from(limit).ok());
    let limit =
        PageLimit { records: limit.unwrap_or(caps::GET_RECORDS_COUNT), bytes: caps::GET_RECORDS_BYTES };
    Failure::if_dry_run(input.dry_run)?;
    service.check_read(&stream.name, shard.id, shard.log)?;
    let page = service.engine.read(&stream, shard, iterator.position, limit).await;
    let page = page.map_err(|error| error::engine(error, &service.home.account))?;
    call.got(shard.id, &page);
    if service.limits.is_some() {
        service.has_read(shard.log, page.records.iter().map(Record::size).sum());
    }
    // The shard may have been closed since the stream was looked up, and its children are to be told.
    let ended = page.at_end.then(|| service.engine.current(&stream)).transpose();
    let ended = ended.map_err(|error| error::engine(error, &service.home.account))?;
    let next = ShardIterator { position: page.next, issued: now, ..iterator };
    Ok(Answer {
        records: Records(page.records),
        next_shard_iterator: (!page.at_end).then(|| next.seal()),
        millis_behind_latest: i64::try_from(page.behind_millis).ok(),
        child_shards: ended.map(|stream| shapes::child_shards(&stream, shard.id)),
    })
}

fn expired(issued: Timestamp, now: Timestamp) -> Failure {
    Failure::new(
        ErrorCode::ExpiredIteratorException,
        format!(
            "Iterator expired. The iterator was created at time {issued} while right now it is {now} which is further \
             in the future than the tolerated delay of {} milliseconds.",
            caps::ITERATOR_MILLIS
        ),
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use millstream_wire::{cbor, json};

    #[test]
    fn the_answer_is_that_of_the_model() {
        for (next, behind, children) in
            [(Some("next"), Some(5), None), (None, None, Some(vec![api::ChildShard::default()]))]
        {
            let next_shard_iterator = next.map(str::to_owned);
            let model = api::GetRecordsOutput {
                next_shard_iterator: next_shard_iterator.clone(),
                millis_behind_latest: behind,
                child_shards: children.clone(),
                ..Default::default()
            };
            let answer = Answer {
                records: Records(Vec::new()),
                next_shard_iterator,
                millis_behind_latest: behind,
                child_shards: children,
            };
            assert_eq!(json::encode(&answer), json::encode(&model));
            assert_eq!(cbor::encode(&answer), cbor::encode(&model));
        }
    }
}
