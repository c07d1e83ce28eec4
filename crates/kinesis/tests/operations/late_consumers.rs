//! Consumers that come back late: to a checkpoint that the stream has forgotten, to a shard's end, to a shard that has gone.

use crate::{ARN, Answer, HALF, Service, put};
use futures_util::StreamExt;
use millstream_control::{ConsumerStatus, State, StreamStatus};
use millstream_log::{ReadError, ReadLimit};
use millstream_types::Position;
use millstream_wire::event_stream;
use serde_json::{Value, json};
use std::sync::Arc;
use std::time::Duration;

const HOUR: u64 = 3_600_000;
const PARENT: &str = "shardId-000000000000";

/// The stream `s`, whose expired records are let go, and the ARN of a consumer.
async fn with_consumer() -> (Service, String) {
    let service = Service::with_stream().await;
    tokio::spawn(service.engine.clone().run_retention());
    let register = json!({"StreamARN": ARN, "ConsumerName": "app"});
    let registered = service.call("RegisterStreamConsumer", register).await;
    let arn = registered["Consumer"]["ConsumerARN"].as_str().unwrap().to_owned();
    let active =
        |state: &Arc<State>| state.consumer("s", "app").is_ok_and(|c| c.status == ConsumerStatus::Active);
    service.engine.control().watch().wait_for(active).await.unwrap();
    (service, arn)
}

async fn until_active(service: &Service) {
    let active = |state: &Arc<State>| state.streams["s"].status == StreamStatus::Active;
    service.engine.control().watch().wait_for(active).await.unwrap();
}

/// Let the sweeps of retention pass.
async fn sweep() {
    tokio::time::sleep(Duration::from_mins(3)).await;
}

async fn number(service: &Service, data: &str, hash: &str) -> String {
    let placed = service.call("PutRecord", put(data, hash)).await;
    placed["SequenceNumber"].as_str().unwrap().to_owned()
}

fn iterator(shard: &str, kind: &str, number: &str) -> Value {
    let mut input = json!({"StreamName": "s", "ShardId": shard, "ShardIteratorType": kind});
    if kind.ends_with("NUMBER") {
        input["StartingSequenceNumber"] = json!(number);
    }
    input
}

/// The first page from there.
async fn page(service: &Service, shard: &str, kind: &str, number: &str) -> Value {
    let iterator =
        service.call("GetShardIterator", iterator(shard, kind, number)).await["ShardIterator"].clone();
    service.call("GetRecords", json!({"ShardIterator": iterator})).await
}

fn subscribe(consumer: &str, shard: &str, kind: &str, number: &str) -> Value {
    let mut position = json!({"Type": kind});
    if kind.ends_with("NUMBER") {
        position["SequenceNumber"] = json!(number);
    }
    json!({"ConsumerARN": consumer, "ShardId": shard, "StartingPosition": position})
}

/// The first event from there, and whether it is the last.
async fn event(service: &Service, consumer: &str, shard: &str, kind: &str, number: &str) -> (Value, bool) {
    // The one before is taken over, if it is still there.
    service.clock.advance_millis(5_000);
    let input = subscribe(consumer, shard, kind, number);
    let Answer::Events(mut frames) = service.raw("SubscribeToShard", input).await.unwrap() else {
        panic!("a subscription answers with events")
    };
    frames.next().await.unwrap();
    let (frame, _) = event_stream::decode(&frames.next().await.unwrap()).unwrap().unwrap();
    assert_eq!(frame.header(":message-type"), Some("event"));
    let event: Value = serde_json::from_slice(&frame.payload).unwrap();
    let ended = event.get("ChildShards").is_some() && frames.next().await.is_none();
    (event, ended)
}

fn data(answer: &Value) -> Vec<&str> {
    answer["Records"].as_array().unwrap().iter().map(|record| record["Data"].as_str().unwrap()).collect()
}

/// A checkpoint that is older than the retention: the KCL starts from it, and must not be refused for ever.
#[tokio::test(start_paused = true)]
async fn a_number_that_was_trimmed_means_the_oldest_record() {
    let (service, consumer) = with_consumer().await;
    let old = number(&service, "b2xk", "0").await;
    service.clock.advance_millis(25 * HOUR);
    number(&service, "bmV3", "0").await;
    sweep().await;
    let log = service.engine.control().state().streams["s"].shards[0].log;
    let one = ReadLimit { records: 1, bytes: 1 };
    let read = service.engine.log().read(log, Position::ZERO, one).await;
    assert!(matches!(read, Err(ReadError::Trimmed { .. })), "the record is gone from the log, too: {read:?}");
    for kind in ["AT_SEQUENCE_NUMBER", "AFTER_SEQUENCE_NUMBER", "TRIM_HORIZON"] {
        let answer = page(&service, PARENT, kind, &old).await;
        assert_eq!((data(&answer), &answer["MillisBehindLatest"]), (vec!["bmV3"], &json!(0)), "{kind}");
        let (event, _) = event(&service, &consumer, PARENT, kind, &old).await;
        assert_eq!((data(&event), &event["MillisBehindLatest"]), (vec!["bmV3"], &json!(0)), "{kind}");
    }
}

/// What the KCL asks of an answer: children if and only if there is no way on, and whole ones. For ever, else, it would read
/// a shard that has ended, or give up one that has not.
fn is_valid(answer: &Value, next: &str, parent: &str) {
    assert_eq!(answer.get(next).is_none(), answer.get("ChildShards").is_some(), "{answer}");
    for child in answer["ChildShards"].as_array().into_iter().flatten() {
        assert!(
            child["ShardId"].is_string() && child["HashKeyRange"]["StartingHashKey"].is_string(),
            "{child}"
        );
        assert!(child["ParentShards"].as_array().unwrap().contains(&json!(parent)), "{child}");
    }
}

#[tokio::test(start_paused = true)]
async fn after_the_last_record_of_a_closed_shard_is_its_end() {
    let (service, consumer) = with_consumer().await;
    let mut parent = PARENT.to_owned();
    let mut last = number(&service, "MQ==", "0").await;
    // A shard, then one of its children, then one of that one's.
    for key in [1_u128 << 100, 1 << 90, 1 << 80] {
        let split = json!({"StreamName": "s", "ShardToSplit": parent, "NewStartingHashKey": key.to_string()});
        service.call("SplitShard", split).await;
        until_active(&service).await;
        let mut children = Value::Null;
        for (kind, records) in
            [("AT_SEQUENCE_NUMBER", vec!["MQ=="]), ("AFTER_SEQUENCE_NUMBER", vec![]), ("LATEST", vec![])]
        {
            let answer = page(&service, &parent, kind, &last).await;
            is_valid(&answer, "NextShardIterator", &parent);
            assert_eq!(
                (data(&answer), &answer["MillisBehindLatest"]),
                (records.clone(), &json!(0)),
                "{kind}"
            );
            let (event, ended) = event(&service, &consumer, &parent, kind, &last).await;
            is_valid(&event, "ContinuationSequenceNumber", &parent);
            assert_eq!((data(&event), ended), (records, true), "{kind}");
            assert_eq!(event["ChildShards"], answer["ChildShards"]);
            children = answer["ChildShards"].clone();
        }
        assert_eq!(children.as_array().unwrap().len(), 2);
        let ended = std::mem::replace(&mut parent, children[0]["ShardId"].as_str().unwrap().to_owned());
        let first = number(&service, "MQ==", "0").await;
        // All numbers have as many digits.
        assert!(first > last && first.len() == last.len(), "{first} in {parent}, {last} in {ended}");
        last = first;
        is_valid(&page(&service, &parent, "AT_SEQUENCE_NUMBER", &last).await, "NextShardIterator", &ended);
    }
}

/// The KCL takes a shard that is not found for one that has ended, and looks for others.
#[tokio::test(start_paused = true)]
async fn a_shard_that_has_expired_is_not_found() {
    let (service, consumer) = with_consumer().await;
    let last = number(&service, "MQ==", "0").await;
    let split = json!({"StreamName": "s", "ShardToSplit": PARENT, "NewStartingHashKey": "7"});
    service.call("SplitShard", split).await;
    until_active(&service).await;
    assert_eq!(data(&page(&service, PARENT, "AT_SEQUENCE_NUMBER", &last).await), ["MQ=="]);
    let before = service.call("GetShardIterator", iterator(PARENT, "TRIM_HORIZON", "")).await;
    service.clock.advance_millis(25 * HOUR);
    sweep().await;
    let expected = format!("Shard {PARENT} in stream s under account 000000000000 does not exist");
    for kind in ["AT_SEQUENCE_NUMBER", "AFTER_SEQUENCE_NUMBER", "TRIM_HORIZON", "LATEST"] {
        for (operation, input) in [
            ("GetShardIterator", iterator(PARENT, kind, &last)),
            ("SubscribeToShard", subscribe(&consumer, PARENT, kind, &last)),
        ] {
            let refused = service.refused(operation, input).await;
            assert_eq!(
                refused,
                ("ResourceNotFoundException".to_owned(), expected.clone()),
                "{operation} {kind}"
            );
        }
    }
    let iterator = json!({"ShardIterator": before["ShardIterator"]});
    assert_eq!(service.refused("GetRecords", iterator).await.0, "ExpiredIteratorException");
    // The other shard was not touched.
    number(&service, "Mg==", HALF).await;
    assert_eq!(data(&page(&service, "shardId-000000000001", "TRIM_HORIZON", "").await), ["Mg=="]);
}
