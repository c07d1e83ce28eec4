//! Several accounts and regions on one server: names are each one's own.

use super::{ARN, Service};
use millstream_types::Home;
use serde_json::{Value, json};

const FAR_ARN: &str = "arn:aws:kinesis:eu-west-1:111122223333:stream/s";

/// The same server, for requests that mean another account and region.
fn at(service: &Service, region: &str, account: &str) -> Service {
    let kinesis = service.kinesis.at(Home::default().beside(region, account));
    Service { kinesis, clock: service.clock.clone(), engine: service.engine.clone() }
}

async fn active(service: &Service, key: &str) {
    let is = |state: &std::sync::Arc<millstream_control::State>| {
        state.streams.get(key).is_some_and(|stream| stream.status.is_serving())
    };
    service.engine.control().watch().wait_for(is).await.unwrap();
}

async fn records(service: &Service, mut target: Value) -> Vec<Value> {
    target["ShardId"] = json!("shardId-000000000000");
    target["ShardIteratorType"] = json!("TRIM_HORIZON");
    let iterator = service.call("GetShardIterator", target).await["ShardIterator"].clone();
    let got = service.call("GetRecords", json!({"ShardIterator": iterator})).await;
    got["Records"].as_array().unwrap().clone()
}

#[tokio::test]
async fn a_name_is_free_in_another_account_or_region() {
    let own = Service::with_stream().await;
    let far = at(&own, "eu-west-1", "111122223333");
    let (code, message) = far.refused("DescribeStreamSummary", json!({"StreamName": "s"})).await;
    assert_eq!(code, "ResourceNotFoundException");
    assert_eq!(message, "Stream s under account 111122223333 not found.");

    far.call("CreateStream", json!({"StreamName": "s", "ShardCount": 1})).await;
    active(&own, "111122223333:eu-west-1:s").await;
    let (code, message) = far.refused("CreateStream", json!({"StreamName": "s", "ShardCount": 1})).await;
    assert_eq!(code, "ResourceInUseException");
    assert_eq!(message, "Stream s under account 111122223333 already exists.");

    let shown = far.call("DescribeStreamSummary", json!({"StreamName": "s"})).await;
    let shown = &shown["StreamDescriptionSummary"];
    assert_eq!((&shown["StreamName"], &shown["StreamARN"]), (&json!("s"), &json!(FAR_ARN)));
    assert_eq!(shown["OpenShardCount"], 1);
    let shown = own.call("DescribeStreamSummary", json!({"StreamName": "s"})).await;
    let shown = &shown["StreamDescriptionSummary"];
    assert_eq!((&shown["StreamARN"], &shown["OpenShardCount"]), (&json!(ARN), &json!(2)));

    far.call("PutRecord", json!({"StreamName": "s", "PartitionKey": "k", "Data": "ZmFy"})).await;
    assert_eq!(records(&far, json!({"StreamName": "s"})).await[0]["Data"], "ZmFy");
    assert!(records(&own, json!({"StreamName": "s"})).await.is_empty());

    far.call("DeleteStream", json!({"StreamName": "s"})).await;
    assert_eq!(own.call("ListStreams", json!({})).await["StreamNames"], json!(["s"]));
}

#[tokio::test]
async fn lists_and_limits_are_each_ones_own() {
    let own = Service::with_stream().await;
    let far = at(&own, "eu-west-1", "111122223333");
    for name in ["a", "t", "z"] {
        far.call("CreateStream", json!({"StreamName": name, "ShardCount": 3})).await;
    }
    assert_eq!(own.call("ListStreams", json!({})).await["StreamNames"], json!(["s"]));
    let first = far.call("ListStreams", json!({"Limit": 2})).await;
    assert_eq!((&first["StreamNames"], &first["HasMoreStreams"]), (&json!(["a", "t"]), &json!(true)));
    let rest = far.call("ListStreams", json!({"NextToken": first["NextToken"]})).await;
    assert_eq!((&rest["StreamNames"], &rest["HasMoreStreams"]), (&json!(["z"]), &json!(false)));
    let rest = far.call("ListStreams", json!({"ExclusiveStartStreamName": "s"})).await;
    assert_eq!(rest["StreamNames"], json!(["t", "z"]));
    assert_eq!(own.call("DescribeLimits", json!({})).await["OpenShardCount"], 2);
    assert_eq!(far.call("DescribeLimits", json!({})).await["OpenShardCount"], 9);
    // The same account elsewhere is another place.
    let near = at(&own, "eu-west-1", "000000000000");
    assert_eq!(near.call("ListStreams", json!({})).await["StreamNames"], json!([]));
}

#[tokio::test]
async fn another_accounts_stream_is_reached_by_its_arn_in_the_same_region() {
    let own = Service::with_stream().await;
    own.call(
        "PutRecord",
        json!({"StreamName": "s", "ExplicitHashKey": "0", "PartitionKey": "k", "Data": "b3du"}),
    )
    .await;
    let same_region = at(&own, "us-east-1", "111122223333");
    let got = records(&same_region, json!({"StreamARN": ARN})).await;
    assert_eq!(got[0]["Data"], "b3du");
    let pages = same_region.call("ListShards", json!({"StreamARN": ARN, "MaxResults": 1})).await;
    let rest = same_region.call("ListShards", json!({"NextToken": pages["NextToken"]})).await;
    assert_eq!(rest["Shards"][0]["ShardId"], "shardId-000000000001");
    let other_region = at(&own, "eu-west-1", "000000000000");
    let (code, message) = other_region.refused("DescribeStreamSummary", json!({"StreamARN": ARN})).await;
    assert_eq!(
        (code.as_str(), message.as_str()),
        ("ResourceNotFoundException", "Stream s under account 000000000000 not found.")
    );
}

#[tokio::test]
async fn errors_name_resources_as_their_owner_does() {
    let own = Service::with_stream().await;
    let far = at(&own, "eu-west-1", "111122223333");
    far.call("CreateStream", json!({"StreamName": "s", "ShardCount": 1})).await;
    active(&own, "111122223333:eu-west-1:s").await;
    let merge = json!({"StreamName": "s", "ShardToMerge": "shardId-000000000000", "AdjacentShardToMerge": "shardId-000000000007"});
    let tags: serde_json::Map<_, _> = (0..10).map(|n| (format!("k{n}"), json!("v"))).collect();
    for _ in 0..5 {
        far.call("AddTagsToStream", json!({"StreamName": "s", "Tags": tags})).await;
    }
    for (operation, input) in [
        ("MergeShards", merge),
        (
            "GetShardIterator",
            json!({"StreamName": "s", "ShardId": "shardId-000000000009", "ShardIteratorType": "LATEST"}),
        ),
        ("DecreaseStreamRetentionPeriod", json!({"StreamName": "s", "RetentionPeriodHours": 48})),
        (
            "UpdateShardCount",
            json!({"StreamName": "s", "TargetShardCount": 9, "ScalingType": "UNIFORM_SCALING"}),
        ),
    ] {
        let (_, message) = far.refused(operation, input).await;
        assert!(message.contains(" s") && !message.contains("eu-west-1:s"), "{operation}: {message}");
    }
}
