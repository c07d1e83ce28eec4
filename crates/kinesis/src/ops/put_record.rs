//! PutRecord: one record, one durable wait.

use crate::Kinesis;
use crate::error::Failure;
use crate::meter::Call;
use crate::put::{self, RawMembers, RawRecord};
use crate::service::read;
use bytes::Bytes;
use millstream_api_kinesis as api;
use millstream_control::Distribution;
use millstream_engine::{Placed, Prepared};
use millstream_shapes::{BorrowDecoder, Codec, Decode, DecodeBorrowed, DecodeError, Encode, Encoder, check};

pub(crate) async fn answer<C: Codec>(
    service: &Kinesis,
    codec: &C,
    body: &Bytes,
    call: &mut Call<'_>,
) -> Result<Bytes, Failure> {
    let prepared = match short(service, codec, body, call) {
        Some(prepared) => prepared,
        None => long(service, codec, body, call)?,
    };
    let stream = prepared.stream().to_owned();
    let admitted = service.admit(prepared)?;
    if let Some(shard) = admitted.throttled.first().copied().flatten() {
        call.throttled(shard);
        return Err(put::throttled(service, &stream, shard));
    }
    let Some(prepared) = admitted.prepared else { return Err(Failure::validation("No record was given.")) };
    let stored = put::append(service, call, prepared).await?;
    let placed = *stored.placed.first().ok_or_else(|| Failure::validation("No record was given."))?;
    Ok(codec.encode(&Answer { placed, encrypted: stored.encrypted }))
}

/// The long way of [`put`].
pub(crate) fn long<C: Codec>(
    service: &Kinesis,
    codec: &C,
    body: &Bytes,
    call: &mut Call<'_>,
) -> Result<Prepared, Failure> {
    let input = read::<api::PutRecord, _>(codec, body)?;
    let explicit_hash_key = input.explicit_hash_key.as_deref();
    let without_key = input.partition_key.is_none().then(String::new);
    let named = (input.stream_name.as_deref(), input.stream_arn.as_deref());
    let stream = put::target(service, call, named, without_key)?;
    let record = put::new_record(input.partition_key, explicit_hash_key, input.data)?;
    if stream.distribution == Distribution::Auto && input.sequence_number_for_ordering.is_some() {
        return Err(Failure::invalid(
            "SequenceNumberForOrdering must not be given for a stream with the record distribution strategy AUTO.",
        ));
    }
    put::check_size(&stream, &record, String::new)?;
    Failure::if_dry_run(input.dry_run)?;
    // `SequenceNumberForOrdering` asks for an order that every shard keeps anyway.
    put::prepare(service, &stream, std::slice::from_ref(&record))
}

/// The short way of [`put`].
pub(crate) fn short<C: Codec>(
    service: &Kinesis,
    codec: &C,
    body: &Bytes,
    call: &mut Call<'_>,
) -> Option<Prepared> {
    let Raw { record, rest } = codec.decode_borrowed(body).ok()?;
    check(&rest).ok().filter(|()| rest.dry_run != Some(true))?;
    let named = (rest.stream_name.as_deref(), rest.stream_arn.as_deref());
    // Some streams take no number to come after: the long way says so.
    if rest.sequence_number_for_ordering.is_some()
        && service.stream(named.0, named.1).ok()?.distribution == Distribution::Auto
    {
        return None;
    }
    put::prepare_raw(service, call, named, std::slice::from_ref(&record), usize::MAX)
}

/// A request whose record breaks no rule.
#[derive(Debug)]
struct Raw<'a> {
    record: RawRecord<'a>,
    /// All that is not of the record.
    rest: api::PutRecordInput,
}

impl<'a> DecodeBorrowed<'a> for Raw<'a> {
    fn decode_borrowed<D: BorrowDecoder<'a>>(d: &mut D) -> Result<Self, DecodeError> {
        const MEMBERS: [&str; 8] = [
            "Data",
            "PartitionKey",
            "ExplicitHashKey",
            "StreamName",
            "StreamARN",
            "StreamId",
            "SequenceNumberForOrdering",
            "DryRun",
        ];
        let mut record = RawMembers::default();
        let mut rest = api::PutRecordInput::default();
        d.open_structure()?;
        while let Some(member) = d.next_member(&MEMBERS)? {
            match member {
                0 => record.data(d)?,
                1 => record.partition_key(d)?,
                2 => record.explicit_hash_key(d)?,
                3 => rest.stream_name = Decode::decode(d)?,
                4 => rest.stream_arn = Decode::decode(d)?,
                5 => rest.stream_id = Decode::decode(d)?,
                6 => rest.sequence_number_for_ordering = Decode::decode(d)?,
                _ => rest.dry_run = Decode::decode(d)?,
            }
        }
        Ok(Self { record: record.record().ok_or_else(put::not_raw)?, rest })
    }
}

/// As [`api::PutRecordOutput`], without strings of its own.
struct Answer {
    placed: Placed,
    encrypted: bool,
}

impl Encode for Answer {
    fn encode<E: Encoder>(&self, e: &mut E) {
        e.open_structure();
        e.member_name("ShardId");
        e.plain_string(self.placed.shard.text().as_bytes());
        e.member_name("SequenceNumber");
        e.plain_string(self.placed.sequence_number.text().as_bytes());
        e.optional("EncryptionType", self.encrypted.then_some(&api::EncryptionType::Kms));
        e.close_structure();
    }

    fn expected_bytes(&self) -> usize {
        128
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use millstream_types::{Position, SequenceNumber, ShardId};
    use millstream_wire::{cbor, json};

    #[test]
    fn the_answer_is_that_of_the_model() {
        let shard = ShardId(3);
        let placed = Placed { shard, sequence_number: SequenceNumber::of_record(shard, Position(4)) };
        for encrypted in [false, true] {
            let model = api::PutRecordOutput {
                shard_id: shard.to_string(),
                sequence_number: placed.sequence_number.to_string(),
                encryption_type: encrypted.then_some(api::EncryptionType::Kms),
                ..Default::default()
            };
            let answer = Answer { placed, encrypted };
            assert_eq!(json::encode(&answer), json::encode(&model));
            assert_eq!(cbor::encode(&answer), cbor::encode(&model));
        }
    }
}
