//! Each operation as a client sees it: JSON in, JSON or an error out. `crates/front` runs these tests too, in both encodings
//! over both HTTP versions.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

/// Of the crate that runs these tests.
mod transport {
    include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/support/transport.rs"));
}

#[path = "operations/compatibility.rs"]
mod compatibility;
#[path = "operations/distribution.rs"]
mod distribution;
#[path = "operations/dry_run.rs"]
mod dry_run;
#[path = "operations/each_error.rs"]
mod each_error;
#[path = "operations/encryption.rs"]
mod encryption;
#[path = "operations/homes.rs"]
mod homes;
#[path = "operations/late_consumers.rs"]
mod late_consumers;
#[path = "operations/limits.rs"]
mod limits;
#[path = "operations/metrics.rs"]
mod metrics;
#[path = "operations/policies.rs"]
mod policies;
#[path = "operations/queue_model.rs"]
mod queue_model;
#[path = "operations/queues.rs"]
mod queues;
#[path = "operations/resharding.rs"]
mod resharding;
#[path = "operations/retention.rs"]
mod retention;
#[path = "operations/settings.rs"]
mod settings;
#[path = "operations/shard_filters.rs"]
mod shard_filters;
#[path = "operations/tags.rs"]
mod tags;
#[path = "operations/two_names.rs"]
mod two_names;

use futures_util::StreamExt;
use millstream_engine::Engine;
use millstream_host::clock::ManualClock;
use millstream_kinesis::{Answer, Kinesis};
use millstream_log::{Log, MemoryLog};
use millstream_types::{Home, Timestamp};
use millstream_wire::event_stream;
use serde_json::{Value, json};
use std::sync::Arc;
use std::time::Duration;

const ARN: &str = "arn:aws:kinesis:us-east-1:000000000000:stream/s";
const HALF: &str = "170141183460469231731687303715884105728";

struct Service {
    kinesis: Kinesis,
    clock: Arc<ManualClock>,
    engine: Engine,
}

impl Service {
    async fn new() -> Self {
        let service = Self::without_lifecycle().await;
        tokio::spawn(service.engine.clone().run_lifecycle(Duration::ZERO));
        service
    }

    /// What is being created stays so.
    async fn without_lifecycle() -> Self {
        let clock = ManualClock::at(Timestamp::from_millis(1_700_000_000_500));
        let log: Arc<dyn Log> = Arc::new(MemoryLog::new());
        let control = millstream_control_node::open(log.clone(), clock.clone()).await.unwrap();
        let engine = Engine::new(log, control, clock.clone());
        Self { kinesis: Kinesis::new(engine.clone(), Home::default()), clock, engine }
    }

    /// With an active stream `s` of two shards.
    async fn with_stream() -> Self {
        let service = Self::new().await;
        assert_eq!(
            service.call("CreateStream", json!({"StreamName": "s", "ShardCount": 2})).await,
            Value::Null
        );
        let active = |state: &Arc<millstream_control::State>| {
            state.streams.get("s").is_some_and(|s| s.status == millstream_control::StreamStatus::Active)
        };
        service.engine.control().watch().wait_for(active).await.unwrap();
        service
    }

    async fn raw(&self, operation: &str, input: Value) -> Result<Answer, (String, String)> {
        transport::call(&self.kinesis, operation, &input).await
    }

    async fn call(&self, operation: &str, input: Value) -> Value {
        match self.raw(operation, input).await.unwrap() {
            Answer::Body(bytes) if bytes.is_empty() => Value::Null,
            Answer::Body(bytes) => serde_json::from_slice(&bytes).unwrap(),
            Answer::Events(_) => panic!("{operation} answers with a body"),
        }
    }

    async fn refused(&self, operation: &str, input: Value) -> (String, String) {
        self.raw(operation, input).await.unwrap_err()
    }

    async fn iterator(&self, kind: &str) -> String {
        let input = json!({"StreamName": "s", "ShardId": "shardId-000000000000", "ShardIteratorType": kind});
        self.call("GetShardIterator", input).await["ShardIterator"].as_str().unwrap().to_owned()
    }
}

fn put(data: &str, hash_key: &str) -> Value {
    json!({"StreamName": "s", "Data": data, "PartitionKey": "key", "ExplicitHashKey": hash_key})
}

#[tokio::test]
async fn a_stream_describes_itself() {
    let service = Service::with_stream().await;
    let described = service.call("DescribeStream", json!({"StreamName": "s"})).await;
    assert_eq!(
        described["StreamDescription"],
        json!({
            "StreamName": "s", "StreamARN": ARN, "StreamStatus": "ACTIVE", "HasMoreShards": false,
            "StreamModeDetails": {"StreamMode": "PROVISIONED"}, "RetentionPeriodHours": 24,
            "StreamCreationTimestamp": 1_700_000_000.5, "EnhancedMonitoring": [{"ShardLevelMetrics": []}],
            "EncryptionType": "NONE",
            "Shards": [
                {"ShardId": "shardId-000000000000",
                 "HashKeyRange": {"StartingHashKey": "0", "EndingHashKey": "170141183460469231731687303715884105727"},
                 "SequenceNumberRange": {
                     "StartingSequenceNumber": "49000000000000000000000000000000000000000000000000000000"}},
                {"ShardId": "shardId-000000000001",
                 "HashKeyRange": {"StartingHashKey": HALF, "EndingHashKey": "340282366920938463463374607431768211455"},
                 "SequenceNumberRange": {
                     "StartingSequenceNumber": "49000000000000000000000000000000000018446744073709551616"}},
            ],
        })
    );
    let summary = service.call("DescribeStreamSummary", json!({"StreamARN": ARN})).await;
    let summary = &summary["StreamDescriptionSummary"];
    assert_eq!((&summary["OpenShardCount"], &summary["ConsumerCount"]), (&json!(2), &json!(0)));
    assert!(summary.get("StreamId").is_none(), "a StreamId makes clients leave this endpoint");
    let page = service.call("DescribeStream", json!({"StreamName": "s", "Limit": 1})).await;
    assert_eq!(page["StreamDescription"]["HasMoreShards"], true);
    let names = service.call("ListStreams", json!({})).await;
    assert_eq!((&names["StreamNames"], &names["HasMoreStreams"]), (&json!(["s"]), &json!(false)));
}

#[tokio::test]
async fn records_go_in_and_come_out() {
    let service = Service::with_stream().await;
    let first = service.call("PutRecord", put("aGVsbG8=", "0")).await;
    assert_eq!(
        first,
        json!({"ShardId": "shardId-000000000000",
               "SequenceNumber": "49000000000000000000000000000000000000000000000000000001"})
    );
    let entries = json!([{"Data": "MQ==", "PartitionKey": "a", "ExplicitHashKey": HALF},
                         {"Data": "Mg==", "PartitionKey": "b", "ExplicitHashKey": "1"}]);
    let many = service.call("PutRecords", json!({"StreamName": "s", "Records": entries})).await;
    assert_eq!(many["FailedRecordCount"], 0);
    assert_eq!(many["Records"][0]["ShardId"], "shardId-000000000001");
    let iterator = service.iterator("TRIM_HORIZON").await;
    let page = service.call("GetRecords", json!({"ShardIterator": iterator})).await;
    assert_eq!(page["MillisBehindLatest"], 0);
    let found: Vec<_> =
        page["Records"].as_array().unwrap().iter().map(|r| (&r["Data"], &r["PartitionKey"])).collect();
    assert_eq!(found, [(&json!("aGVsbG8="), &json!("key")), (&json!("Mg=="), &json!("b"))]);
    assert_eq!(page["Records"][0]["ApproximateArrivalTimestamp"], 1_700_000_000.5);
    let next = json!({"ShardIterator": page["NextShardIterator"]});
    assert_eq!(service.call("GetRecords", next).await["Records"], json!([]));
}

#[tokio::test]
#[expect(clippy::too_many_lines, reason = "one table")]
async fn what_is_wrong_is_said_in_awss_words() {
    let service = Service::with_stream().await;
    let iterator =
        |kind: &str| json!({"StreamName": "s", "ShardId": "shardId-000000000000", "ShardIteratorType": kind});
    let mut foreign = iterator("AT_SEQUENCE_NUMBER");
    foreign["StartingSequenceNumber"] = json!("49000000000000000000000000000000000018446744073709551617");
    let mut future = iterator("AT_TIMESTAMP");
    future["Timestamp"] = json!(1_800_000_000);
    let cases = [
        (
            "CreateStream",
            json!({"StreamName": "s", "ShardCount": 1}),
            "ResourceInUseException",
            "Stream s under account 000000000000 already exists.",
        ),
        (
            "DescribeStream",
            json!({"StreamName": "none"}),
            "ResourceNotFoundException",
            "Stream none under account 000000000000 not found.",
        ),
        (
            "PutRecord",
            json!({"StreamName": "none", "Data": "", "PartitionKey": "k"}),
            "ResourceNotFoundException",
            "Stream none under account 000000000000 not found.",
        ),
        (
            "PutRecord",
            json!({"StreamName": "s", "Data": ""}),
            "ValidationException",
            "1 validation error detected: Value null at 'partitionKey' failed to satisfy constraint: Member must not be null",
        ),
        (
            "PutRecord",
            put("", "340282366920938463463374607431768211456"),
            "InvalidArgumentException",
            "Invalid ExplicitHashKey. ExplicitHashKey must be in the range: [0, 2^128-1]. Specified value was \
          340282366920938463463374607431768211456",
        ),
        ("PutRecord", json!({"StreamName": 7}), "SerializationException", ""),
        (
            "GetRecords",
            json!({"ShardIterator": "nonsense"}),
            "InvalidArgumentException",
            "Invalid ShardIterator.",
        ),
        (
            "GetShardIterator",
            json!({"StreamName": "s", "ShardId": "shardId-000000000009", "ShardIteratorType": "LATEST"}),
            "ResourceNotFoundException",
            "Shard shardId-000000000009 in stream s under account 000000000000 does not exist",
        ),
        (
            "GetShardIterator",
            iterator("AFTER_SEQUENCE_NUMBER"),
            "InvalidArgumentException",
            "Must either specify (1) AT_SEQUENCE_NUMBER or AFTER_SEQUENCE_NUMBER and StartingSequenceNumber or (2) \
          TRIM_HORIZON or LATEST and no StartingSequenceNumber. Request specified AFTER_SEQUENCE_NUMBER but no \
          StartingSequenceNumber.",
        ),
        (
            "GetShardIterator",
            foreign,
            "InvalidArgumentException",
            "Invalid StartingSequenceNumber. It encodes shardId-000000000001, while it was used in a call to a shard with \
          shardId-000000000000",
        ),
        (
            "GetShardIterator",
            future,
            "InvalidArgumentException",
            "The timestampInMillis parameter cannot be greater than the currentTimestampInMillis. timestampInMillis: \
          1800000000000, currentTimestampInMillis: 1700000000500",
        ),
        (
            "ListShards",
            json!({"StreamName": "s", "NextToken": "x"}),
            "InvalidArgumentException",
            "NextToken and StreamName cannot be provided together.",
        ),
        (
            "CreateChannel",
            json!({}),
            "UnknownOperationException",
            "CreateChannel is not an operation that this version of Millstream supports.",
        ),
    ];
    for (operation, input, code, message) in cases {
        let (actual_code, actual_message) = service.refused(operation, input).await;
        assert_eq!(actual_code, code, "{operation}: {actual_message}");
        if !message.is_empty() {
            assert_eq!(actual_message, message, "{operation}");
        }
    }
}

#[tokio::test]
async fn limits_hold() {
    let service = Service::with_stream().await;
    // 1 MiB of data and a key is above 1 MiB; the data alone passes the model's limit of 10 MiB.
    let mib = "A".repeat((1 << 20) / 3 * 4);
    let (code, message) = service.refused("PutRecord", put(&format!("{mib}AAAA"), "0")).await;
    assert_eq!(code, "ValidationException", "{message}");
    let just = "A".repeat(1_398_092);
    service.call("PutRecord", put(&just, "0")).await;
    let entry = json!({"Data": "A".repeat(1_398_092), "PartitionKey": "k"});
    let (code, message) =
        service.refused("PutRecords", json!({"StreamName": "s", "Records": vec![entry; 11]})).await;
    assert_eq!(
        (code.as_str(), message.as_str()),
        ("InvalidArgumentException", "Records size exceeds 10 MB limit")
    );
    let entry = json!({"Data": "", "PartitionKey": "k"});
    let (code, _) =
        service.refused("PutRecords", json!({"StreamName": "s", "Records": vec![entry; 501]})).await;
    assert_eq!(code, "ValidationException");
}

#[tokio::test]
async fn iterators_and_tokens_expire() {
    let service = Service::with_stream().await;
    let iterator = service.iterator("LATEST").await;
    let page = service.call("ListShards", json!({"StreamName": "s", "MaxResults": 1})).await;
    assert_eq!(page["Shards"].as_array().unwrap().len(), 1);
    let next = json!({"NextToken": page["NextToken"]});
    let rest = service.call("ListShards", next.clone()).await;
    assert_eq!(rest["Shards"][0]["ShardId"], "shardId-000000000001");
    assert!(rest.get("NextToken").is_none());
    service.clock.advance_millis(300_001);
    assert_eq!(service.refused("ListShards", next).await.0, "ExpiredNextTokenException");
    let (code, message) = service.refused("GetRecords", json!({"ShardIterator": iterator})).await;
    assert_eq!(code, "ExpiredIteratorException");
    assert!(
        message.contains("further in the future than the tolerated delay of 300000 milliseconds"),
        "{message}"
    );
}

#[tokio::test]
async fn a_stream_has_as_many_consumers_as_on_aws_unless_the_server_is_set_otherwise() {
    let service = Service::with_stream().await;
    let register = |number: usize| json!({"StreamARN": ARN, "ConsumerName": format!("app-{number}")});
    for number in 0..20 {
        service.call("RegisterStreamConsumer", register(number)).await;
    }
    let refused = service.refused("RegisterStreamConsumer", register(20)).await;
    let text = "This request would exceed the limit of 20 consumers of a stream.".to_owned();
    assert_eq!(refused, ("LimitExceededException".to_owned(), text));
    let service = Service { kinesis: service.kinesis.clone().with_consumers_per_stream(21), ..service };
    service.call("RegisterStreamConsumer", register(20)).await;
    assert_eq!(service.refused("RegisterStreamConsumer", register(21)).await.0, "LimitExceededException");
}

#[tokio::test]
async fn a_consumer_lives_and_is_pushed_to() {
    let service = Service::with_stream().await;
    let registered =
        service.call("RegisterStreamConsumer", json!({"StreamARN": ARN, "ConsumerName": "app"})).await;
    let arn = registered["Consumer"]["ConsumerARN"].as_str().unwrap().to_owned();
    assert_eq!(arn, format!("{ARN}/consumer/app:1700000000"));
    assert_eq!(registered["Consumer"]["ConsumerStatus"], "CREATING");
    let active = |state: &Arc<millstream_control::State>| {
        state.consumer("s", "app").is_ok_and(|c| c.status == millstream_control::ConsumerStatus::Active)
    };
    service.engine.control().watch().wait_for(active).await.unwrap();
    let listed = service.call("ListStreamConsumers", json!({"StreamARN": ARN})).await;
    assert_eq!(listed["Consumers"][0]["ConsumerStatus"], "ACTIVE");
    service.call("PutRecord", put("aGVsbG8=", "0")).await;

    let subscribe = json!({"ConsumerARN": arn, "ShardId": "shardId-000000000000",
                           "StartingPosition": {"Type": "TRIM_HORIZON"}});
    let Answer::Events(mut frames) = service.raw("SubscribeToShard", subscribe.clone()).await.unwrap() else {
        panic!("a subscription answers with events")
    };
    let hello = frames.next().await.unwrap();
    let (frame, _) = event_stream::decode(&hello).unwrap().unwrap();
    assert_eq!((frame.header(":event-type"), &frame.payload[..]), (Some("initial-response"), &b"{}"[..]));
    let event = frames.next().await.unwrap();
    let (frame, _) = event_stream::decode(&event).unwrap().unwrap();
    let event: Value = serde_json::from_slice(&frame.payload).unwrap();
    assert_eq!(event["Records"][0]["Data"], "aGVsbG8=");
    assert_eq!(event["ContinuationSequenceNumber"], event["Records"][0]["SequenceNumber"]);
    assert_eq!(service.refused("SubscribeToShard", subscribe).await.0, "ResourceInUseException");

    let busy = service.refused("DeleteStream", json!({"StreamName": "s"})).await;
    assert_eq!(busy.0, "ResourceInUseException", "{}", busy.1);
    service.call("DeregisterStreamConsumer", json!({"ConsumerARN": arn})).await;
    let last = loop {
        match frames.next().await {
            Some(frame) => {
                let (frame, _) = event_stream::decode(&frame).unwrap().unwrap();
                if frame.header(":message-type") == Some("exception") {
                    break frame;
                }
            }
            None => panic!("the subscription ended without saying why"),
        }
    };
    assert_eq!(last.header(":exception-type"), Some("ResourceNotFoundException"));
    service.engine.control().watch().wait_for(|state| state.consumer("s", "app").is_err()).await.unwrap();
    assert_eq!(
        service.refused("DescribeStreamConsumer", json!({"ConsumerARN": arn})).await.0,
        "ResourceNotFoundException"
    );
}

#[tokio::test]
async fn a_deleted_stream_is_not_found_and_its_iterators_die() {
    let service = Service::with_stream().await;
    let iterator = service.iterator("LATEST").await;
    service.call("DeleteStream", json!({"StreamName": "s"})).await;
    service.engine.control().watch().wait_for(|state| state.streams.is_empty()).await.unwrap();
    assert_eq!(
        service.refused("DescribeStream", json!({"StreamName": "s"})).await.0,
        "ResourceNotFoundException"
    );
    assert_eq!(
        service.refused("GetRecords", json!({"ShardIterator": iterator})).await.0,
        "ResourceNotFoundException"
    );
}
