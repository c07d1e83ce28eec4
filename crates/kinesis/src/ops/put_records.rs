//! PutRecords: up to 500 records and 10 MiB, durable together, each with its shard and sequence number.

use crate::error::Failure;
use crate::limits::Admitted;
use crate::meter::Call;
use crate::put::{self, RawMembers, RawRecord};
use crate::service::read;
use crate::{Kinesis, caps};
use bytes::Bytes;
use millstream_api_kinesis as api;
use millstream_control::Stream;
use millstream_engine::{NewRecord, Prepared, Stored};
use millstream_shapes::{
    BorrowDecoder, Codec, Decode, DecodeBorrowed, DecodeError, Encode, Encoder, ErrorName, check,
};
use millstream_types::{SequenceNumber, SequenceNumberText, ShardId};
use std::ops::Range;
use std::sync::Arc;

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
    let Some(_) = &service.limits else {
        return Ok(codec.encode(&Answer(put::append(service, call, prepared).await?)));
    };
    let stream = prepared.stream().to_owned();
    let Admitted { prepared, throttled } = service.admit(prepared)?;
    let stored = match prepared {
        Some(prepared) => put::append(service, call, prepared).await?,
        None => Stored { placed: Vec::new(), encrypted: false },
    };
    if throttled.is_empty() {
        return Ok(codec.encode(&Answer(stored)));
    }
    for shard in throttled.iter().flatten() {
        call.throttled(*shard);
    }
    Ok(codec.encode(&partly(service, &stream, &throttled, stored)))
}

/// The answer to a call of which not all was stored.
fn partly(
    service: &Kinesis,
    stream: &str,
    throttled: &[Option<ShardId>],
    stored: Stored,
) -> api::PutRecordsOutput {
    let failed = throttled.iter().flatten().count();
    let encryption_type = stored.encrypted.then_some(api::EncryptionType::Kms);
    let mut placed = stored.placed.into_iter();
    let records = throttled
        .iter()
        .map(|throttled| {
            if let Some(shard) = throttled {
                let failure = put::throttled(service, stream, *shard);
                api::PutRecordsResultEntry {
                    error_code: Some(failure.error.code.name().to_owned()),
                    error_message: Some(failure.error.message),
                    ..Default::default()
                }
            } else {
                let placed = placed.next();
                api::PutRecordsResultEntry {
                    sequence_number: placed.map(|placed| placed.sequence_number.to_string()),
                    shard_id: placed.map(|placed| placed.shard.to_string()),
                    ..Default::default()
                }
            }
        })
        .collect();
    api::PutRecordsOutput {
        failed_record_count: i32::try_from(failed).ok(),
        records,
        encryption_type,
        ..Default::default()
    }
}

/// The long way of [`put`].
pub(crate) fn long<C: Codec>(
    service: &Kinesis,
    codec: &C,
    body: &Bytes,
    call: &mut Call<'_>,
) -> Result<Prepared, Failure> {
    let (stream, records) = checked(service, codec, body, call)?;
    put::prepare(service, &stream, &records)
}

/// The request's records, of which nothing is amiss, and their stream.
pub(super) fn checked<C: Codec>(
    service: &Kinesis,
    codec: &C,
    body: &Bytes,
    call: &mut Call<'_>,
) -> Result<(Arc<Stream>, Vec<NewRecord>), Failure> {
    let input = read::<api::PutRecords, _>(codec, body)?;
    let at = |number: usize| format!("records.{number}.member.");
    let without_key = input.records.iter().position(|entry| entry.partition_key.is_none());
    let named = (input.stream_name.as_deref(), input.stream_arn.as_deref());
    let stream = put::target(service, call, named, without_key.map(|place| at(place + 1)))?;
    let mut records = Vec::with_capacity(input.records.len());
    for entry in input.records {
        let explicit_hash_key = entry.explicit_hash_key.as_deref();
        records.push(put::new_record(entry.partition_key, explicit_hash_key, entry.data)?);
    }
    for (record, number) in records.iter().zip(1..) {
        put::check_size(&stream, record, || at(number))?;
    }
    if records.iter().map(put::record_size).sum::<usize>() > caps::PUT_RECORDS_BYTES {
        return Err(Failure::invalid("Records size exceeds 10 MB limit"));
    }
    Failure::if_dry_run(input.dry_run)?;
    Ok((stream, records))
}

/// The short way of [`put`].
pub(crate) fn short<C: Codec>(
    service: &Kinesis,
    codec: &C,
    body: &Bytes,
    call: &mut Call<'_>,
) -> Option<Prepared> {
    let Raw { records, rest } = codec.decode_borrowed(body).ok()?;
    if !(1..=caps::PUT_RECORDS_COUNT).contains(&records.len()) || rest.dry_run == Some(true) {
        return None;
    }
    // The records are checked already: one without faults stands for them.
    let rest = api::PutRecordsInput { records: vec![api::PutRecordsRequestEntry::default()], ..rest };
    check(&rest).ok()?;
    let named = (rest.stream_name.as_deref(), rest.stream_arn.as_deref());
    put::prepare_raw(service, call, named, &records, caps::PUT_RECORDS_BYTES)
}

/// A request whose records break no rule, each for itself.
#[derive(Debug)]
struct Raw<'a> {
    records: Vec<RawRecord<'a>>,
    /// All that is not of the records.
    rest: api::PutRecordsInput,
}

impl<'a> DecodeBorrowed<'a> for Raw<'a> {
    fn decode_borrowed<D: BorrowDecoder<'a>>(d: &mut D) -> Result<Self, DecodeError> {
        const MEMBERS: [&str; 5] = ["Records", "StreamName", "StreamARN", "StreamId", "DryRun"];
        let mut records = Vec::new();
        let mut rest = api::PutRecordsInput::default();
        d.open_structure()?;
        while let Some(member) = d.next_member(&MEMBERS)? {
            match member {
                0 => records = raw_records(d)?,
                1 => rest.stream_name = Decode::decode(d)?,
                2 => rest.stream_arn = Decode::decode(d)?,
                3 => rest.stream_id = Decode::decode(d)?,
                _ => rest.dry_run = Decode::decode(d)?,
            }
        }
        Ok(Self { records, rest })
    }
}

fn raw_records<'a, D: BorrowDecoder<'a>>(d: &mut D) -> Result<Vec<RawRecord<'a>>, DecodeError> {
    let mut records = Vec::new();
    d.open_list()?;
    while d.next_element()? {
        if records.len() == caps::PUT_RECORDS_COUNT {
            return Err(put::not_raw());
        }
        if records.len() == SOME {
            records.reserve_exact(caps::PUT_RECORDS_COUNT - SOME);
        }
        records.push(raw_record(d)?);
    }
    Ok(records)
}

/// A request with more records than this is taken to have many.
const SOME: usize = 16;

fn raw_record<'a, D: BorrowDecoder<'a>>(d: &mut D) -> Result<RawRecord<'a>, DecodeError> {
    const MEMBERS: [&str; 3] = ["Data", "PartitionKey", "ExplicitHashKey"];
    let mut record = RawMembers::default();
    d.open_structure()?;
    while let Some(member) = d.next_member(&MEMBERS)? {
        match member {
            0 => record.data(d)?,
            1 => record.partition_key(d)?,
            _ => record.explicit_hash_key(d)?,
        }
    }
    record.record().ok_or_else(put::not_raw)
}

/// As [`api::PutRecordsOutput`], without strings of its own.
struct Answer(Stored);

impl Encode for Answer {
    fn encode<E: Encoder>(&self, e: &mut E) {
        e.open_structure();
        e.member_name("FailedRecordCount");
        e.integer(0);
        e.member_name("Records");
        e.open_list_of(self.0.placed.len());
        let mut written = Written::default();
        for placed in &self.0.placed {
            e.element();
            if let Some(entry) = written.next(placed.sequence_number) {
                e.again(entry);
                continue;
            }
            let from = e.written().len();
            let text = placed.sequence_number.text();
            e.open_structure();
            e.member_name("SequenceNumber");
            e.plain_string(text.as_bytes());
            e.member_name("ShardId");
            e.plain_string(placed.shard.text().as_bytes());
            e.close_structure();
            written.keep(placed.sequence_number, text.as_bytes(), &e.written()[from..]);
        }
        e.close_list();
        e.optional("EncryptionType", self.0.encrypted.then_some(&api::EncryptionType::Kms));
        e.close_structure();
    }

    fn expected_bytes(&self) -> usize {
        96 + 112 * self.0.placed.len()
    }
}

/// The last entry of some shards, as it was written: the records of one shard follow one another, and so the next entry is
/// mostly the same with a number one higher.
#[derive(Default)]
struct Written(Vec<WrittenEntry>);

struct WrittenEntry {
    number: SequenceNumber,
    bytes: Vec<u8>,
    /// Where the number stands in them.
    digits: Range<usize>,
}

impl Written {
    const SHARDS: usize = 8;

    /// The entry of the record with `number`, if that is the next of a shard whose last one is here.
    fn next(&mut self, number: SequenceNumber) -> Option<&[u8]> {
        let entry = self.0.iter_mut().find(|entry| entry.number.next() == number)?;
        entry.number = number;
        SequenceNumberText::advance(&mut entry.bytes[entry.digits.clone()]);
        Some(&entry.bytes)
    }

    fn keep(&mut self, number: SequenceNumber, text: &[u8], bytes: &[u8]) {
        if self.0.len() < Self::SHARDS
            && let Some(from) = bytes.windows(text.len()).position(|digits| digits == text)
        {
            self.0.push(WrittenEntry { number, bytes: bytes.to_vec(), digits: from..from + text.len() });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use millstream_engine::Placed;
    use millstream_types::Position;
    use millstream_wire::{cbor, json};

    #[test]
    fn the_answer_is_that_of_the_model() {
        for (count, shards, step) in [(0, 1, 1), (1, 1, 1), (300, 3, 1), (100, 20, 1), (50, 2, 7)] {
            let placed = |at: u64| {
                let (shard, position) = (ShardId(at % shards), Position(95 + at / shards * step));
                Placed { shard, sequence_number: SequenceNumber::of_record(shard, position) }
            };
            let encrypted = count == 300;
            let answer = Answer(Stored { placed: (0..count).map(placed).collect(), encrypted });
            let entry = |placed: &Placed| api::PutRecordsResultEntry {
                shard_id: Some(placed.shard.to_string()),
                sequence_number: Some(placed.sequence_number.to_string()),
                ..Default::default()
            };
            let model = api::PutRecordsOutput {
                failed_record_count: Some(0),
                records: answer.0.placed.iter().map(entry).collect(),
                encryption_type: encrypted.then_some(api::EncryptionType::Kms),
                ..Default::default()
            };
            let encoded = json::encode(&answer);
            assert!(encoded.len() <= answer.expected_bytes());
            assert_eq!(encoded, json::encode(&model));
            assert_eq!(cbor::encode(&answer), cbor::encode(&model));
        }
    }
}
