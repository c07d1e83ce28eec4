//! What only the whole service can show: records as GetRecords finds them in the log, and the tokens that clients carry.

use super::PLAIN;
use crate::{Target, Verdict};
use base64_simd::STANDARD;
use bytes::Bytes;
use millstream_control::{ActivateStream, CreateStream, StreamMode};
use millstream_engine::{Engine, PageLimit};
use millstream_host::clock::ManualClock;
use millstream_kinesis::{Answer, Kinesis};
use millstream_log::{Batch, Log, MemoryLog, RetentionClass};
use millstream_shapes::ErrorName;
use millstream_types::{Home, LogShard, Position, Timestamp};
use millstream_wire::json::Json11;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;
use tokio::runtime::Runtime;

pub(super) const STORED_RECORD: Target = Target {
    name: "stored_record",
    about: "a record in the log, as the engine reads it",
    seeds: || {
        // Made before anything is measured: what it takes is no input's doing.
        HOUSE.with(|_| ());
        ["\u{1}\u{3}\0keydata", "\u{1}\0\0", "\u{1}\u{8}\0München"]
            .map(|text| text.as_bytes().to_vec())
            .into()
    },
    check: |bytes| HOUSE.with(|house| stored_record(house, bytes)),
    memory: (64 << 10, 16),
    tries: 10_000,
    ..PLAIN
};

pub(super) const TOKENS: Target = Target {
    name: "tokens",
    about: "shard iterators and next tokens; the first byte says of which operation",
    seeds: tokens,
    repair: Some(seal),
    check: |bytes| HOUSE.with(|house| token(house, bytes)),
    longest: 1_024,
    // Answers are JSON, and the model's patterns are compiled at their first use.
    memory: (4 << 20, 64),
    tries: 10_000,
    ..PLAIN
};

const NOW: u64 = 1_700_000_000_000;
const STREAMS: [&str; 3] = ["first", "second", "stored"];
const STORED: usize = 2;

thread_local! {
    static HOUSE: House = House::new();
}

struct House {
    runtime: Runtime,
    log: Arc<dyn Log>,
    engine: Engine,
    kinesis: Kinesis,
}

impl House {
    /// Three streams of two shards; each record of the first two says where it is.
    fn new() -> Self {
        let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime needs nothing");
        let log: Arc<dyn Log> = Arc::new(MemoryLog::new());
        let engine = runtime.block_on(async {
            let clock = ManualClock::at(Timestamp::from_millis(NOW));
            let control = millstream_control_node::open(log.clone(), clock.clone()).await;
            let engine = Engine::new(log.clone(), control.expect("the log is empty"), clock);
            for name in STREAMS {
                let arn = Home::default().stream_arn(name);
                let (mode, tags) = (StreamMode::Provisioned, BTreeMap::new());
                let create =
                    CreateStream { name: name.into(), arn, shards: 2, mode, max_record_kib: 1_024, tags };
                engine.control().submit(create).await.expect("there is no such stream");
                let activate = ActivateStream { name: name.into() };
                engine.control().submit(activate).await.expect("the stream is there");
            }
            for shard in engine.control().state().streams.values().flat_map(|stream| &stream.shards) {
                log.create(shard.log, RetentionClass::Hours(24)).await.expect("memory takes it");
                for _ in 0..3 {
                    let record = format!("\u{1}\u{1}\0k{}", shard.log.0);
                    append(&*log, shard.log, record.as_bytes()).await;
                }
            }
            engine
        });
        let kinesis = {
            let _within = runtime.enter();
            Kinesis::new(engine.clone(), Home::default())
        };
        Self { runtime, log, engine, kinesis }
    }
}

async fn append(log: &dyn Log, shard: LogShard, record: &[u8]) -> Position {
    let batch = Batch::single(Timestamp::from_millis(NOW), record);
    let ticket = log.append(vec![(shard, batch)], Duration::ZERO).await.expect("memory takes it");
    ticket.durable().await.expect("memory is durable")[0].first
}

fn stored_record(house: &House, bytes: &[u8]) -> Verdict {
    house.runtime.block_on(async {
        let state = house.engine.control().state();
        let stream = state.streams.get(STREAMS[STORED]).expect("it was made");
        let shard = &stream.shards[0];
        let position = append(&*house.log, shard.log, bytes).await;
        let limit = PageLimit { records: 10, bytes: usize::MAX };
        let page = house.engine.read(stream, shard, position, limit).await;
        house.log.trim(shard.log, position.next()).await.expect("memory takes it");
        let Ok(page) = page else { return Verdict::Refused };
        let [record] = &page.records[..] else {
            panic!("one record was written, and {} read", page.records.len())
        };
        assert_eq!((record.position, record.sequence_number.position()), (position, position));
        assert_eq!(page.next, position.next());
        // Written as `docs/formats/record.md` says.
        let key = u16::try_from(record.partition_key.len()).expect("its length was two bytes").to_le_bytes();
        let again = [&[1], &key[..], record.partition_key.as_bytes(), &record.data].concat();
        assert_eq!(again, bytes);
        Verdict::Read
    })
}

/// Of which operations tokens are.
const OPERATIONS: [&str; 4] = ["GetRecords", "ListShards", "ListStreams", "ListStreamConsumers"];

fn input(operation: &str, token: &str) -> Value {
    match operation {
        "GetRecords" => json!({"ShardIterator": token}),
        "ListShards" => json!({"NextToken": token, "MaxResults": 1}),
        "ListStreams" => json!({"NextToken": token, "Limit": 1}),
        _ => json!({"NextToken": token, "StreamARN": Home::default().stream_arn(STREAMS[0])}),
    }
}

/// Tokens as the service gives them, and texts that are sealed by `repair`.
fn tokens() -> Vec<Vec<u8>> {
    let call = |operation: &str, input: Value| HOUSE.with(|house| call(house, operation, &input));
    let mut seeds = Vec::new();
    for (stream, shard) in [(0, 0), (0, 1), (1, 0)] {
        let id = format!("shardId-00000000000{shard}");
        let input =
            json!({"StreamName": STREAMS[stream], "ShardId": id, "ShardIteratorType": "TRIM_HORIZON"});
        let answer = call("GetShardIterator", input).expect("the shard is there");
        seeds.push(with(0, answer["ShardIterator"].as_str().unwrap_or_default()));
    }
    let answer = call("ListShards", json!({"StreamName": STREAMS[0], "MaxResults": 1})).expect("it is there");
    seeds.push(with(1, answer["NextToken"].as_str().unwrap_or_default()));
    let answer = call("ListStreams", json!({"Limit": 1})).expect("there are streams");
    seeds.push(with(2, answer["NextToken"].as_str().unwrap_or_default()));
    // Not sealed: the text after the first byte's highest bit is sealed by `repair`.
    for seed in seeds.clone() {
        let text = STANDARD.decode_to_vec(&seed[1..]).expect("tokens are base64");
        seeds.push([&[seed[0] | RAW], &text[8..]].concat());
    }
    seeds
}

/// The token is still to be sealed.
const RAW: u8 = 0x80;

fn with(operation: u8, token: &str) -> Vec<u8> {
    [&[operation], token.as_bytes()].concat()
}

/// What a client can do who knows how tokens are made: checksum and base64 around any text.
fn seal(bytes: &mut Vec<u8>) {
    let Some((first, text)) = bytes.split_first().filter(|(first, _)| **first & RAW != 0) else { return };
    let sealed = [format!("{:08x}", crc32fast::hash(text)).as_bytes(), text].concat();
    *bytes = with(first & !RAW, &STANDARD.encode_to_string(sealed));
}

fn call(house: &House, operation: &str, input: &Value) -> Result<Value, String> {
    let body = Bytes::from(input.to_string());
    let answer = house.runtime.block_on(house.kinesis.call(&Json11, operation, &body));
    match answer {
        Ok(Answer::Body(bytes)) => Ok(serde_json::from_slice(&bytes).expect("answers are JSON")),
        Ok(Answer::Events(_)) => panic!("{operation} answers with a body"),
        Err(failure) => {
            let code = failure.error.code;
            assert!(!code.fault(), "{operation} {input}: {} {:?}", failure.error, failure.internal);
            Err(failure.error.message)
        }
    }
}

fn token(house: &House, bytes: &[u8]) -> Verdict {
    let Some((first, token)) = bytes.split_first() else { return Verdict::Refused };
    let Ok(token) = std::str::from_utf8(token) else { return Verdict::Refused };
    let operation = OPERATIONS[usize::from(first % 0x80) % OPERATIONS.len()];
    let answer = call(house, operation, &input(operation, token));
    if let Ok(answer) = &answer
        && operation == "GetRecords"
    {
        check_records(house, token, answer);
    }
    Verdict::of(&answer)
}

/// Only records of the stream and the shard that the iterator names, and never with another stream's ARN.
fn check_records(house: &House, token: &str, answer: &Value) {
    let text = STANDARD.decode_to_vec(token).expect("it was accepted");
    let text = String::from_utf8(text).expect("it was accepted");
    let fields: Vec<&str> = text.split('\u{1f}').collect();
    let stream = house.engine.control().state().streams.get(fields[1]).cloned().expect("it was accepted");
    let shard: u64 = fields[2].parse().expect("it was accepted");
    assert!(stream.shards.iter().any(|own| own.log == LogShard(shard)), "a shard of the stream");
    for record in answer["Records"].as_array().expect("there is a list") {
        let data = STANDARD.decode_to_vec(record["Data"].as_str().unwrap_or_default());
        assert_eq!(data.expect("data is base64"), shard.to_string().as_bytes(), "of the iterator's shard");
    }
    for other in STREAMS.iter().filter(|other| **other != stream.name) {
        let arn = Home::default().stream_arn(other);
        let input = json!({"ShardIterator": token, "StreamARN": arn});
        assert!(call(house, "GetRecords", &input).is_err(), "{input}: another stream's ARN");
    }
}
