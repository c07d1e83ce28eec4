//! Records on their way to a reader, for GetRecords and SubscribeToShard: thousands in an answer.

use millstream_api_kinesis as api;
use millstream_engine::Record;
use millstream_shapes::{Encode, Encoder};
use millstream_types::SequenceNumberText;
use std::ops::Range;

/// As a list of [`millstream_api_kinesis::Record`], without strings of its own.
#[derive(Debug)]
pub(crate) struct Records(pub(crate) Vec<Record>);

impl Encode for Records {
    fn encode<E: Encoder>(&self, e: &mut E) {
        e.open_list_of(self.0.len());
        let mut head: Option<Head<'_>> = None;
        for record in &self.0 {
            e.element();
            // A stream that distributes by itself takes records without keys.
            let keyed = !record.partition_key.is_empty();
            e.open_structure_of(3 + usize::from(keyed) + usize::from(record.encrypted));
            match head.as_mut().filter(|head| head.is_before(record)) {
                Some(head) => e.again(head.advance(record)),
                None => head = Some(Head::write(record, e)),
            }
            e.blob(&record.data);
            if keyed {
                e.member_name("PartitionKey");
                e.string(&record.partition_key);
            }
            if record.encrypted {
                e.member_name("EncryptionType");
                e.plain_string(api::EncryptionType::Kms.as_str().as_bytes());
            }
            e.close_structure();
        }
        e.close_list();
    }

    fn expected_bytes(&self) -> usize {
        let of = |record: &Record| 4 * record.data.len().div_ceil(3) + record.partition_key.len() + 184;
        self.0.iter().map(of).sum()
    }
}

/// What stands before a record's data. The next record's is mostly the same, with a number one higher.
struct Head<'a> {
    record: &'a Record,
    bytes: Vec<u8>,
    /// Where the number stands in them.
    digits: Range<usize>,
}

impl<'a> Head<'a> {
    fn write<E: Encoder>(record: &'a Record, e: &mut E) -> Self {
        let from = e.written().len();
        e.member_name("SequenceNumber");
        let text = record.sequence_number.text();
        e.plain_string(text.as_bytes());
        // A closing quote, if the protocol has one, is behind the digits; nothing else is.
        let number = e.written()[from..].windows(text.as_bytes().len());
        let at = number.rev().position(|bytes| bytes == text.as_bytes()).unwrap_or_default();
        let end = e.written().len() - from - at;
        e.member("ApproximateArrivalTimestamp", &record.arrival);
        e.member_name("Data");
        Self { record, bytes: e.written()[from..].to_vec(), digits: end - text.as_bytes().len()..end }
    }

    fn is_before(&self, record: &Record) -> bool {
        self.record.sequence_number.next() == record.sequence_number && self.record.arrival == record.arrival
    }

    fn advance(&mut self, record: &'a Record) -> &[u8] {
        self.record = record;
        SequenceNumberText::advance(&mut self.bytes[self.digits.clone()]);
        &self.bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use bytes::Bytes;
    use millstream_types::{Position, SequenceNumber, ShardId, Timestamp};
    use millstream_wire::{cbor, json};

    #[test]
    fn a_list_is_that_of_the_model() {
        let record = |at: u64| {
            // Some numbers are left out, and the arrival changes now and then.
            let position = Position(95 + at + at / 7 * 3);
            Record {
                position,
                sequence_number: SequenceNumber::of_record(ShardId(2), position),
                partition_key: if at % 5 == 3 { String::new() } else { format!("key \"{at}\"") },
                data: Bytes::from(vec![7; usize::try_from(at).unwrap()]),
                arrival: Timestamp::from_millis(1_700_000_000_000 + at / 5),
                encrypted: (10..20).contains(&at),
            }
        };
        for count in [0, 1, 2, 40] {
            let records: Vec<Record> = (0..count).map(record).collect();
            let model: Vec<api::Record> = records
                .iter()
                .map(|record| api::Record {
                    sequence_number: record.sequence_number.to_string(),
                    approximate_arrival_timestamp: Some(record.arrival),
                    data: record.data.clone(),
                    partition_key: Some(record.partition_key.clone()).filter(|key| !key.is_empty()),
                    encryption_type: record.encrypted.then_some(api::EncryptionType::Kms),
                    ..Default::default()
                })
                .collect();
            let ours = Records(records);
            let text = json::encode(&ours);
            assert_eq!(text, json::encode(&model));
            assert_eq!(cbor::encode(&ours), cbor::encode(&model));
            assert!(text.len() <= ours.expected_bytes() + 2, "{} > {}", text.len(), ours.expected_bytes());
        }
    }
}
