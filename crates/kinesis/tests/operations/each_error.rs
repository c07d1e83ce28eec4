//! The errors that many operations have in common, from each of them.

use crate::{ARN, Service};
use millstream_control::{ConsumerStatus, State};
use millstream_kinesis::LimitSettings;
use serde_json::{Value, json};
use std::sync::Arc;

const SHARD: &str = "shardId-000000000000";

/// Where a call goes.
struct Names {
    stream: &'static str,
    arn: &'static str,
    queue: String,
    consumer: String,
}

/// A call of every operation that is about something, with what else it needs.
fn calls(names: &Names) -> Vec<(&'static str, Value)> {
    let Names { stream, arn, queue, consumer } = names;
    let by_name = |more: Value| with(more, "StreamName", json!(stream));
    let by_arn = |more: Value| with(more, "StreamARN", json!(arn));
    let resource = |more: Value| with(more, "ResourceARN", json!(arn));
    let of_queue = |more: Value| with(more, "QueueARN", json!(queue));
    let levels = || json!({"ShardLevelMetrics": ["ALL"]});
    let key = || json!({"EncryptionType": "KMS", "KeyId": "alias/aws/kinesis"});
    let entries = || json!({"Entries": [{"ReceiptHandle": "h"}]});
    let visible = || json!({"Entries": [{"ReceiptHandle": "h", "VisibilityTimeoutSeconds": 1}]});
    let policy = json!({"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Principal": {"AWS": "*"},
                        "Action": "kinesis:DescribeStreamSummary", "Resource": arn}]});
    let source = json!({"StreamARN": arn, "StartingPosition": {"Type": "TRIM_HORIZON"}});
    vec![
        ("AcknowledgeDeadLetterQueueRecords", of_queue(entries())),
        ("AcknowledgeQueueRecords", of_queue(entries())),
        ("AddTagsToStream", by_name(json!({"Tags": {"a": "b"}}))),
        ("CreateQueue", json!({"QueueName": "new", "StreamConfigurationList": [source]})),
        ("DecreaseStreamRetentionPeriod", by_name(json!({"RetentionPeriodHours": 24}))),
        ("DeleteQueue", of_queue(json!({}))),
        ("DeleteResourcePolicy", resource(json!({}))),
        ("DeleteStream", by_name(json!({}))),
        ("DeregisterStreamConsumer", json!({"ConsumerARN": consumer})),
        ("DescribeQueue", of_queue(json!({}))),
        ("DescribeStream", by_name(json!({}))),
        ("DescribeStreamConsumer", json!({"ConsumerARN": consumer})),
        ("DescribeStreamSummary", by_name(json!({}))),
        ("DisableEnhancedMonitoring", by_name(levels())),
        ("EnableEnhancedMonitoring", by_name(levels())),
        ("GetResourcePolicy", resource(json!({}))),
        ("GetShardIterator", by_name(json!({"ShardId": SHARD, "ShardIteratorType": "LATEST"}))),
        ("IncreaseStreamRetentionPeriod", by_name(json!({"RetentionPeriodHours": 48}))),
        ("ListShards", by_name(json!({}))),
        ("ListStreamConsumers", by_arn(json!({}))),
        ("ListTagsForResource", resource(json!({}))),
        ("ListTagsForStream", by_name(json!({}))),
        (
            "MergeShards",
            by_name(json!({"ShardToMerge": SHARD, "AdjacentShardToMerge": "shardId-000000000001"})),
        ),
        ("PutRecord", by_name(json!({"Data": "", "PartitionKey": "k"}))),
        ("PutRecords", by_name(json!({"Records": [{"Data": "", "PartitionKey": "k"}]}))),
        ("PutResourcePolicy", resource(json!({"Policy": policy.to_string()}))),
        ("ReceiveDeadLetterQueueRecords", of_queue(json!({}))),
        ("ReceiveQueueRecords", of_queue(json!({}))),
        ("RegisterStreamConsumer", by_arn(json!({"ConsumerName": "c"}))),
        ("RemoveTagsFromStream", by_name(json!({"TagKeys": ["a"]}))),
        ("RestoreDeadLetterQueueRecords", of_queue(entries())),
        ("SplitShard", by_name(json!({"ShardToSplit": SHARD, "NewStartingHashKey": "7"}))),
        ("StartStreamEncryption", by_name(key())),
        ("StopStreamEncryption", by_name(key())),
        (
            "SubscribeToShard",
            json!({"ConsumerARN": consumer, "ShardId": SHARD, "StartingPosition": {"Type": "LATEST"}}),
        ),
        ("TagResource", resource(json!({"Tags": {"a": "b"}}))),
        ("UntagResource", resource(json!({"TagKeys": ["a"]}))),
        ("UpdateDeadLetterQueueRecordsVisibility", of_queue(visible())),
        ("UpdateMaxRecordSize", by_arn(json!({"MaxRecordSizeInKiB": 2_048}))),
        ("UpdateQueue", of_queue(json!({"QueueAttributes": {"VisibilityTimeoutSeconds": 60}}))),
        ("UpdateQueueRecordsVisibility", of_queue(visible())),
        ("UpdateShardCount", by_name(json!({"TargetShardCount": 1, "ScalingType": "UNIFORM_SCALING"}))),
        ("UpdateStreamMode", by_arn(json!({"StreamModeDetails": {"StreamMode": "ON_DEMAND"}}))),
        ("UpdateStreamRecordDistributionStrategy", by_arn(json!({"RecordDistributionStrategy": "AUTO"}))),
        ("UpdateStreamWarmThroughput", by_name(json!({"WarmThroughputMiBps": 1}))),
    ]
}

fn with(mut value: Value, name: &str, member: Value) -> Value {
    value[name] = member;
    value
}

/// On a stream that has this name in its ARN, with a consumer and a queue that are not there.
fn names(stream: &'static str, arn: &'static str) -> Names {
    let queue = "arn:aws:kinesis:us-east-1:000000000000:queue/none".to_owned();
    Names { stream, arn, queue, consumer: format!("{arn}/consumer/none:1") }
}

#[tokio::test]
async fn what_is_not_there_is_not_found_by_any() {
    let service = Service::with_stream().await;
    for (operation, input) in calls(&names("none", "arn:aws:kinesis:us-east-1:000000000000:stream/none")) {
        let (code, message) = service.refused(operation, input).await;
        assert_eq!(code, "ResourceNotFoundException", "{operation}: {message}");
        assert!(message.contains("none"), "{operation}: {message}");
    }
}

#[tokio::test]
async fn a_stream_that_is_not_active_yet_is_in_use() {
    let service = Service::without_lifecycle().await;
    service.call("CreateStream", json!({"StreamName": "s", "ShardCount": 2})).await;
    let mut waiting = 0;
    for (operation, input) in calls(&names("s", ARN)) {
        if WAITS.contains(&operation) {
            let (code, message) = service.refused(operation, input).await;
            assert_eq!(code, "ResourceInUseException", "{operation}: {message}");
            let text = "Stream s under account 000000000000 not ACTIVE, instead in state CREATING";
            assert_eq!(message, text, "{operation}");
            waiting += 1;
        }
    }
    assert_eq!(waiting, WAITS.len());
}

/// They want an active stream.
const WAITS: &[&str] = &[
    "CreateQueue",
    "DecreaseStreamRetentionPeriod",
    "DisableEnhancedMonitoring",
    "EnableEnhancedMonitoring",
    "IncreaseStreamRetentionPeriod",
    "ListShards",
    "MergeShards",
    "RegisterStreamConsumer",
    "SplitShard",
    "StopStreamEncryption",
    "UpdateMaxRecordSize",
    "UpdateShardCount",
    "UpdateStreamMode",
];

#[tokio::test]
async fn an_arn_of_something_else_is_refused() {
    let service = Service::with_stream().await;
    let thing = "arn:aws:kinesis:us-east-1:000000000000:thing/x";
    let names = Names { stream: "none", arn: thing, queue: thing.to_owned(), consumer: thing.to_owned() };
    let mut refused = 0;
    for (operation, input) in calls(&names).into_iter().filter(|(_, input)| input.get("StreamName").is_none())
    {
        let (code, message) = service.refused(operation, input).await;
        assert_eq!(code, "ValidationException", "{operation}: {message}");
        assert!(
            message.starts_with(&format!("1 validation error detected: Value '{thing}' at '")),
            "{message}"
        );
        refused += 1;
    }
    assert!(refused > 20, "{refused}");
}

#[tokio::test]
async fn every_operation_of_the_control_plane_has_its_rate() {
    let service = Service::with_stream().await;
    let service = Service { kinesis: service.kinesis.clone().with_limits(LimitSettings::aws()), ..service };
    let mut all = calls(&names("s", ARN));
    // These have rates by shard or by consumer, which limits.rs is about; none is known of queues' records.
    let other = |name: &str| {
        let data = ["DeleteStream", "GetShardIterator", "PutRecord", "PutRecords", "SubscribeToShard"];
        data.contains(&name) || name.contains("QueueRecords")
    };
    all.retain(|(operation, _)| !other(operation));
    let commit = json!({"MinimumThroughputBillingCommitment": {"Status": "ENABLED"}});
    all.extend([
        ("DescribeAccountSettings", json!({})),
        ("DescribeLimits", json!({})),
        ("ListQueues", json!({})),
        ("ListStreams", json!({})),
        ("UpdateAccountSettings", commit),
    ]);
    for (operation, input) in all {
        let mut calls = 0;
        // The clock stands still.
        let (code, message) = loop {
            match service.raw(operation, input.clone()).await {
                Err((code, message)) if code == "LimitExceededException" => break (code, message),
                _ => calls += 1,
            }
            assert!(calls < 1_001, "{operation} has no rate");
        };
        assert!(message.starts_with("Rate exceeded for "), "{operation}: {code}: {message}");
    }
}

#[tokio::test]
async fn a_dry_run_says_that_it_was_one() {
    let service = Service::with_stream().await;
    let iterator = service.iterator("TRIM_HORIZON").await;
    let consumer = consumer(&service).await;
    let subscribe =
        json!({"ConsumerARN": consumer, "ShardId": SHARD, "StartingPosition": {"Type": "LATEST"}});
    for (operation, input) in [
        ("GetRecords", json!({"ShardIterator": iterator})),
        ("GetShardIterator", json!({"StreamName": "s", "ShardId": SHARD, "ShardIteratorType": "LATEST"})),
        ("PutRecord", json!({"StreamName": "s", "Data": "", "PartitionKey": "k"})),
        ("PutRecords", json!({"StreamName": "s", "Records": [{"Data": "", "PartitionKey": "k"}]})),
        ("SubscribeToShard", subscribe),
    ] {
        let (code, message) = service.refused(operation, with(input, "DryRun", json!(true))).await;
        assert_eq!(code, "DryRunOperationException", "{operation}: {message}");
    }
}

/// The ARN of an active consumer of `s`.
async fn consumer(service: &Service) -> Value {
    let register = json!({"StreamARN": ARN, "ConsumerName": "app"});
    let made = service.call("RegisterStreamConsumer", register).await["Consumer"]["ConsumerARN"].clone();
    let active = |state: &Arc<State>| {
        state.consumer("s", "app").is_ok_and(|consumer| consumer.status == ConsumerStatus::Active)
    };
    service.engine.control().watch().wait_for(active).await.unwrap();
    let shown = service.call("DescribeStreamConsumer", json!({"ConsumerARN": made})).await;
    assert_eq!(shown["ConsumerDescription"]["ConsumerStatus"], "ACTIVE");
    let by_name = json!({"StreamARN": ARN, "ConsumerName": "app"});
    assert_eq!(service.call("DescribeStreamConsumer", by_name).await, shown);
    made
}

#[tokio::test]
async fn tokens_of_every_list_expire() {
    let (service, _) = Service::with_queue(json!({})).await;
    let source = json!([{"StreamARN": ARN, "StartingPosition": {"Type": "LATEST"}}]);
    service.call("CreateQueue", json!({"QueueName": "r", "StreamConfigurationList": source})).await;
    service.call("CreateStream", json!({"StreamName": "t", "ShardCount": 1})).await;
    for name in ["a", "b"] {
        service.call("RegisterStreamConsumer", json!({"StreamARN": ARN, "ConsumerName": name})).await;
    }
    let mut tokens = Vec::new();
    for (operation, first, size) in [
        ("ListQueues", json!({}), "MaxResults"),
        ("ListStreamConsumers", json!({"StreamARN": ARN}), "MaxResults"),
        ("ListStreams", json!({}), "Limit"),
    ] {
        let page = service.call(operation, with(first.clone(), size, json!(1))).await;
        let next = with(first, "NextToken", page["NextToken"].clone());
        assert!(page["NextToken"].is_string(), "{operation}");
        service.call(operation, next.clone()).await;
        tokens.push((operation, next));
    }
    service.clock.advance_millis(300_001);
    for (operation, next) in tokens {
        let (code, message) = service.refused(operation, next).await;
        assert_eq!(code, "ExpiredNextTokenException", "{operation}: {message}");
    }
}

#[tokio::test]
async fn a_queue_is_described_changed_and_deleted() {
    let (service, arn) = Service::with_queue(json!({"VisibilityTimeoutSeconds": 45})).await;
    let of_queue = |more: Value| with(more, "QueueARN", json!(arn));
    let shown = service.call("DescribeQueue", of_queue(json!({}))).await;
    let timeout =
        |shown: &Value| shown["QueueDescription"]["QueueAttributes"]["VisibilityTimeoutSeconds"].clone();
    assert_eq!((&shown["QueueDescription"]["QueueName"], timeout(&shown)), (&json!("q"), json!(45)));
    let change = json!({"QueueAttributes": {"VisibilityTimeoutSeconds": 60}});
    service.call("UpdateQueue", of_queue(change)).await;
    let changed = service.call("DescribeQueue", of_queue(json!({}))).await;
    assert_eq!(timeout(&changed), json!(60));
    service.call("DeleteQueue", of_queue(json!({}))).await;
    let gone = |state: &Arc<State>| state.queues.is_empty();
    service.engine.control().watch().wait_for(gone).await.unwrap();
    assert_eq!(service.refused("DescribeQueue", of_queue(json!({}))).await.0, "ResourceNotFoundException");
}

#[tokio::test]
async fn dead_letters_can_be_hidden_for_longer() {
    let dead = json!({"TargetType": "BUILT_IN", "MaxReceiveCount": 1});
    let (service, arn) = Service::with_queue(json!({"DeadLetterConfiguration": dead})).await;
    service.put_values(0..1).await;
    assert_eq!(service.receive("ReceiveQueueRecords", &arn, 10).await.len(), 1);
    service.clock.advance_millis(10_001);
    let letters = service.receive("ReceiveDeadLetterQueueRecords", &arn, 10).await;
    let entry = json!({"ReceiptHandle": letters[0]["ReceiptHandle"], "VisibilityTimeoutSeconds": 100});
    let input = json!({"QueueARN": arn, "Entries": [entry]});
    let answer = service.call("UpdateDeadLetterQueueRecordsVisibility", input).await;
    assert_eq!(answer["Successful"].as_array().unwrap().len(), 1, "{answer}");
    service.clock.advance_millis(50_000);
    let hidden = service.call("ReceiveDeadLetterQueueRecords", json!({"QueueARN": arn})).await;
    assert_eq!(hidden["QueueRecords"], json!([]));
    service.clock.advance_millis(60_000);
    assert_eq!(service.receive("ReceiveDeadLetterQueueRecords", &arn, 10).await.len(), 1);
}
