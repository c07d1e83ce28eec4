//! A record as a line of JSON: what `tail --output json` prints, `capture` writes and `replay` reads. The format is written
//! down in docs/formats/capture.md.

use super::follow::Lane;
use crate::commands::table;
use anyhow::{Context, Result, bail, ensure};
use aws_sdk_kinesis::types::Record;
use millstream_engine::hash_of;
use millstream_types::Timestamp;
use serde::{Deserialize, Serialize};

/// One record.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub(super) struct RecordLine {
    #[serde(skip_serializing_if = "String::is_empty")]
    pub(super) shard_id: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub(super) sequence_number: String,
    pub(super) partition_key: String,
    /// A hash key in the record's shard, for a record that its partition key would put into another one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) explicit_hash_key: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) approximate_arrival_timestamp: Option<String>,
    /// The data, if it is text.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) data: Option<String>,
    /// The data in base64, if it is not.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) data_base64: Option<String>,
}

impl RecordLine {
    pub(super) fn new(record: &Record, lane: &Lane) -> Self {
        let bytes = record.data.as_ref();
        let text = std::str::from_utf8(bytes).ok();
        let key = record.partition_key.clone().unwrap_or_default();
        let strayed = !lane.range.contains(hash_of(&key));
        Self {
            shard_id: lane.shard_id.clone(),
            sequence_number: record.sequence_number.clone(),
            explicit_hash_key: strayed.then(|| lane.range.start.to_string()),
            partition_key: key,
            approximate_arrival_timestamp: record.approximate_arrival_timestamp.map(table::time),
            data: text.map(str::to_owned),
            data_base64: text.is_none().then(|| base64_simd::STANDARD.encode_to_string(bytes)),
        }
    }

    /// The record's data.
    pub(super) fn bytes(&self) -> Result<Vec<u8>> {
        match (&self.data, &self.data_base64) {
            (Some(text), None) => Ok(text.clone().into_bytes()),
            (None, Some(text)) => {
                base64_simd::STANDARD.decode_to_vec(text).context("DataBase64 is not base64")
            }
            (None, None) => bail!("it has neither Data nor DataBase64"),
            (Some(_), Some(_)) => bail!("it has both Data and DataBase64"),
        }
    }

    /// When it arrived, if the line says so.
    pub(super) fn arrival(&self) -> Result<Option<Timestamp>> {
        let parse = |text: &String| crate::commands::times::instant(text).map_err(anyhow::Error::msg);
        self.approximate_arrival_timestamp.as_ref().map(parse).transpose()
    }
}

/// The first line of a capture.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Header {
    /// The version of the format.
    pub(super) capture: u32,
    pub(super) stream_name: String,
    /// `TRIM_HORIZON`, or the time from which on the records are there.
    pub(super) from: String,
}

/// The version that is written.
pub(super) const VERSION: u32 = 1;

/// What a line of a capture is.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Line {
    Header(Header),
    Record(Box<RecordLine>),
}

pub(super) fn parse(line: &[u8]) -> Result<Line> {
    let value: serde_json::Value = serde_json::from_slice(line).context("it is not JSON")?;
    if value.get("Capture").is_some() {
        let header: Header = serde_json::from_value(value).context("it is not the head of a capture")?;
        let version = header.capture;
        ensure!(version == VERSION, "it is of version {version} of the format; this program knows {VERSION}");
        return Ok(Line::Header(header));
    }
    ensure!(value.get("PartitionKey").is_some(), "it has no PartitionKey");
    Ok(Line::Record(Box::new(serde_json::from_value(value).context("it is not a record")?)))
}

/// Whether the KPL packed several records into this one: its magic number is in front.
pub(super) fn is_aggregated(data: &[u8]) -> bool {
    data.starts_with(&[0xF3, 0x89, 0x9A, 0xC2])
}

#[cfg(test)]
mod tests {
    use super::*;
    use aws_sdk_kinesis::primitives::{Blob, DateTime};
    use millstream_types::{HashKey, HashRange};

    fn record(data: &[u8]) -> Record {
        Record::builder()
            .partition_key("ada")
            .sequence_number("1")
            .data(Blob::new(data))
            .approximate_arrival_timestamp(DateTime::from_millis(1_700_000_000_123))
            .build()
            .unwrap()
    }

    fn lane(start: u128, end: u128) -> Lane {
        let range = HashRange { start: HashKey(start), end: HashKey(end) };
        Lane { shard_id: "shardId-000000000000".into(), range }
    }

    #[test]
    fn text_stays_text_and_all_bytes_come_back() {
        let all: Vec<u8> = (0..=255).collect();
        for data in [&b"{\"a\":1}"[..], b"", "é\n".as_bytes(), &all] {
            let line = RecordLine::new(&record(data), &lane(0, u128::MAX));
            let text = serde_json::to_vec(&line).unwrap();
            let Line::Record(read) = parse(&text).unwrap() else { panic!("it is a record") };
            assert_eq!((&*read, read.bytes().unwrap()), (&line, data.to_vec()));
            assert_eq!(read.arrival().unwrap(), Some(Timestamp::from_millis(1_700_000_000_123)));
            assert!(!text.contains(&b'\n'), "one record, one line");
        }
    }

    #[test]
    fn a_record_that_strayed_from_its_key_says_into_which_shard() {
        let hash = hash_of("ada").0;
        assert_eq!(RecordLine::new(&record(b"x"), &lane(0, hash)).explicit_hash_key, None);
        let strayed = RecordLine::new(&record(b"x"), &lane(hash + 1, u128::MAX));
        assert_eq!(strayed.explicit_hash_key, Some((hash + 1).to_string()));
    }

    #[test]
    fn what_is_no_line_of_a_capture_says_why() {
        let why = |text: &str| format!("{:#}", parse(text.as_bytes()).unwrap_err());
        assert!(why("{").contains("not JSON"));
        assert!(why("{}").contains("no PartitionKey"));
        assert!(why(r#"{"Capture":2,"StreamName":"a","From":"x"}"#).contains("version 2"));
        assert!(why(r#"{"PartitionKey":7}"#).contains("not a record"));
        let bytes = |text: &str| match parse(text.as_bytes()).unwrap() {
            Line::Record(line) => line.bytes(),
            Line::Header(_) => panic!("it is a record"),
        };
        assert!(bytes(r#"{"PartitionKey":"a"}"#).is_err());
        assert!(bytes(r#"{"PartitionKey":"a","Data":"","DataBase64":""}"#).is_err());
        assert!(bytes(r#"{"PartitionKey":"a","DataBase64":"?"}"#).is_err());
        assert_eq!(bytes(r#"{"PartitionKey":"a","Data":"x","New":1}"#).unwrap(), b"x");
    }

    #[test]
    fn the_head_comes_back() {
        let header = Header { capture: 1, stream_name: "signups".into(), from: "TRIM_HORIZON".into() };
        let text = serde_json::to_string(&header).unwrap();
        assert_eq!(text, r#"{"Capture":1,"StreamName":"signups","From":"TRIM_HORIZON"}"#);
        assert_eq!(parse(text.as_bytes()).unwrap(), Line::Header(header));
    }

    #[test]
    fn aggregates_are_known_by_their_magic_number() {
        assert!(is_aggregated(&[0xF3, 0x89, 0x9A, 0xC2, 1]));
        assert!(!is_aggregated(b"\xF3\x89") && !is_aggregated(b""));
    }
}
