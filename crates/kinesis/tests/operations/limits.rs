//! AWS's limits on rates and counts, with a clock that stands still unless it is moved.

use crate::{ARN, HALF, Service, put};
use futures_util::StreamExt;
use millstream_kinesis::{Answer, EventFrames, LimitSettings};
use millstream_wire::event_stream;
use serde_json::{Value, json};
use std::time::Duration;

const SHARD: &str = "shardId-000000000000";
const RATE: &str = "Rate exceeded for shard shardId-000000000000 in stream s under account 000000000000.";

impl Service {
    fn limited(self, settings: LimitSettings) -> Self {
        Self { kinesis: self.kinesis.clone().with_limits(settings), ..self }
    }

    async fn under_aws() -> Self {
        Self::with_stream().await.limited(LimitSettings::aws())
    }

    fn throttles(&self, name: &str) -> u64 {
        self.kinesis.throttles().into_iter().find(|(limit, _)| *limit == name).unwrap().1
    }

    /// Data of all records of the first shard, read beside the limits.
    async fn stored(&self) -> Vec<Value> {
        let free = Self {
            kinesis: self.kinesis.clone().with_limits(LimitSettings::none()),
            clock: self.clock.clone(),
            engine: self.engine.clone(),
        };
        let iterator = free.iterator("TRIM_HORIZON").await;
        let page = free.call("GetRecords", json!({"ShardIterator": iterator})).await;
        page["Records"].as_array().unwrap().iter().map(|record| record["Data"].clone()).collect()
    }
}

fn only(limits: &[(&str, u64)]) -> LimitSettings {
    let mut settings = LimitSettings::none();
    for (name, value) in limits {
        settings.set(name, Some(*value)).unwrap();
    }
    settings
}

/// Base64 of so many bytes, which is a multiple of three.
fn data(bytes: usize) -> String {
    "A".repeat(bytes / 3 * 4)
}

fn throttled(error: &(String, String)) {
    assert_eq!(*error, ("ProvisionedThroughputExceededException".to_owned(), RATE.to_owned()));
}

#[tokio::test]
async fn nothing_is_limited_unless_that_is_asked_for() {
    let service = Service::with_stream().await.limited(LimitSettings::none());
    for _ in 0..30 {
        service.call("DescribeLimits", json!({})).await;
        let iterator = service.iterator("TRIM_HORIZON").await;
        service.call("GetRecords", json!({"ShardIterator": iterator})).await;
    }
    assert_eq!(service.kinesis.throttles(), []);
}

#[tokio::test]
async fn records_beyond_a_shards_rate_are_refused_one_by_one_and_never_stored() {
    let service = Service::with_stream().await.limited(only(&[("shard-write-records", 3)]));
    let entry = |data: &str, hash: &str| json!({"Data": data, "PartitionKey": "k", "ExplicitHashKey": hash});
    let entries = json!([
        entry("MQ==", "0"),
        entry("Mg==", "0"),
        entry("Mw==", HALF),
        entry("NA==", "0"),
        entry("NQ==", "0"),
        entry("Ng==", HALF)
    ]);
    let answer = service.call("PutRecords", json!({"StreamName": "s", "Records": entries})).await;
    assert_eq!(answer["FailedRecordCount"], 1);
    let records = answer["Records"].as_array().unwrap();
    assert_eq!(
        records[4],
        json!({"ErrorCode": "ProvisionedThroughputExceededException", "ErrorMessage": RATE})
    );
    let shards: Vec<_> = records.iter().map(|record| record["ShardId"].as_str()).collect();
    let other = Some("shardId-000000000001");
    assert_eq!(shards, [Some(SHARD), Some(SHARD), other, Some(SHARD), None, other]);
    assert_eq!(service.stored().await, ["MQ==", "Mg==", "NA=="]);
    throttled(&service.refused("PutRecord", put("Nw==", "0")).await);
    let all = json!({"StreamName": "s", "Records": [entry("OA==", "0"), entry("OQ==", "1")]});
    let answer = service.call("PutRecords", all).await;
    assert_eq!((&answer["FailedRecordCount"], answer["Records"].as_array().unwrap().len()), (&json!(2), 2));
    assert_eq!(service.throttles("shard-write-records"), 4);
    service.clock.advance_millis(333);
    throttled(&service.refused("PutRecord", put("Nw==", "0")).await);
    service.clock.advance_millis(1);
    service.call("PutRecord", put("Nw==", "0")).await;
    assert_eq!(service.stored().await, ["MQ==", "Mg==", "NA==", "Nw=="]);
}

#[tokio::test]
async fn bytes_are_limited_with_their_keys_and_a_large_record_is_paid_off() {
    let service = Service::under_aws().await;
    // The whole of a second: 1 MiB with the key of three bytes, less one.
    service.call("PutRecord", put(&data((1 << 20) - 4), "0")).await;
    throttled(&service.refused("PutRecord", put("", "0")).await);
    service.call("PutRecord", put("", HALF)).await;
    service.clock.advance_millis(1_000);
    service.call("PutRecord", put(&data((1 << 20) - 4), "0")).await;
    assert_eq!(service.throttles("shard-write-bytes"), 1);

    let service = Service::with_stream().await.limited(only(&[("shard-write-bytes", 1_000)]));
    service.call("PutRecord", put(&data(4_998), "0")).await;
    service.clock.advance_millis(4_003);
    throttled(&service.refused("PutRecord", put("", "0")).await);
    service.clock.advance_millis(1);
    service.call("PutRecord", put("", "0")).await;
}

#[tokio::test]
async fn a_request_that_is_wrong_or_a_dry_run_uses_nothing_up() {
    let service = Service::with_stream().await.limited(only(&[("shard-write-records", 1)]));
    let mut dry = put("MQ==", "0");
    dry["DryRun"] = json!(true);
    for _ in 0..3 {
        assert_eq!(service.refused("PutRecord", dry.clone()).await.0, "DryRunOperationException");
        assert_eq!(service.refused("PutRecord", put("no base64", "0")).await.0, "SerializationException");
    }
    service.call("PutRecord", put("MQ==", "0")).await;
}

#[tokio::test]
async fn a_shard_is_read_five_times_a_second() {
    let service = Service::under_aws().await;
    let iterator = service.iterator("TRIM_HORIZON").await;
    let read = json!({"ShardIterator": iterator});
    for _ in 0..5 {
        service.call("GetRecords", read.clone()).await;
    }
    throttled(&service.refused("GetRecords", read.clone()).await);
    service.clock.advance_millis(200);
    service.call("GetRecords", read.clone()).await;
    throttled(&service.refused("GetRecords", read).await);
    assert_eq!(service.throttles("shard-read-calls"), 2);
}

#[tokio::test]
async fn ten_mebibytes_keep_a_shard_from_being_read_for_five_seconds() {
    let service = Service::with_stream().await;
    for _ in 0..11 {
        service.call("PutRecord", put(&data((1 << 20) - 4), "0")).await;
    }
    let service = service.limited(LimitSettings::aws());
    let read = json!({"ShardIterator": service.iterator("TRIM_HORIZON").await});
    let page = service.call("GetRecords", read.clone()).await;
    let found = page["Records"].as_array().unwrap().len();
    assert_eq!(found, 10);
    service.clock.advance_millis(4_999);
    throttled(&service.refused("GetRecords", read.clone()).await);
    service.clock.advance_millis(1);
    service.call("GetRecords", read).await;
    assert_eq!(service.throttles("shard-read-bytes"), 1);
}

#[tokio::test]
async fn calls_of_the_control_plane_have_their_rates() {
    let service = Service::under_aws().await;
    let of_stream = "Rate exceeded for stream s under account 000000000000.";
    let of_account = "Rate exceeded for account 000000000000.";
    let iterator = json!({"StreamName": "s", "ShardId": SHARD, "ShardIteratorType": "LATEST"});
    let name = json!({"StreamName": "s"});
    let limit = "LimitExceededException";
    let cases = [
        ("DescribeStream", name.clone(), 10, limit, of_stream),
        ("DescribeStreamSummary", json!({"StreamARN": ARN}), 20, limit, of_stream),
        ("DescribeLimits", json!({}), 1, limit, of_account),
        ("ListStreams", json!({}), 5, limit, of_account),
        ("ListStreamConsumers", json!({"StreamARN": ARN}), 5, limit, of_stream),
        ("ListTagsForStream", name.clone(), 5, limit, of_stream),
        ("ListTagsForResource", json!({"ResourceARN": ARN}), 5, limit, of_account),
        ("GetShardIterator", iterator, 5, "ProvisionedThroughputExceededException", RATE),
    ];
    for (operation, input, rate, code, message) in cases {
        for _ in 0..rate {
            service.call(operation, input.clone()).await;
        }
        let refused = service.refused(operation, input.clone()).await;
        assert_eq!(refused, (code.to_owned(), message.to_owned()), "{operation}");
        service.clock.advance_millis(1_000 / rate);
        service.call(operation, input).await;
    }
    for _ in 0..1_000 {
        service.call("ListShards", name.clone()).await;
    }
    assert_eq!(service.refused("ListShards", name).await.1, of_stream);
    // Another account and region have their own.
    let far = service.kinesis.home().beside("eu-west-1", "111122223333");
    let far = Service { kinesis: service.kinesis.at(far), ..service };
    far.call("DescribeLimits", json!({})).await;
    let refused = far.refused("DescribeLimits", json!({})).await.1;
    assert_eq!(refused, "Rate exceeded for account 111122223333.");
    assert_eq!(far.throttles("DescribeLimits"), 2);
    assert_eq!(far.throttles("control-calls"), 1);
}

#[tokio::test]
async fn there_are_only_so_many_of_a_thing() {
    // No lifecycle: what is to be created stays so.
    let service = Service::without_lifecycle().await;
    let settings = only(&[("creating-streams", 3), ("on-demand-streams", 1), ("shards", 9)]);
    let service = service.limited(settings);
    let create = |name: &str, shards: i32| json!({"StreamName": name, "ShardCount": shards});
    let on_demand =
        |name: &str| json!({"StreamName": name, "StreamModeDetails": {"StreamMode": "ON_DEMAND"}});
    service.call("CreateStream", on_demand("a")).await;
    let refused = service.refused("CreateStream", on_demand("b")).await;
    assert_eq!(refused.0, "LimitExceededException");
    assert!(refused.1.contains("on-demand stream limit for the account 000000000000"), "{}", refused.1);
    let refused = service.refused("CreateStream", create("b", 6)).await;
    assert_eq!(
        refused.1,
        "This request would exceed the shard limit for the account 000000000000 in us-east-1. Current shard count for the \
         account: 4. Limit: 9. Number of additional shards that would have resulted from this request: 6."
    );
    service.call("CreateStream", create("b", 2)).await;
    service.call("CreateStream", create("c", 3)).await;
    let refused = service.refused("CreateStream", create("d", 1)).await;
    assert_eq!(
        refused,
        (
            "LimitExceededException".to_owned(),
            "This request would have exceed the limit on the number of streams that can simultaneously be in CREATING or \
             DELETING. Limit: 3"
                .to_owned()
        )
    );
    let limits = service.call("DescribeLimits", json!({})).await;
    assert_eq!((&limits["ShardLimit"], &limits["OnDemandStreamCountLimit"]), (&json!(9), &json!(1)));
}

#[tokio::test]
async fn five_consumers_are_registered_at_a_time() {
    let service = Service::without_lifecycle().await;
    service.call("CreateStream", json!({"StreamName": "s", "ShardCount": 1})).await;
    let active = millstream_control::ActivateStream { name: "s".into() };
    service.engine.control().submit(active).await.unwrap();
    let service = service.limited(only(&[("creating-consumers", 5)]));
    let register = |name: u32| json!({"StreamARN": ARN, "ConsumerName": format!("c{name}")});
    for name in 0..5 {
        service.call("RegisterStreamConsumer", register(name)).await;
    }
    let (code, message) = service.refused("RegisterStreamConsumer", register(5)).await;
    assert_eq!(code, "LimitExceededException");
    assert!(message.ends_with("can simultaneously be in CREATING. Limit: 5"), "{message}");
}

#[tokio::test]
async fn the_shard_count_is_updated_ten_times_a_day() {
    let service = Service::with_stream().await.limited(only(&[("shard-count-updates", 10)]));
    let update = json!({"StreamName": "s", "TargetShardCount": 2, "ScalingType": "UNIFORM_SCALING"});
    for _ in 0..10 {
        service.call("UpdateShardCount", update.clone()).await;
    }
    let refused = service.refused("UpdateShardCount", update.clone()).await;
    let text = "The shard count of stream s under account 000000000000 cannot be updated more than 10 times in a rolling \
                24-hour period.";
    assert_eq!(refused, ("LimitExceededException".to_owned(), text.to_owned()));
    service.clock.advance_millis(86_400_000);
    service.call("UpdateShardCount", update).await;
}

/// The ARN of an active consumer.
async fn consumer(service: &Service) -> Value {
    let registered =
        service.call("RegisterStreamConsumer", json!({"StreamARN": ARN, "ConsumerName": "app"})).await;
    let active = |state: &std::sync::Arc<millstream_control::State>| {
        state.consumer("s", "app").is_ok_and(|c| c.status == millstream_control::ConsumerStatus::Active)
    };
    service.engine.control().watch().wait_for(active).await.unwrap();
    registered["Consumer"]["ConsumerARN"].clone()
}

/// The events of a subscription from the trim horizon, and time that passes.
async fn subscribed(service: &Service, consumer: &Value) -> EventFrames {
    let subscribe = json!({"ConsumerARN": consumer, "ShardId": SHARD,
                           "StartingPosition": {"Type": "TRIM_HORIZON"}});
    let Ok(Answer::Events(mut events)) = service.raw("SubscribeToShard", subscribe).await else {
        panic!("it is an event stream")
    };
    events.next().await.unwrap();
    // The limits go by the service's clock, and waiting by tokio's: they are one here.
    let clock = service.clock.clone();
    tokio::spawn(async move {
        loop {
            tokio::time::sleep(Duration::from_millis(1)).await;
            clock.advance_millis(1);
        }
    });
    events
}

#[tokio::test(start_paused = true)]
async fn a_consumer_is_sent_two_mebibytes_a_second() {
    let service = Service::with_stream().await;
    let consumer = consumer(&service).await;
    for _ in 0..6 {
        service.call("PutRecord", put(&data((1 << 20) - 4), "0")).await;
    }
    let service = service.limited(LimitSettings::aws());
    let mut events = subscribed(&service, &consumer).await;
    let mut waits = Vec::new();
    for _ in 0..6 {
        let before = tokio::time::Instant::now();
        events.next().await.unwrap();
        waits.push(before.elapsed().as_millis());
    }
    // Two at once, which is a second's worth, and then two a second. The paused clock is exact but for its milliseconds.
    assert!(waits[..3].iter().all(|wait| *wait == 0), "{waits:?}");
    assert!(waits[3..].iter().all(|wait| (499..=501).contains(wait)), "{waits:?}");
}

/// A record that takes long to pay for is no reason for silence: clients give a silent subscription up.
#[tokio::test(start_paused = true)]
async fn a_consumer_that_has_had_its_share_hears_so() {
    let service = Service::with_stream().await;
    let consumer = consumer(&service).await;
    for _ in 0..2 {
        service.call("PutRecord", put(&data(900_000), "0")).await;
    }
    let service = service.limited(only(&[("consumer-read-bytes", 60_000)]));
    let mut events = subscribed(&service, &consumer).await;
    let (mut records, mut empty) = (0, 0);
    while records < 2 {
        let next = tokio::time::timeout(Duration::from_secs(5), events.next()).await;
        let frame = next.expect("no silence of five seconds").unwrap();
        let (frame, _) = event_stream::decode(&frame).unwrap().unwrap();
        let event: Value = serde_json::from_slice(&frame.payload).unwrap();
        let delivered = event["Records"].as_array().unwrap().len();
        records += delivered;
        empty += usize::from(delivered == 0);
        assert_eq!(event["MillisBehindLatest"] == 0, records == 2, "{records}");
        assert!(event.get("ContinuationSequenceNumber").is_some());
    }
    assert!(empty >= 2, "{empty}: the second record waits for {} seconds", 900_000 / 60_000);
}

#[tokio::test]
async fn a_streams_mode_is_switched_twice_a_day() {
    let service = Service::with_stream().await.limited(only(&[("mode-updates", 2)]));
    let mode = |mode: &str| json!({"StreamARN": ARN, "StreamModeDetails": {"StreamMode": mode}});
    service.call("UpdateStreamMode", mode("ON_DEMAND")).await;
    // What changes nothing, or is refused, is not counted.
    service.call("UpdateStreamMode", mode("ON_DEMAND")).await;
    service.refused("UpdateStreamMode", mode("SOMETIMES")).await;
    service.call("UpdateStreamMode", mode("PROVISIONED")).await;
    let expected = (
        "LimitExceededException".to_owned(),
        "The capacity mode of stream s under account 000000000000 cannot be updated more than 2 times in a rolling 24-hour \
         period."
            .to_owned(),
    );
    assert_eq!(service.refused("UpdateStreamMode", mode("ON_DEMAND")).await, expected);
    assert_eq!(service.throttles("mode-updates"), 1);
    service.clock.advance_millis(86_399_999);
    assert_eq!(service.refused("UpdateStreamMode", mode("ON_DEMAND")).await, expected);
    service.clock.advance_millis(1);
    service.call("UpdateStreamMode", mode("ON_DEMAND")).await;
}
