//! The event that a function is given, byte for byte as AWS writes it but for spaces.

use super::item::{Item, Part};
use crate::caps;
use crate::plan::{Plan, Target};
use bytes::Bytes;
use millstream_types::{SequenceNumber, ShardId, Timestamp};
use std::io::Write;

const OPEN: &str = r#"{"Records":["#;
/// After which there may be more than records.
const END_OF_RECORDS: &str = "]";
const CLOSE: &str = "}";
const KEY: &str = r#"{"kinesis":{"kinesisSchemaVersion":"1.0","partitionKey":"#;
const NUMBER: &str = r#","sequenceNumber":""#;
const DATA: &str = r#"","data":""#;
const ARRIVAL: &str = r#"","approximateArrivalTimestamp":"#;
const ID: &str = r#"},"eventSource":"aws:kinesis","eventVersion":"1.0","eventID":""#;

/// Of an event without records.
pub(super) const EMPTY: usize = OPEN.len() + END_OF_RECORDS.len() + CLOSE.len();

/// Of a user record that was aggregated, as AWS's libraries for that show it: behind the arrival.
const HASH_KEY: &str = r#","explicitHashKey":"#;
const PART: &str = r#","subSequenceNumber":"#;
const AGGREGATED: &str = r#","aggregated":true"#;

/// What is the same in all records of a lane.
#[derive(Debug)]
pub(super) struct Envelope {
    /// `shardId-…:`, the begin of `eventID`.
    shard: String,
    /// From the end of `eventID` to that of the record.
    rest: Vec<u8>,
    /// Bytes that each record adds beside its partition key, data and arrival.
    fixed: usize,
}

impl Envelope {
    pub(super) fn new(plan: &Plan) -> Self {
        // arn:PARTITION:kinesis:REGION:…
        let region = plan.mapping.source.arn().split(':').nth(3).unwrap_or_default();
        // Unknown until there is a function; then the envelope is made anew.
        let role = match &plan.target {
            Target::Ready(spec) => spec.role_arn.as_str(),
            Target::Unavailable(_) => "",
        };
        let mut rest = br#"","eventName":"aws:kinesis:record","invokeIdentityArn":""#.to_vec();
        escape(role, &mut rest);
        rest.extend_from_slice(br#"","awsRegion":""#);
        escape(region, &mut rest);
        rest.extend_from_slice(br#"","eventSourceARN":""#);
        escape(plan.mapping.source.arn(), &mut rest);
        rest.extend_from_slice(br#""}"#);
        Self::from_parts(plan.shard.id, rest)
    }

    fn from_parts(shard: ShardId, rest: Vec<u8>) -> Self {
        // All of a shard's numbers have the same length, and each stands in a record twice.
        let number = SequenceNumber::start_of(shard).to_string().len();
        let shard = format!("{shard}:");
        let names = KEY.len() + NUMBER.len() + DATA.len() + ARRIVAL.len() + ID.len();
        let fixed = names + 2 * number + shard.len() + rest.len() + 1;
        Self { shard, rest, fixed }
    }

    /// What a record adds to an event, with its comma.
    pub(super) fn size(&self, record: &Item) -> usize {
        self.fixed
            + key_len(&record.partition_key)
            + base64_simd::STANDARD.encoded_length(record.data.len())
            + arrival_len(record.arrival)
            + record.part().map_or(0, part_len)
    }

    /// How many of the records fit in one event that has `around` bytes beside them: at least one, however large.
    pub(super) fn fit(&self, records: &[Item], around: usize) -> usize {
        let mut size = EMPTY + around;
        records
            .iter()
            .take_while(|record| {
                size += self.size(record);
                size <= caps::EVENT_BYTES
            })
            .count()
            .max(1)
            .min(records.len())
    }

    /// An event with these records, and behind them `tail`: members with a comma before each.
    pub(super) fn encode(&self, records: &[Item], tail: &str) -> Bytes {
        let size = EMPTY + tail.len() + records.iter().map(|record| self.size(record)).sum::<usize>();
        let mut out = Vec::with_capacity(size);
        out.extend_from_slice(OPEN.as_bytes());
        for (index, record) in records.iter().enumerate() {
            if index > 0 {
                out.push(b',');
            }
            self.encode_record(record, &mut out);
        }
        for part in [END_OF_RECORDS, tail, CLOSE] {
            out.extend_from_slice(part.as_bytes());
        }
        out.into()
    }

    fn encode_record(&self, record: &Item, out: &mut Vec<u8>) {
        const NEVER: &str = "writing to memory cannot fail";
        out.extend_from_slice(KEY.as_bytes());
        write_key(&record.partition_key, out);
        out.extend_from_slice(NUMBER.as_bytes());
        let number = out.len();
        write!(out, "{}", record.sequence_number).expect(NEVER);
        let number = number..out.len();
        out.extend_from_slice(DATA.as_bytes());
        base64_simd::STANDARD.encode_append(&record.data, out);
        out.extend_from_slice(ARRIVAL.as_bytes());
        // Seconds with milliseconds as a fraction.
        let millis = record.arrival.millis();
        write!(out, "{}.{:03}", millis / 1_000, millis % 1_000).expect(NEVER);
        if let Some(part) = record.part() {
            out.extend_from_slice(HASH_KEY.as_bytes());
            write_key(part.explicit_hash_key.as_deref().unwrap_or_default(), out);
            out.extend_from_slice(PART.as_bytes());
            write!(out, "{}", part.index).expect(NEVER);
            out.extend_from_slice(AGGREGATED.as_bytes());
        }
        out.extend_from_slice(ID.as_bytes());
        out.extend_from_slice(self.shard.as_bytes());
        out.extend_from_within(number);
        out.extend_from_slice(&self.rest);
    }
}

fn arrival_len(arrival: Timestamp) -> usize {
    let digits = arrival.secs().checked_ilog10().unwrap_or(0) as usize + 1;
    digits + ".000".len()
}

fn part_len(part: &Part) -> usize {
    let digits = part.index.checked_ilog10().unwrap_or(0) as usize + 1;
    let key = key_len(part.explicit_hash_key.as_deref().unwrap_or_default());
    HASH_KEY.len() + key + PART.len() + digits + AGGREGATED.len()
}

fn needs_escape(byte: u8) -> bool {
    byte < 0x20 || byte == b'"' || byte == b'\\'
}

fn escaped_len(text: &str) -> usize {
    text.bytes()
        .map(|byte| match byte {
            b'"' | b'\\' | b'\n' | b'\r' | b'\t' => 2,
            byte if needs_escape(byte) => 6,
            _ => 1,
        })
        .sum()
}

/// A record of a stream that distributes by itself may have no partition key (Developer Guide, "AWS Lambda triggers with
/// service-managed streams").
const NO_KEY: &str = "null";

fn key_len(key: &str) -> usize {
    if key.is_empty() { NO_KEY.len() } else { escaped_len(key) + 2 }
}

fn write_key(key: &str, out: &mut Vec<u8>) {
    if key.is_empty() {
        out.extend_from_slice(NO_KEY.as_bytes());
    } else {
        out.push(b'"');
        escape(key, out);
        out.push(b'"');
    }
}

/// Append a text as the inside of a JSON string.
fn escape(text: &str, out: &mut Vec<u8>) {
    const HEX: &[u8; 16] = b"0123456789abcdef";
    if !text.bytes().any(needs_escape) {
        out.extend_from_slice(text.as_bytes());
        return;
    }
    for byte in text.bytes() {
        match byte {
            b'"' | b'\\' => out.extend_from_slice(&[b'\\', byte]),
            b'\n' => out.extend_from_slice(b"\\n"),
            b'\r' => out.extend_from_slice(b"\\r"),
            b'\t' => out.extend_from_slice(b"\\t"),
            byte if needs_escape(byte) => {
                let (high, low) = (HEX[usize::from(byte >> 4)], HEX[usize::from(byte & 15)]);
                out.extend_from_slice(&[b'\\', b'u', b'0', b'0', high, low]);
            }
            byte => out.push(byte),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use millstream_engine::Record;
    use millstream_types::Position;
    use serde_json::Value;

    fn envelope() -> Envelope {
        Envelope::from_parts(ShardId(3), br#"","eventName":"x"}"#.to_vec())
    }

    fn record(position: u64, key: &str, data: &[u8]) -> Item {
        recorded(position, key, data).into()
    }

    fn recorded(position: u64, key: &str, data: &[u8]) -> Record {
        Record {
            position: Position(position),
            sequence_number: SequenceNumber::of_record(ShardId(3), Position(position)),
            partition_key: key.into(),
            data: Bytes::copy_from_slice(data),
            arrival: Timestamp::from_millis(1_545_084_650_087),
            encrypted: false,
        }
    }

    #[test]
    fn every_key_survives_and_the_size_is_exact() {
        let all: String = (0..=0x2ff_u32).filter_map(char::from_u32).collect();
        let records: Vec<_> = all
            .chars()
            .map(String::from)
            .chain([all.clone(), "😀\u{7f}".into(), String::new()])
            .enumerate()
            .map(|(index, key)| record(index as u64, &key, &vec![7; index % 5]))
            .collect();
        let envelope = envelope();
        let encoded = envelope.encode(&records, "");
        let sizes: usize = records.iter().map(|record| envelope.size(record)).sum();
        // The first record has no comma.
        assert_eq!(encoded.len(), EMPTY + sizes - 1);
        let value: Value = serde_json::from_slice(&encoded).unwrap();
        for (record, value) in records.iter().zip(value["Records"].as_array().unwrap()) {
            let key = Some(record.partition_key.as_str()).filter(|key| !key.is_empty());
            assert_eq!(value["kinesis"]["partitionKey"].as_str(), key);
            assert_eq!(value["kinesis"]["approximateArrivalTimestamp"], 1_545_084_650.087);
        }
    }

    #[test]
    fn the_length_of_a_time_is_known() {
        for millis in [0, 999, 1_000, 9_999, 10_000, 1_700_000_000_123, u64::MAX] {
            let timed = Record { arrival: Timestamp::from_millis(millis), ..recorded(0, "k", b"") };
            let timed = Item::from(timed);
            let encoded = envelope().encode(std::slice::from_ref(&timed), "");
            assert_eq!(encoded.len(), EMPTY + envelope().size(&timed) - 1, "{millis}");
        }
    }

    #[test]
    fn an_event_is_filled_to_its_limit_and_not_beyond() {
        let envelope = envelope();
        let around = EMPTY + envelope.size(&record(0, "k", b""));
        // The largest data that fits alone; base64 goes in steps of three bytes to four.
        let room = (caps::EVENT_BYTES - around) / 4 * 3;
        let full = record(0, "k", &vec![0; room]);
        let size = EMPTY + envelope.size(&full);
        assert!(size <= caps::EVENT_BYTES && size + 4 > caps::EVENT_BYTES, "{size}");
        assert_eq!(envelope.fit(&[full.clone(), record(1, "k", b"")], 0), 1);
        let over = record(0, "k", &vec![0; room + 1]);
        assert_eq!(envelope.fit(&[over.clone(), full], 0), 1, "one goes always");
        assert_eq!(envelope.fit(&[record(0, "k", b"a"), over, record(2, "k", b"a")], 0), 1);
        assert_eq!(envelope.fit(&[], 0), 0);
    }
}
