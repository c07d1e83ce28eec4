//! Requests that name a stream twice: by its name and by its ARN. Clients that copy both do, and nothing may happen to
//! either stream when they differ.

use crate::{ARN, HALF, Service};
use millstream_control::{State, StreamStatus};
use serde_json::{Value, json};
use std::sync::Arc;

/// Every operation that takes both, with what else it needs.
fn operations() -> Vec<(&'static str, Value)> {
    let levels = json!({"ShardLevelMetrics": ["ALL"]});
    let key = json!({"EncryptionType": "KMS", "KeyId": "alias/aws/kinesis"});
    let shard = "shardId-000000000000";
    vec![
        ("AddTagsToStream", json!({"Tags": {"a": "b"}})),
        ("DecreaseStreamRetentionPeriod", json!({"RetentionPeriodHours": 24})),
        ("DeleteStream", json!({})),
        ("DescribeStream", json!({})),
        ("DescribeStreamSummary", json!({})),
        ("DisableEnhancedMonitoring", levels.clone()),
        ("EnableEnhancedMonitoring", levels),
        ("GetShardIterator", json!({"ShardId": shard, "ShardIteratorType": "LATEST"})),
        ("IncreaseStreamRetentionPeriod", json!({"RetentionPeriodHours": 48})),
        ("ListShards", json!({})),
        ("ListTagsForStream", json!({})),
        ("MergeShards", json!({"ShardToMerge": shard, "AdjacentShardToMerge": "shardId-000000000001"})),
        ("PutRecord", json!({"Data": "", "PartitionKey": "k"})),
        ("PutRecords", json!({"Records": [{"Data": "", "PartitionKey": "k"}]})),
        ("RemoveTagsFromStream", json!({"TagKeys": ["a"]})),
        ("SplitShard", json!({"ShardToSplit": shard, "NewStartingHashKey": "7"})),
        ("StartStreamEncryption", key.clone()),
        ("StopStreamEncryption", key),
        ("UpdateShardCount", json!({"TargetShardCount": 1, "ScalingType": "UNIFORM_SCALING"})),
        ("UpdateStreamWarmThroughput", json!({"WarmThroughputMiBps": 1})),
    ]
}

#[tokio::test]
async fn a_name_and_an_arn_that_differ_are_refused() {
    let service = Service::with_stream().await;
    service.call("CreateStream", json!({"StreamName": "other", "ShardCount": 1})).await;
    let active = |state: &Arc<State>| state.streams["other"].status == StreamStatus::Active;
    service.engine.control().watch().wait_for(active).await.unwrap();
    let before = [service.summary("s").await, service.summary("other").await];
    for (operation, more) in operations() {
        let mut input = more;
        (input["StreamName"], input["StreamARN"]) = (json!("other"), json!(ARN));
        let (code, message) = service.refused(operation, input).await;
        assert_eq!(code, "InvalidArgumentException", "{operation}: {message}");
        assert_eq!(message, "StreamName other and StreamARN name different streams.", "{operation}");
    }
    assert_eq!([service.summary("s").await, service.summary("other").await], before);
}

#[tokio::test]
async fn a_name_and_an_arn_that_agree_are_one() {
    let service = Service::with_stream().await;
    let put = json!({"StreamName": "s", "StreamARN": ARN, "Data": "", "PartitionKey": "k", "ExplicitHashKey": HALF});
    assert_eq!(service.call("PutRecord", put).await["ShardId"], "shardId-000000000001");
}

impl Service {
    async fn summary(&self, name: &str) -> Value {
        self.call("DescribeStreamSummary", json!({"StreamName": name})).await
    }
}
