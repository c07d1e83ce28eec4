//! What is measured of streams and shards.

use crate::{ARN, Service, put};
use futures_util::StreamExt;
use millstream_kinesis::Answer;
use serde_json::json;

/// The value of a metric of stream `s`, if it is there.
fn value(service: &Service, name: &str) -> Option<String> {
    labelled(service, name, "stream_name=\"s\",account_id=\"000000000000\",region=\"us-east-1\"")
}

fn of_shard(service: &Service, name: &str, shard: u64) -> Option<String> {
    let labels = format!(
        "stream_name=\"s\",account_id=\"000000000000\",region=\"us-east-1\",shard_id=\"shardId-{shard:012}\""
    );
    labelled(service, &format!("shard_{name}"), &labels)
}

fn labelled(service: &Service, name: &str, labels: &str) -> Option<String> {
    let mut text = String::new();
    service.kinesis.write_metrics(&mut text);
    let line = format!("millstream_kinesis_{name}{{{labels}}} ");
    text.lines().find_map(|found| found.strip_prefix(&line)).map(str::to_owned)
}

fn is(service: &Service, expected: &[(&str, u64)]) {
    for (name, expected) in expected {
        assert_eq!(value(service, name), Some(expected.to_string()), "{name}");
    }
}

#[tokio::test]
async fn puts_are_counted_and_so_are_those_that_fail() {
    let service = Service::with_stream().await;
    assert_eq!(value(&service, "incoming_records_total"), None, "nobody has used it");
    service.call("PutRecord", put("aGVsbG8=", "0")).await;
    let entry = json!({"Data": "aGVsbG8=", "PartitionKey": "ab"});
    service.call("PutRecords", json!({"StreamARN": ARN, "Records": vec![entry; 3]})).await;
    is(
        &service,
        &[
            ("incoming_records_total", 4),
            ("incoming_bytes_total", 8 + 3 * 7),
            ("put_record_bytes_total", 8),
            ("put_record_success_sum", 1),
            ("put_record_success_count", 1),
            ("put_record_latency_milliseconds_count", 1),
            ("put_records_bytes_total", 21),
            ("put_records_records_total", 3),
            ("put_records_total_records_total", 3),
            ("put_records_successful_records_total", 3),
            ("put_records_failed_records_total", 0),
            ("put_records_throttled_records_total", 0),
            ("put_records_success_sum", 1),
            ("put_records_success_count", 1),
            ("write_provisioned_throughput_exceeded_total", 0),
        ],
    );
    // Refused by a limit of the stream, by a rule that is the stream's, and by one that is anybody's.
    service.refused("PutRecord", put(&"QUFB".repeat(400_000), "0")).await;
    service.refused("PutRecord", json!({"StreamName": "s", "Data": "MQ=="})).await;
    service.refused("PutRecord", json!({"StreamName": "s", "Data": 7})).await;
    let mut dry = put("aGVsbG8=", "0");
    dry["DryRun"] = json!(true);
    service.refused("PutRecord", dry).await;
    is(
        &service,
        &[("put_record_success_sum", 1), ("put_record_success_count", 3), ("incoming_records_total", 4)],
    );
    for operation in ["PutRecord", "GetRecords"] {
        service.refused(operation, json!({"StreamName": "none", "Data": "MQ==", "PartitionKey": "k"})).await;
    }
    assert_eq!(service.kinesis.meters().len(), 1, "who names no stream makes no metric");
}

#[tokio::test]
async fn reads_are_counted_and_readers_are_timed() {
    let service = Service::with_stream().await;
    for data in ["aGVsbG8=", "aGVsbG8=", "aA=="] {
        service.call("PutRecord", put(data, "0")).await;
        service.clock.advance_millis(1_000);
    }
    let iterator = service.iterator("TRIM_HORIZON").await;
    let page = service.call("GetRecords", json!({"ShardIterator": iterator, "Limit": 2})).await;
    assert_eq!(page["MillisBehindLatest"], 2_000);
    let rest = service.call("GetRecords", json!({"ShardIterator": page["NextShardIterator"]})).await;
    assert_eq!(rest["MillisBehindLatest"], 0);
    is(
        &service,
        &[
            ("get_records_records_total", 3),
            ("get_records_bytes_total", 8 + 8 + 4),
            ("get_records_success_sum", 2),
            ("get_records_success_count", 2),
            ("get_records_latency_milliseconds_count", 2),
            ("get_records_iterator_age_milliseconds", 2_000),
            ("read_provisioned_throughput_exceeded_total", 0),
        ],
    );
    service.clock.advance_millis(300_001);
    let (code, _) = service.refused("GetRecords", json!({"ShardIterator": iterator})).await;
    assert_eq!(code, "ExpiredIteratorException");
    is(&service, &[("get_records_success_sum", 2), ("get_records_success_count", 3)]);
    assert_eq!(value(&service, "get_records_iterator_age_milliseconds"), None, "nobody has read of late");
}

#[tokio::test]
async fn subscriptions_are_counted() {
    let service = Service::with_stream().await;
    service.call("PutRecord", put("aGVsbG8=", "0")).await;
    let registered =
        service.call("RegisterStreamConsumer", json!({"StreamARN": ARN, "ConsumerName": "app"})).await;
    let active = |state: &std::sync::Arc<millstream_control::State>| {
        state.consumer("s", "app").is_ok_and(|c| c.status == millstream_control::ConsumerStatus::Active)
    };
    service.engine.control().watch().wait_for(active).await.unwrap();
    let subscribe = json!({"ConsumerARN": registered["Consumer"]["ConsumerARN"], "ShardId": "shardId-000000000000",
                           "StartingPosition": {"Type": "TRIM_HORIZON"}});
    let Answer::Events(mut frames) = service.raw("SubscribeToShard", subscribe.clone()).await.unwrap() else {
        panic!("a subscription answers with events")
    };
    frames.next().await.unwrap();
    frames.next().await.unwrap();
    assert_eq!(service.refused("SubscribeToShard", subscribe).await.0, "ResourceInUseException");
    is(
        &service,
        &[
            ("subscribe_to_shard_success_sum", 1),
            ("subscribe_to_shard_success_count", 2),
            ("subscribe_to_shard_rate_exceeded_total", 1),
            ("subscribe_to_shard_event_records_total", 1),
            ("subscribe_to_shard_event_bytes_total", 8),
            ("subscribe_to_shard_event_success_sum", 1),
            ("subscribe_to_shard_event_millis_behind_latest", 0),
        ],
    );
}

#[tokio::test]
async fn monitored_shards_are_measured_and_only_what_is_enabled() {
    let service = Service::with_stream().await;
    service.call("PutRecord", put("aGVsbG8=", "0")).await;
    assert_eq!(of_shard(&service, "incoming_records_total", 0), None);
    let metrics = json!(["IncomingRecords", "OutgoingBytes", "IteratorAgeMilliseconds"]);
    let some = json!({"StreamName": "s", "ShardLevelMetrics": metrics});
    service.call("EnableEnhancedMonitoring", some).await;
    let entries: Vec<_> = ["0", "0", crate::HALF]
        .map(|hash| json!({"Data": "aGVsbG8=", "PartitionKey": "k", "ExplicitHashKey": hash}))
        .into();
    service.call("PutRecords", json!({"StreamName": "s", "Records": entries})).await;
    let iterator = service.iterator("TRIM_HORIZON").await;
    service.call("GetRecords", json!({"ShardIterator": iterator})).await;
    let shown = |name: &str, shard: u64| of_shard(&service, name, shard);
    assert_eq!(shown("incoming_records_total", 0).as_deref(), Some("2"));
    assert_eq!(shown("incoming_records_total", 1).as_deref(), Some("1"));
    assert_eq!(shown("outgoing_bytes_total", 0).as_deref(), Some("20"));
    assert_eq!(shown("iterator_age_milliseconds", 0).as_deref(), Some("0"));
    assert_eq!(shown("iterator_age_milliseconds", 1), None, "nobody has read it");
    assert_eq!(shown("incoming_bytes_total", 0), None, "it is not enabled");
    service.call("DisableEnhancedMonitoring", json!({"StreamName": "s", "ShardLevelMetrics": ["ALL"]})).await;
    assert_eq!(shown("incoming_records_total", 0), None);
}

#[tokio::test]
async fn throttles_have_a_place() {
    let service = Service::with_stream().await;
    service.call("EnableEnhancedMonitoring", json!({"StreamName": "s", "ShardLevelMetrics": ["ALL"]})).await;
    service.call("PutRecord", put("aGVsbG8=", "0")).await;
    let (stream, meter) = service.kinesis.meters().remove(0);
    let shard = stream.shards[0].id;
    meter.write_throttled(&stream, Some(shard), 5);
    meter.read_throttled(&stream, shard);
    is(
        &service,
        &[
            ("write_provisioned_throughput_exceeded_total", 5),
            ("read_provisioned_throughput_exceeded_total", 1),
        ],
    );
    let shown = |name: &str| of_shard(&service, name, 0);
    assert_eq!(shown("write_provisioned_throughput_exceeded_total").as_deref(), Some("5"));
    assert_eq!(shown("read_provisioned_throughput_exceeded_total").as_deref(), Some("1"));
}

#[tokio::test]
async fn a_deleted_stream_is_forgotten_and_its_successor_begins_at_zero() {
    let service = Service::with_stream().await;
    service.call("PutRecord", put("aGVsbG8=", "0")).await;
    service.call("DeleteStream", json!({"StreamName": "s"})).await;
    service.engine.control().watch().wait_for(|state| state.streams.is_empty()).await.unwrap();
    service.clock.advance_millis(1_000);
    service.call("CreateStream", json!({"StreamName": "s", "ShardCount": 1})).await;
    crate::settings::active(&service, "s").await;
    assert_eq!(value(&service, "incoming_records_total"), None);
    service.call("PutRecord", put("aGVsbG8=", "0")).await;
    is(&service, &[("incoming_records_total", 1)]);
    // Nobody looks meanwhile: what is kept does not grow with the streams that were.
    service.call("DeleteStream", json!({"StreamName": "s"})).await;
    for number in 0..20 {
        let name = format!("t{number}");
        service.call("CreateStream", json!({"StreamName": name, "ShardCount": 1})).await;
        crate::settings::active(&service, &name).await;
        service.call("PutRecord", json!({"StreamName": name, "Data": "MQ==", "PartitionKey": "k"})).await;
        service.call("DeleteStream", json!({"StreamName": name})).await;
        let gone = |state: &std::sync::Arc<millstream_control::State>| state.streams.is_empty();
        service.engine.control().watch().wait_for(gone).await.unwrap();
        let meters = format!("{:?}", service.kinesis).matches("StreamMeter").count();
        assert!(meters <= 2, "{meters}");
    }
}
