//! Enhanced monitoring, account settings and warm throughput.

use crate::{ARN, Service};
use serde_json::{Value, json};
use std::{sync::Arc, time::Duration};

const ALL: [&str; 7] = [
    "IncomingBytes",
    "IncomingRecords",
    "OutgoingBytes",
    "OutgoingRecords",
    "WriteProvisionedThroughputExceeded",
    "ReadProvisionedThroughputExceeded",
    "IteratorAgeMilliseconds",
];

const DAY: u64 = 24 * 3_600_000;

pub(crate) async fn active(service: &Service, key: &str) {
    let is = |state: &Arc<millstream_control::State>| {
        let active = millstream_control::StreamStatus::Active;
        state.streams.get(key).is_some_and(|stream| stream.status == active)
    };
    service.engine.control().watch().wait_for(is).await.unwrap();
}

pub(crate) async fn summary(service: &Service, stream: &str) -> Value {
    let summary = service.call("DescribeStreamSummary", json!({"StreamName": stream})).await;
    summary["StreamDescriptionSummary"].clone()
}

async fn commit(service: &Service, status: &str) -> Value {
    let input = json!({"MinimumThroughputBillingCommitment": {"Status": status}});
    let answer = service.call("UpdateAccountSettings", input).await;
    let described = service.call("DescribeAccountSettings", json!({})).await;
    assert_eq!(answer, described);
    answer["MinimumThroughputBillingCommitment"].clone()
}

#[tokio::test]
async fn shards_are_monitored_as_asked() {
    let service = Service::with_stream().await;
    let by_name = json!({"StreamName": "s", "ShardLevelMetrics": ["OutgoingBytes", "IncomingBytes"]});
    let answer = service.call("EnableEnhancedMonitoring", by_name).await;
    let two = json!(["IncomingBytes", "OutgoingBytes"]);
    assert_eq!(
        answer,
        json!({"StreamName": "s", "StreamARN": ARN, "CurrentShardLevelMetrics": [], "DesiredShardLevelMetrics": two})
    );
    let all = json!({"StreamARN": ARN, "ShardLevelMetrics": ["ALL"]});
    let answer = service.call("EnableEnhancedMonitoring", all.clone()).await;
    let (now, then) = (&answer["CurrentShardLevelMetrics"], &answer["DesiredShardLevelMetrics"]);
    assert_eq!((now, then), (&two, &json!(ALL)));
    for described in [
        summary(&service, "s").await,
        service.call("DescribeStream", json!({"StreamName": "s"})).await["StreamDescription"].clone(),
    ] {
        assert_eq!(described["EnhancedMonitoring"], json!([{"ShardLevelMetrics": ALL}]));
        assert_eq!(described["StreamStatus"], "ACTIVE");
    }
    let some = json!({"StreamName": "s", "ShardLevelMetrics": ["IncomingBytes", "IteratorAgeMilliseconds"]});
    let answer = service.call("DisableEnhancedMonitoring", some).await;
    assert_eq!(answer["CurrentShardLevelMetrics"], json!(ALL));
    assert_eq!(answer["DesiredShardLevelMetrics"], json!(ALL[1..6]));
    let answer = service.call("DisableEnhancedMonitoring", all).await;
    assert_eq!(answer["DesiredShardLevelMetrics"], json!([]));
    assert_eq!(summary(&service, "s").await["EnhancedMonitoring"], json!([{"ShardLevelMetrics": []}]));
}

#[tokio::test]
async fn monitoring_is_refused_in_the_words_of_aws() {
    let service = Service::with_stream().await;
    for operation in ["EnableEnhancedMonitoring", "DisableEnhancedMonitoring"] {
        for metrics in [json!([]), json!(["Everything"]), json!(vec!["ALL"; 8])] {
            let input = json!({"StreamName": "s", "ShardLevelMetrics": metrics});
            assert_eq!(service.refused(operation, input).await.0, "ValidationException", "{metrics}");
        }
        let missing = json!({"StreamName": "s"});
        assert_eq!(service.refused(operation, missing).await.0, "ValidationException");
        let unknown = json!({"StreamName": "none", "ShardLevelMetrics": ["ALL"]});
        let (code, message) = service.refused(operation, unknown).await;
        assert_eq!(code, "ResourceNotFoundException");
        assert_eq!(message, "Stream none under account 000000000000 not found.");
    }
    let service = Service::without_lifecycle().await;
    service.call("CreateStream", json!({"StreamName": "new", "ShardCount": 1})).await;
    let early = json!({"StreamName": "new", "ShardLevelMetrics": ["ALL"]});
    let (code, message) = service.refused("EnableEnhancedMonitoring", early).await;
    assert_eq!(code, "ResourceInUseException");
    assert_eq!(message, "Stream new under account 000000000000 not ACTIVE, instead in state CREATING");
}

#[tokio::test]
async fn a_commitment_lasts_a_day_at_least() {
    let service = Service::new().await;
    let none = json!({"MinimumThroughputBillingCommitment": {"Status": "DISABLED"}});
    assert_eq!(service.call("DescribeAccountSettings", json!({})).await, none);
    assert_eq!(commit(&service, "DISABLED").await, json!({"Status": "DISABLED"}));

    let (start, earliest) = (json!(1_700_000_000.5), json!(1_700_086_400.5));
    let enabled = json!({"Status": "ENABLED", "StartedAt": start, "EarliestAllowedEndAt": earliest});
    assert_eq!(commit(&service, "ENABLED").await, enabled);
    service.clock.advance_millis(DAY / 2);
    assert_eq!(commit(&service, "ENABLED").await, enabled);
    let mut ending = enabled.clone();
    ending["Status"] = json!("ENABLED_UNTIL_EARLIEST_ALLOWED_END");
    assert_eq!(commit(&service, "DISABLED").await, ending);
    assert_eq!(commit(&service, "ENABLED").await, enabled, "the end can be taken back");
    assert_eq!(commit(&service, "DISABLED").await, ending);
    service.clock.advance_millis(DAY / 2);
    let ended = json!({"Status": "DISABLED", "StartedAt": start, "EndedAt": earliest});
    assert_eq!(commit(&service, "DISABLED").await, ended);

    let again = commit(&service, "ENABLED").await;
    assert_eq!((&again["Status"], &again["StartedAt"]), (&json!("ENABLED"), &earliest));
    service.clock.advance_millis(DAY + 1_000);
    let ended = commit(&service, "DISABLED").await;
    let now = 1_700_000_000.5 + 2.0 * 86_400.0 + 1.0;
    assert_eq!(ended, json!({"Status": "DISABLED", "StartedAt": earliest, "EndedAt": now}));

    for input in [
        json!({}),
        json!({"MinimumThroughputBillingCommitment": {}}),
        json!({"MinimumThroughputBillingCommitment": {"Status": "ENABLED_UNTIL_EARLIEST_ALLOWED_END"}}),
    ] {
        assert_eq!(service.refused("UpdateAccountSettings", input).await.0, "ValidationException");
    }
}

#[tokio::test]
async fn each_account_and_region_has_its_own_settings() {
    let own = Service::new().await;
    let home = millstream_types::Home::default().beside("eu-west-1", "111122223333");
    let far = Service { kinesis: own.kinesis.at(home), clock: own.clock.clone(), engine: own.engine.clone() };
    commit(&far, "ENABLED").await;
    let own_status = own.call("DescribeAccountSettings", json!({})).await;
    assert_eq!(own_status["MinimumThroughputBillingCommitment"]["Status"], "DISABLED");
    let warm = |name: &str| json!({"StreamName": name, "StreamModeDetails": {"StreamMode": "ON_DEMAND"}, "WarmThroughputMiBps": 6});
    far.call("CreateStream", warm("w")).await;
    active(&own, "111122223333:eu-west-1:w").await;
    assert_eq!(summary(&far, "w").await["WarmThroughput"], json!({"TargetMiBps": 6, "CurrentMiBps": 6}));
    let (code, message) = own.refused("CreateStream", warm("w")).await;
    assert_eq!(code, "InvalidArgumentException", "{message}");
}

#[tokio::test]
async fn an_on_demand_stream_is_warmed_up_and_cooled_down() {
    let service = Service::new().await;
    commit(&service, "ENABLED").await;
    let create = json!({"StreamName": "w", "StreamModeDetails": {"StreamMode": "ON_DEMAND"}});
    service.call("CreateStream", create).await;
    active(&service, "w").await;
    assert_eq!(summary(&service, "w").await["WarmThroughput"], json!({"CurrentMiBps": 4}));
    let arn = ARN.replace("/s", "/w");
    for (asked, before, open) in [(10, 4, 10), (10, 10, 10), (3, 10, 4), (0, 4, 4)] {
        let answer = service
            .call("UpdateStreamWarmThroughput", json!({"StreamName": "w", "WarmThroughputMiBps": asked}))
            .await;
        let warm = json!({"TargetMiBps": asked, "CurrentMiBps": before});
        assert_eq!(answer, json!({"StreamName": "w", "StreamARN": arn, "WarmThroughput": warm}));
        active(&service, "w").await;
        let shown = summary(&service, "w").await;
        assert_eq!(shown["OpenShardCount"], open, "{asked}");
        assert_eq!(shown["WarmThroughput"], json!({"TargetMiBps": asked, "CurrentMiBps": open}));
    }
    // Records find their way through a stream that is scaled.
    let put = json!({"StreamARN": arn, "PartitionKey": "k", "Data": "aGVsbG8="});
    assert!(service.call("PutRecord", put).await["ShardId"].is_string());
    // What only such an account may see goes with the commitment.
    service.clock.advance_millis(DAY);
    commit(&service, "DISABLED").await;
    assert!(summary(&service, "w").await.get("WarmThroughput").is_none());
}

#[tokio::test]
async fn warm_throughput_is_refused_where_it_cannot_be() {
    let service = Service::with_stream().await;
    let warm = |mibps: i64| json!({"StreamName": "s", "WarmThroughputMiBps": mibps});
    let (code, message) = service.refused("UpdateStreamWarmThroughput", warm(10)).await;
    assert_eq!(code, "ValidationException", "a provisioned stream: {message}");
    let mode = json!({"StreamARN": ARN, "StreamModeDetails": {"StreamMode": "ON_DEMAND"}});
    service.call("UpdateStreamMode", mode.clone()).await;
    let (code, message) = service.refused("UpdateStreamWarmThroughput", warm(10)).await;
    assert_eq!(code, "InvalidArgumentException", "no commitment: {message}");
    assert!(message.contains("MinimumThroughputBillingCommitment"), "{message}");
    commit(&service, "ENABLED").await;
    let (code, message) = service.refused("UpdateStreamWarmThroughput", warm(10_241)).await;
    assert_eq!(code, "LimitExceededException", "{message}");
    assert_eq!(service.refused("UpdateStreamWarmThroughput", warm(-1)).await.0, "ValidationException");
    let missing = json!({"StreamName": "s"});
    assert_eq!(service.refused("UpdateStreamWarmThroughput", missing).await.0, "ValidationException");
    let unknown = json!({"StreamName": "none", "WarmThroughputMiBps": 1});
    let refused = service.refused("UpdateStreamWarmThroughput", unknown).await;
    assert_eq!(refused.0, "ResourceNotFoundException");
    service.call("UpdateStreamWarmThroughput", warm(6)).await;
    active(&service, "s").await;

    let mut back = json!({"StreamARN": ARN, "StreamModeDetails": {"StreamMode": "PROVISIONED"}});
    back["WarmThroughputMiBps"] = json!(6);
    assert_eq!(service.refused("UpdateStreamMode", back).await.0, "InvalidArgumentException");
    let provisioned = json!({"StreamName": "p", "ShardCount": 1, "WarmThroughputMiBps": 6});
    assert_eq!(service.refused("CreateStream", provisioned).await.0, "ValidationException");
    let both = json!({"StreamName": "p", "ShardCount": 1, "StreamModeDetails": {"StreamMode": "ON_DEMAND"}});
    assert_eq!(service.refused("CreateStream", both).await.0, "ValidationException");
    assert_eq!(service.refused("CreateStream", json!({"StreamName": "p"})).await.0, "ValidationException");
}

#[tokio::test(start_paused = true)]
async fn a_stream_that_is_scaled_cannot_be_scaled_again_yet() {
    let service = Service::without_lifecycle().await;
    tokio::spawn(service.engine.clone().run_lifecycle(Duration::from_secs(1)));
    let create = json!({"StreamName": "s", "StreamModeDetails": {"StreamMode": "ON_DEMAND"}});
    service.call("CreateStream", create).await;
    active(&service, "s").await;
    commit(&service, "ENABLED").await;
    let warm = |mibps: i64| json!({"StreamName": "s", "WarmThroughputMiBps": mibps});
    service.call("UpdateStreamWarmThroughput", warm(6)).await;
    assert_eq!(service.refused("UpdateStreamWarmThroughput", warm(7)).await.0, "ResourceInUseException");
    active(&service, "s").await;
    service.call("UpdateStreamWarmThroughput", warm(7)).await;
}

#[tokio::test]
async fn a_stream_is_warmed_up_as_it_becomes_on_demand() {
    let service = Service::with_stream().await;
    let change = |mibps: i64| json!({"StreamARN": ARN, "StreamModeDetails": {"StreamMode": "ON_DEMAND"}, "WarmThroughputMiBps": mibps});
    let refused = service.refused("UpdateStreamMode", change(5)).await;
    assert_eq!(refused.0, "InvalidArgumentException");
    assert_eq!(summary(&service, "s").await["StreamModeDetails"]["StreamMode"], "PROVISIONED");
    commit(&service, "ENABLED").await;
    service.call("UpdateStreamMode", change(5)).await;
    active(&service, "s").await;
    let shown = summary(&service, "s").await;
    assert_eq!(shown["StreamModeDetails"]["StreamMode"], "ON_DEMAND");
    assert_eq!(shown["WarmThroughput"], json!({"TargetMiBps": 5, "CurrentMiBps": 5}));
    let back = json!({"StreamARN": ARN, "StreamModeDetails": {"StreamMode": "PROVISIONED"}});
    service.call("UpdateStreamMode", back).await;
    let shown = summary(&service, "s").await;
    assert!(shown.get("WarmThroughput").is_none() && shown.get("RecordDistributionStrategy").is_none());
    assert_eq!(shown["OpenShardCount"], 5);
    // It keeps the shards that it has.
    service.call("UpdateStreamMode", change(1)).await;
    assert_eq!(summary(&service, "s").await["WarmThroughput"], json!({"TargetMiBps": 1, "CurrentMiBps": 5}));
}

#[tokio::test]
async fn a_listing_can_say_which_stream_of_a_name_it_means() {
    let service = Service::with_stream().await;
    let shards = |at: f64| json!({"StreamName": "s", "StreamCreationTimestamp": at, "MaxResults": 1});
    let consumers = |at: f64| json!({"StreamARN": ARN, "StreamCreationTimestamp": at});
    let page = service.call("ListShards", shards(1_700_000_000.5)).await;
    // What was shown of it may have been cut at the second.
    service.call("ListShards", shards(1_700_000_000.0)).await;
    service.call("ListStreamConsumers", consumers(1_700_000_000.0)).await;
    for (operation, input) in
        [("ListShards", shards(1_600_000_000.0)), ("ListStreamConsumers", consumers(1_600_000_000.0))]
    {
        let refused = service.refused(operation, input).await;
        let none = "Stream s under account 000000000000 not found.".to_owned();
        assert_eq!(refused, ("ResourceNotFoundException".to_owned(), none));
    }
    for (member, value) in [
        ("StreamCreationTimestamp", json!(1_700_000_000.5)),
        ("ExclusiveStartShardId", json!("shardId-000000000000")),
    ] {
        let mut both = json!({"NextToken": page["NextToken"]});
        both[member] = value;
        let (code, message) = service.refused("ListShards", both).await;
        assert_eq!(code, "InvalidArgumentException");
        assert_eq!(message, format!("NextToken and {member} cannot be provided together."));
    }
    for number in 0..2 {
        let register = json!({"StreamARN": ARN, "ConsumerName": format!("app-{number}")});
        service.call("RegisterStreamConsumer", register).await;
    }
    let page = service.call("ListStreamConsumers", json!({"StreamARN": ARN, "MaxResults": 1})).await;
    let mut both = consumers(1_700_000_000.0);
    both["NextToken"] = page["NextToken"].clone();
    assert_eq!(service.refused("ListStreamConsumers", both).await.0, "InvalidArgumentException");
}

#[tokio::test]
async fn a_commitment_allows_more_consumers_of_on_demand_streams() {
    let service = Service::with_stream().await;
    let register = |number: usize| json!({"StreamARN": ARN, "ConsumerName": format!("app-{number}")});
    for number in 0..20 {
        service.call("RegisterStreamConsumer", register(number)).await;
    }
    commit(&service, "ENABLED").await;
    let refused = service.refused("RegisterStreamConsumer", register(20)).await;
    assert_eq!(refused.0, "LimitExceededException", "a provisioned stream has as many as ever");
    let mode = json!({"StreamARN": ARN, "StreamModeDetails": {"StreamMode": "ON_DEMAND"}});
    service.call("UpdateStreamMode", mode).await;
    for number in 20..50 {
        service.call("RegisterStreamConsumer", register(number)).await;
    }
    let (code, message) = service.refused("RegisterStreamConsumer", register(50)).await;
    assert_eq!(code, "LimitExceededException");
    assert_eq!(message, "This request would exceed the limit of 50 consumers of a stream.");
}

/// The SDKs for Java read a tag and an integer, and nothing else.
#[tokio::test]
async fn times_of_a_commitment_are_whole_milliseconds_in_cbor() {
    let service = Service::new().await;
    commit(&service, "ENABLED").await;
    let empty_map = bytes::Bytes::from_static(&[0xa0]);
    let answer =
        service.kinesis.call(&millstream_wire::cbor::Cbor11, "DescribeAccountSettings", &empty_map).await;
    let millstream_kinesis::Answer::Body(body) = answer.unwrap() else { panic!("it answers with a body") };
    let started = [b"StartedAt".as_slice(), &[0xc1, 0x1b], &1_700_000_000_500_u64.to_be_bytes()].concat();
    assert!(body.windows(started.len()).any(|bytes| bytes == started), "{body:?}");
}
