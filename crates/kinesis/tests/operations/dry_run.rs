//! `DryRun`: what would succeed says so and does nothing, in either encoding; what would fail fails.

use crate::{ARN, Service, put};
use bytes::Bytes;
use millstream_kinesis::{Answer, Failure};
use millstream_shapes::ErrorName;
use millstream_wire::cbor::Cbor11;
use millstream_wire::json::Json11;
use serde_json::{Value, json};

/// A value as a client for Java writes it: data as bytes.
fn cbor(value: &Value, is_data: bool, out: &mut Vec<u8>) {
    let head = |kind: u8, length: usize, out: &mut Vec<u8>| {
        let length = u16::try_from(length).unwrap();
        out.push(kind << 5 | 0x19);
        out.extend_from_slice(&length.to_be_bytes());
    };
    match value {
        Value::Bool(value) => out.push(if *value { 0xf5 } else { 0xf4 }),
        Value::Number(number) => head(0, usize::try_from(number.as_u64().unwrap()).unwrap(), out),
        Value::String(text) => {
            head(if is_data { 2 } else { 3 }, text.len(), out);
            out.extend_from_slice(text.as_bytes());
        }
        Value::Array(values) => {
            head(4, values.len(), out);
            for value in values {
                cbor(value, false, out);
            }
        }
        Value::Object(members) => {
            head(5, members.len(), out);
            for (name, value) in members {
                cbor(&json!(name), false, out);
                cbor(value, name == "Data", out);
            }
        }
        Value::Null => out.push(0xf6),
    }
}

async fn both(service: &Service, operation: &str, input: &Value) -> [(String, String); 2] {
    let mut binary = Vec::new();
    cbor(input, false, &mut binary);
    let told = |answer: Result<Answer, Failure>| match answer {
        Ok(_) => panic!("{operation} went on: {input}"),
        Err(failure) => (failure.error.code.name().to_owned(), failure.error.message),
    };
    [
        told(service.kinesis.call(&Json11, operation, &input.to_string().into()).await),
        told(service.kinesis.call(&Cbor11, operation, &Bytes::from(binary)).await),
    ]
}

#[tokio::test]
async fn what_would_succeed_says_so_and_does_nothing() {
    let service = Service::with_stream().await;
    let registered =
        service.call("RegisterStreamConsumer", json!({"StreamARN": ARN, "ConsumerName": "app"})).await;
    let consumer = &registered["Consumer"]["ConsumerARN"];
    let active = |state: &std::sync::Arc<millstream_control::State>| {
        state.consumer("s", "app").is_ok_and(|c| c.status == millstream_control::ConsumerStatus::Active)
    };
    service.engine.control().watch().wait_for(active).await.unwrap();
    let shard = "shardId-000000000000";
    let good = [
        ("PutRecord", put("aGVsbG8=", "0")),
        ("PutRecords", json!({"StreamName": "s", "Records": [{"Data": "MQ==", "PartitionKey": "k"}]})),
        ("GetShardIterator", json!({"StreamName": "s", "ShardId": shard, "ShardIteratorType": "LATEST"})),
        ("GetRecords", json!({"ShardIterator": service.iterator("TRIM_HORIZON").await})),
        (
            "SubscribeToShard",
            json!({"ConsumerARN": consumer, "ShardId": shard, "StartingPosition": {"Type": "LATEST"}}),
        ),
    ];
    let bad = [
        (
            "PutRecord",
            json!({"StreamName": "none", "Data": "MQ==", "PartitionKey": "k"}),
            "ResourceNotFoundException",
        ),
        ("PutRecord", json!({"StreamName": "s", "Data": "MQ=="}), "ValidationException"),
        ("PutRecords", json!({"StreamName": "s", "Records": []}), "ValidationException"),
        (
            "GetShardIterator",
            json!({"StreamName": "s", "ShardId": shard, "ShardIteratorType": "AT_SEQUENCE_NUMBER"}),
            "InvalidArgumentException",
        ),
        ("GetRecords", json!({"ShardIterator": "x"}), "InvalidArgumentException"),
        (
            "SubscribeToShard",
            json!({"ConsumerARN": consumer, "ShardId": "shardId-000000000009", "StartingPosition": {"Type": "LATEST"}}),
            "ResourceNotFoundException",
        ),
    ];
    for (operation, mut input) in good.clone() {
        input["DryRun"] = json!(true);
        for (code, message) in both(&service, operation, &input).await {
            assert_eq!(code, "DryRunOperationException", "{operation}: {message}");
        }
    }
    for (operation, mut input, expected) in bad {
        input["DryRun"] = json!(true);
        for (code, message) in both(&service, operation, &input).await {
            assert_eq!(code, expected, "{operation}: {message}");
        }
    }
    let page = service.call("GetRecords", good[3].1.clone()).await;
    assert_eq!(page["Records"], json!([]));
    // No dry run has taken the consumer's place; a subscription does, and then a dry run would fail.
    let (operation, mut subscribe) = good[4].clone();
    let Answer::Events(_events) = service.raw(operation, subscribe.clone()).await.unwrap() else {
        panic!("a subscription answers with events")
    };
    subscribe["DryRun"] = json!(true);
    for (code, message) in both(&service, operation, &subscribe).await {
        assert_eq!(code, "ResourceInUseException", "{message}");
    }
    // `false` is as if it were not there.
    let mut real = put("aGVsbG8=", "0");
    real["DryRun"] = json!(false);
    assert!(service.call("PutRecord", real).await["SequenceNumber"].is_string());
}
