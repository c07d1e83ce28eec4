//! In one process what a batch needs of JSON on its way to a function in Rust: the event made of records, with their data in
//! base64, and parsed again.

use crate::bodies::Chance;
use anyhow::{Result, ensure};
use serde_json::{Value, json};
use std::fmt::Write as _;
use std::time::{Duration, Instant};

#[derive(Debug, clap::Args)]
pub(crate) struct EventsArgs {
    /// Records of an event
    #[arg(long)]
    batch: usize,
    /// Bytes of data in a record
    #[arg(long, default_value_t = 100)]
    size: usize,
    #[arg(long)]
    seconds: f64,
}

/// A record, and its place in its shard.
struct Record {
    key: String,
    number: u128,
    data: Vec<u8>,
}

pub(crate) fn run(arguments: &EventsArgs) -> Result<Value> {
    let mut chance = Chance::new(1);
    let records: Vec<Record> = (0..arguments.batch)
        .map(|number| Record {
            key: chance.key(),
            number: number as u128,
            data: chance.bytes(arguments.size),
        })
        .collect();
    let limit = Duration::from_secs_f64(arguments.seconds);
    let (mut done, mut bytes) = (0, 0);
    let began = Instant::now();
    while began.elapsed() < limit {
        let event = event(&records);
        bytes = event.len();
        let parsed = bench_worker::parse(event.as_bytes())?;
        ensure!(parsed.records.len() == records.len(), "an event that is not what it was made of");
        done += parsed.records.len();
    }
    Ok(json!({ "per_s": done as f64 / began.elapsed().as_secs_f64(), "event_bytes": bytes }))
}

fn event(records: &[Record]) -> String {
    const SHARD: &str = "shardId-000000000000";
    let mut out = String::with_capacity(
        records.first().map_or(0, |record| record.data.len() * 2 + 600) * records.len(),
    );
    out.push_str(r#"{"Records":["#);
    for (index, record) in records.iter().enumerate() {
        let Record { key, number, data } = record;
        out.push_str(if index == 0 { "" } else { "," });
        let written = write!(
            out,
            r#"{{"kinesis":{{"kinesisSchemaVersion":"1.0","partitionKey":"{key}","sequenceNumber":"{number:056}","data":""#
        );
        written.expect("writing to a String cannot fail");
        base64_simd::STANDARD.encode_append(data, &mut out);
        let written = write!(
            out,
            r#"","approximateArrivalTimestamp":1795443600.123}},"eventSource":"aws:kinesis","eventVersion":"1.0","eventID":"{SHARD}:{number:056}""#
        );
        written.expect("writing to a String cannot fail");
        out.push_str(concat!(
            r#","eventName":"aws:kinesis:record","invokeIdentityArn":"arn:aws:iam::000000000000:role/millstream""#,
            r#","awsRegion":"us-east-1","eventSourceARN":"arn:aws:kinesis:us-east-1:000000000000:stream/bench"}"#
        ));
    }
    out.push_str("]}");
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_event_has_the_members_of_a_kinesis_record() {
        let record = |number| Record { key: "k".to_owned(), number, data: vec![1, 2, 3] };
        let event: Value = serde_json::from_str(&event(&[record(0), record(1)])).unwrap();
        let second = &event["Records"][1];
        let names: Vec<&String> = second.as_object().unwrap().keys().collect();
        let expected = [
            "awsRegion",
            "eventID",
            "eventName",
            "eventSource",
            "eventSourceARN",
            "eventVersion",
            "invokeIdentityArn",
            "kinesis",
        ];
        assert_eq!(names, expected);
        assert_eq!(second["kinesis"]["data"], "AQID");
        assert_eq!(second["kinesis"].as_object().unwrap().len(), 5);
    }
}
