//! An answer of GetRecords made anew for each request from records that are in memory: what a server has to do that does
//! not keep its answers.

use anyhow::{Context as _, Result};
use bytes::Bytes;
use serde::Deserialize;

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Answer {
    records: Vec<Entry>,
    #[serde(flatten)]
    rest: serde_json::Map<String, serde_json::Value>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Entry {
    sequence_number: String,
    approximate_arrival_timestamp: f64,
    data: String,
    partition_key: String,
}

/// A record, and what stands before and behind its data in an answer.
#[derive(Debug)]
struct Record {
    before: String,
    data: Bytes,
    behind: String,
}

#[derive(Debug)]
pub(crate) struct Records {
    list: Vec<Record>,
    behind: String,
    bytes: usize,
}

impl Records {
    /// The records of an answer in JSON.
    pub(crate) fn of(answer: &[u8]) -> Result<Self> {
        let Answer { records, rest } = serde_json::from_slice(answer).context("no answer of GetRecords")?;
        let records: Result<Vec<Record>> = records.into_iter().map(record).collect();
        let rest = serde_json::to_string(&rest)?;
        Ok(Self { list: records?, behind: format!("],{}", &rest[1..]), bytes: answer.len() + 1_024 })
    }

    pub(crate) fn encode(&self) -> Bytes {
        let mut out = Vec::with_capacity(self.bytes);
        out.extend_from_slice(b"{\"Records\":[");
        for (at, record) in self.list.iter().enumerate() {
            if at > 0 {
                out.push(b',');
            }
            out.extend_from_slice(record.before.as_bytes());
            base64_simd::STANDARD.encode_append(&record.data, &mut out);
            out.extend_from_slice(record.behind.as_bytes());
        }
        out.extend_from_slice(self.behind.as_bytes());
        out.into()
    }
}

fn record(entry: Entry) -> Result<Record> {
    let Entry { sequence_number, approximate_arrival_timestamp, data, partition_key } = entry;
    Ok(Record {
        before: format!(
            r#"{{"SequenceNumber":"{sequence_number}","ApproximateArrivalTimestamp":{approximate_arrival_timestamp:.3},"Data":""#
        ),
        data: base64_simd::STANDARD.decode_to_vec(data).context("data is no base64")?.into(),
        behind: format!(r#"","PartitionKey":{}}}"#, serde_json::to_string(&partition_key)?),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_made_again() {
        let answer = r#"{"Records":[{"SequenceNumber":"1","ApproximateArrivalTimestamp":1700000000.125,"Data":"aGVsbG8=","PartitionKey":"a"},{"SequenceNumber":"2","ApproximateArrivalTimestamp":1700000000.125,"Data":"","PartitionKey":"b"}],"MillisBehindLatest":0,"NextShardIterator":"x"}"#;
        assert_eq!(Records::of(answer.as_bytes()).unwrap().encode(), answer);
        assert!(Records::of(b"{}").is_err());
    }
}
