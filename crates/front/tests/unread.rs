//! Clients that ask and do not read: what they asked for does not wait for ever.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

#[path = "support/port.rs"]
mod port;

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use millstream_engine::Engine;
use millstream_host::clock::SystemClock;
use millstream_kinesis::{Answer, Kinesis};
use millstream_log::{Log, MemoryLog};
use millstream_types::Home;
use millstream_wire::json::Json11;
use port::Server;
use serde_json::{Value, json};
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream};
use tokio::time::{sleep, timeout};

/// As [`millstream_front::caps`] has it.
const ANSWER_STALL: Duration = millstream_front::caps::ANSWER_STALL;
const EVENTS_STALL: Duration = millstream_front::caps::EVENTS_STALL;
const SECOND: Duration = Duration::from_secs(1);
const SHARD: &str = "shardId-000000000000";

async fn call(kinesis: &Kinesis, operation: &str, input: Value) -> Value {
    let answer = kinesis.call(&Json11, operation, &input.to_string().into()).await;
    match answer.map_err(|failure| failure.error).unwrap() {
        Answer::Body(body) if body.is_empty() => Value::Null,
        Answer::Body(body) => serde_json::from_slice(&body).unwrap(),
        Answer::Events(_) => panic!("{operation} answers with a body"),
    }
}

/// With a stream `s` of one shard, whose records are an answer of 4 MiB.
async fn kinesis() -> Kinesis {
    let clock = Arc::new(SystemClock::default());
    let log: Arc<dyn Log> = Arc::new(MemoryLog::new());
    let control = millstream_control_node::open(log.clone(), clock.clone()).await.unwrap();
    let engine = Engine::new(log, control, clock);
    tokio::spawn(engine.clone().run_lifecycle(Duration::ZERO));
    let kinesis = Kinesis::new(engine.clone(), Home::default());
    call(&kinesis, "CreateStream", json!({"StreamName": "s", "ShardCount": 1})).await;
    let active = |state: &Arc<millstream_control::State>| {
        state.streams.get("s").is_some_and(|s| s.status == millstream_control::StreamStatus::Active)
    };
    engine.control().watch().wait_for(active).await.unwrap();
    let put = json!({"StreamName": "s", "PartitionKey": "k", "Data": "QUFB".repeat(256 << 10)});
    for _ in 0..4 {
        call(&kinesis, "PutRecord", put.clone()).await;
    }
    kinesis
}

async fn get_records(kinesis: &Kinesis) -> Value {
    let input = json!({"StreamName": "s", "ShardId": SHARD, "ShardIteratorType": "TRIM_HORIZON"});
    let iterator = call(kinesis, "GetShardIterator", input).await["ShardIterator"].clone();
    json!({"ShardIterator": iterator})
}

async fn subscribe(kinesis: &Kinesis) -> Value {
    let stream = call(kinesis, "DescribeStreamSummary", json!({"StreamName": "s"})).await;
    let arn = &stream["StreamDescriptionSummary"]["StreamARN"];
    let register = json!({"StreamARN": arn, "ConsumerName": "c"});
    let consumer = call(kinesis, "RegisterStreamConsumer", register).await["Consumer"]["ConsumerARN"].clone();
    while call(kinesis, "DescribeStreamConsumer", json!({"ConsumerARN": consumer})).await["ConsumerDescription"]
        ["ConsumerStatus"]
        != "ACTIVE"
    {
        sleep(SECOND).await;
    }
    json!({"ConsumerARN": consumer, "ShardId": SHARD, "StartingPosition": {"Type": "TRIM_HORIZON"}})
}

/// Ask over HTTP/1.1, and read nothing.
async fn ask(server: &Server, operation: &str, input: &Value) -> DuplexStream {
    let mut connection = server.connect().await;
    let body = input.to_string();
    let head = format!(
        "POST / HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/x-amz-json-1.1\r\n\
         x-amz-target: Kinesis_20131202.{operation}\r\ncontent-length: {}\r\n\r\n",
        body.len()
    );
    connection.write_all((head + &body).as_bytes()).await.unwrap();
    connection
}

/// What there is to be read until the connection ends, or nothing comes for a second.
async fn read(connection: &mut DuplexStream) -> (usize, bool) {
    let (mut all, mut buffer) = (0, vec![0; 64 << 10]);
    loop {
        match timeout(SECOND, connection.read(&mut buffer)).await {
            Ok(Ok(0) | Err(_)) => return (all, true),
            Ok(Ok(more)) => all += more,
            Err(_nothing_more) => return (all, false),
        }
    }
}

#[tokio::test(start_paused = true)]
async fn an_answer_waits_a_minute_for_its_client() {
    let kinesis = kinesis().await;
    let server = Server::of(&kinesis);
    let input = get_records(&kinesis).await;
    let mut late = ask(&server, "GetRecords", &input).await;
    let mut never = ask(&server, "GetRecords", &input).await;
    sleep(ANSWER_STALL.saturating_sub(SECOND)).await;
    let (bytes, ended) = read(&mut late).await;
    assert!(bytes > 4 << 20 && !ended, "{bytes} bytes: it was in time, and its connection stays");
    sleep(2 * SECOND).await;
    let (bytes, ended) = read(&mut never).await;
    assert!(bytes < 1 << 20 && ended, "{bytes} bytes: it was not");
}

/// However long it takes, as long as it goes on.
#[tokio::test(start_paused = true)]
async fn an_answer_may_be_read_slowly() {
    let kinesis = kinesis().await;
    let server = Server::of(&kinesis);
    let mut connection = ask(&server, "GetRecords", &get_records(&kinesis).await).await;
    let (mut all, mut buffer) = (0, vec![0; 512 << 10]);
    while all < 4 << 20 {
        sleep(ANSWER_STALL / 2).await;
        let piece = timeout(SECOND, connection.read_exact(&mut buffer)).await;
        all += piece.expect("there is more").expect("it is connected");
    }
}

#[tokio::test(start_paused = true)]
async fn a_closed_window_of_http2_is_no_excuse() {
    let kinesis = kinesis().await;
    let server = Server::of(&kinesis);
    let io = TokioIo::new(server.connect().await);
    let mut client = hyper::client::conn::http2::Builder::new(TokioExecutor::new());
    let client = client.timer(TokioTimer::new()).initial_stream_window_size(1_000).max_frame_size(16_384);
    let (mut sender, connection) = client.handshake(io).await.unwrap();
    let connection = tokio::spawn(connection);
    let request = |operation: &str, input: &Value| {
        http::Request::post("http://localhost/")
            .header("content-type", "application/x-amz-json-1.1")
            .header("x-amz-target", format!("Kinesis_20131202.{operation}"))
            .body(Full::new(Bytes::from(input.to_string())))
            .unwrap()
    };
    // The other requests of the connection are answered meanwhile.
    let input = get_records(&kinesis).await;
    let unread = sender.send_request(request("GetRecords", &input)).await.unwrap();
    sleep(ANSWER_STALL.saturating_sub(SECOND)).await;
    let limits = sender.send_request(request("DescribeLimits", &json!({}))).await.unwrap();
    assert!(limits.into_body().collect().await.is_ok());
    assert!(!connection.is_finished());
    sleep(2 * SECOND).await;
    assert!(connection.is_finished());
    assert!(unread.into_body().collect().await.is_err());
}

#[tokio::test(start_paused = true)]
async fn an_event_waits_for_its_consumer_as_long_as_a_subscription_lives() {
    let kinesis = kinesis().await;
    let server = Server::of(&kinesis);
    let input = subscribe(&kinesis).await;
    let mut connection = ask(&server, "SubscribeToShard", &input).await;
    sleep(EVENTS_STALL.saturating_sub(SECOND)).await;
    let mut buffer = vec![0; 512 << 10];
    connection.read_exact(&mut buffer).await.expect("it is connected");
    sleep(EVENTS_STALL + 2 * SECOND).await;
    let (_, ended) = read(&mut connection).await;
    assert!(ended);
}
