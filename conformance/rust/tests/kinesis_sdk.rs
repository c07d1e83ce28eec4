//! The AWS SDK for Rust creates, puts, reads and subscribes, unmodified, against the real server process.

mod support;

use std::time::Duration;

use aws_credential_types::Credentials;
use aws_sdk_kinesis::config::{BehaviorVersion, Region};
use aws_sdk_kinesis::primitives::Blob;
use aws_sdk_kinesis::types::{
    ConsumerStatus, PutRecordsRequestEntry, ShardIteratorType, StartingPosition, StreamStatus,
    SubscribeToShardEventStream,
};
use aws_sdk_kinesis::{Client, Config};
use tokio::time::{sleep, timeout};

use support::{Server, start};

const PATIENCE: Duration = Duration::from_secs(30);
const FIRST_SHARD: &str = "shardId-000000000000";

fn client(server: &Server) -> Client {
    let (id, secret) = server.key.clone();
    client_with(server, Credentials::new(id, secret, None, None, "the test"))
}

fn client_with(server: &Server, credentials: Credentials) -> Client {
    let config = Config::builder()
        .behavior_version(BehaviorVersion::latest())
        .endpoint_url(&server.address)
        .region(Region::new("us-east-1"))
        .credentials_provider(credentials)
        .http_client(aws_smithy_http_client::Builder::new().build_http())
        .build();
    Client::from_conf(config)
}

/// Creates a stream and waits until it is active; its ARN.
async fn create_stream(client: &Client, name: &str) -> String {
    client.create_stream().stream_name(name).shard_count(1).send().await.expect("CreateStream");
    timeout(PATIENCE, async {
        loop {
            let described = client
                .describe_stream_summary()
                .stream_name(name)
                .send()
                .await
                .expect("DescribeStreamSummary");
            let summary = described.stream_description_summary.expect("a summary");
            if summary.stream_status == StreamStatus::Active {
                break summary.stream_arn;
            }
            sleep(Duration::from_millis(20)).await;
        }
    })
    .await
    .expect("the stream becomes active")
}

async fn put(client: &Client, stream: &str, data: &str) -> String {
    let request = client.put_record().stream_name(stream).partition_key("k").data(Blob::new(data));
    request.send().await.expect("PutRecord").sequence_number
}

/// Registers a consumer and waits until it is active; its ARN.
async fn register(client: &Client, stream_arn: &str) -> String {
    let request = client.register_stream_consumer().stream_arn(stream_arn).consumer_name("rust");
    let registered = request.send().await.expect("RegisterStreamConsumer").consumer.expect("a consumer");
    timeout(PATIENCE, async {
        loop {
            let request = client.describe_stream_consumer().consumer_arn(&registered.consumer_arn);
            let described = request.send().await.expect("DescribeStreamConsumer").consumer_description;
            if described.is_some_and(|consumer| consumer.consumer_status == ConsumerStatus::Active) {
                break;
            }
            sleep(Duration::from_millis(20)).await;
        }
    })
    .await
    .expect("the consumer becomes active");
    registered.consumer_arn
}

fn text(data: &Blob) -> String {
    String::from_utf8(data.as_ref().to_vec()).expect("the tests put text")
}

#[tokio::test]
async fn another_secret_is_refused() {
    let server = start().await;
    let (id, secret) = server.key.clone();
    let wrong = Credentials::new(id.clone(), format!("{secret}x"), None, None, "the test");
    let unknown = Credentials::new("MKIAUNKNOWNUNKNOWN00", secret.clone(), None, None, "the test");
    let token = Credentials::new(id, secret, Some("none".into()), None, "the test");
    for (credentials, code) in [
        (wrong, "InvalidSignatureException"),
        (unknown, "UnrecognizedClientException"),
        (token, "UnrecognizedClientException"),
    ] {
        let refused = client_with(&server, credentials).list_streams().send().await;
        let refused = refused.expect_err("it is not its key").into_service_error();
        assert_eq!(refused.meta().code(), Some(code));
    }
}

#[tokio::test]
async fn records_are_put_and_read() {
    let server = start().await;
    let client = client(&server);
    create_stream(&client, "rust").await;
    let entry = |data: &str| {
        PutRecordsRequestEntry::builder().partition_key("k").data(Blob::new(data)).build().unwrap()
    };
    let request = client.put_records().stream_name("rust").records(entry("a")).records(entry("b"));
    let answer = request.send().await.expect("PutRecords");
    assert_eq!(answer.failed_record_count, Some(0));

    let request = client.get_shard_iterator().stream_name("rust").shard_id(FIRST_SHARD);
    let iterator =
        request.shard_iterator_type(ShardIteratorType::TrimHorizon).send().await.expect("GetShardIterator");
    let read =
        client.get_records().set_shard_iterator(iterator.shard_iterator).send().await.expect("GetRecords");
    assert_eq!(read.records.iter().map(|record| text(&record.data)).collect::<Vec<_>>(), ["a", "b"]);
    let numbers: Vec<_> = read.records.iter().map(|record| Some(record.sequence_number.clone())).collect();
    assert_eq!(numbers, answer.records.iter().map(|entry| entry.sequence_number.clone()).collect::<Vec<_>>());
    assert!(read.next_shard_iterator.is_some());
}

#[tokio::test]
async fn a_subscription_delivers_what_was_there_and_what_comes() {
    let server = start().await;
    let client = client(&server);
    let stream = create_stream(&client, "pushed").await;
    let consumer = register(&client, &stream).await;
    put(&client, "pushed", "before").await;

    let position = StartingPosition::builder().r#type(ShardIteratorType::TrimHorizon).build().unwrap();
    let request =
        client.subscribe_to_shard().consumer_arn(consumer).shard_id(FIRST_SHARD).starting_position(position);
    let mut events = request.send().await.expect("SubscribeToShard").event_stream;
    let mut seen = Vec::new();
    let finished = timeout(PATIENCE, async {
        while seen.len() < 2 {
            let event = events.recv().await.expect("an event that can be read").expect("the stream goes on");
            let SubscribeToShardEventStream::SubscribeToShardEvent(event) = event else {
                panic!("an event of a kind that this SDK does not know: {event:?}");
            };
            assert!(!event.continuation_sequence_number.is_empty());
            seen.extend(event.records.iter().map(|record| text(&record.data)));
            if seen == ["before"] {
                put(&client, "pushed", "now").await;
            }
        }
    });
    finished.await.expect("the records arrive");
    assert_eq!(seen, ["before", "now"]);
}

#[tokio::test]
async fn an_error_is_the_modelled_one() {
    let server = start().await;
    let refused = client(&server)
        .describe_stream()
        .stream_name("nowhere")
        .send()
        .await
        .expect_err("there is no such stream");
    let error = refused.into_service_error();
    assert!(error.is_resource_not_found_exception(), "{error:?}");
    assert_eq!(error.meta().message(), Some("Stream nowhere under account 000000000000 not found."));
}
