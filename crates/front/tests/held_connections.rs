//! Connections as the AWS SDKs for Java keep them: for many minutes, with pings, and with a subscription for each of many
//! shards on one of them.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

#[path = "support/port.rs"]
mod port;

use bytes::{Bytes, BytesMut};
use futures_util::future::join_all;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::client::conn::http2::{self, SendRequest};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use millstream_control::{ConsumerStatus, State, StreamStatus};
use millstream_engine::Engine;
use millstream_host::clock::SystemClock;
use millstream_kinesis::{Answer, Kinesis};
use millstream_log::{Log, MemoryLog};
use millstream_types::Home;
use millstream_wire::event_stream;
use millstream_wire::json::Json11;
use port::Server;
use serde_json::{Value, json};
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream};
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep, timeout};

const SECOND: Duration = Duration::from_secs(1);
const MINUTE: Duration = Duration::from_mins(1);
/// A subscription's life.
const LIFE: Duration = Duration::from_mins(5);
/// The longest silence that a client has to expect of one.
const SILENCE: Duration = Duration::from_secs(5);
/// As the KCL sets it, for a stream and for the connection.
const WINDOW: u32 = 512 << 10;
const ARN: &str = "arn:aws:kinesis:us-east-1:000000000000:stream/s";

type Client = SendRequest<Full<Bytes>>;
type Connection = JoinHandle<hyper::Result<()>>;

async fn call(kinesis: &Kinesis, operation: &str, input: Value) -> Value {
    let answer = kinesis.call(&Json11, operation, &input.to_string().into()).await;
    match answer.map_err(|failure| failure.error).unwrap() {
        Answer::Body(body) if body.is_empty() => Value::Null,
        Answer::Body(body) => serde_json::from_slice(&body).unwrap(),
        Answer::Events(_) => panic!("{operation} answers with a body"),
    }
}

/// With a stream `s` and a consumer, whose ARN comes with it.
async fn kinesis(shards: usize) -> (Kinesis, String) {
    let clock = Arc::new(SystemClock::default());
    let log: Arc<dyn Log> = Arc::new(MemoryLog::new());
    let control = millstream_control_node::open(log.clone(), clock.clone()).await.unwrap();
    let engine = Engine::new(log, control, clock);
    tokio::spawn(engine.clone().run_lifecycle(Duration::ZERO));
    let kinesis = Kinesis::new(engine.clone(), Home::default());
    call(&kinesis, "CreateStream", json!({"StreamName": "s", "ShardCount": shards})).await;
    let mut watch = engine.control().watch();
    let active =
        |state: &Arc<State>| state.streams.get("s").is_some_and(|s| s.status == StreamStatus::Active);
    watch.wait_for(active).await.unwrap();
    let register = json!({"StreamARN": ARN, "ConsumerName": "c"});
    let consumer =
        call(&kinesis, "RegisterStreamConsumer", register).await["Consumer"]["ConsumerARN"].clone();
    let active =
        |state: &Arc<State>| state.consumer("s", "c").is_ok_and(|c| c.status == ConsumerStatus::Active);
    watch.wait_for(active).await.unwrap();
    (kinesis, consumer.as_str().unwrap().to_owned())
}

/// A client with prior knowledge, which pings once a minute and gives the connection up if there is no answer.
async fn connect(server: &Server) -> (Client, Connection) {
    let mut client = http2::Builder::new(TokioExecutor::new());
    client
        .timer(TokioTimer::new())
        .initial_stream_window_size(WINDOW)
        .initial_connection_window_size(WINDOW)
        .keep_alive_interval(MINUTE)
        .keep_alive_timeout(SECOND)
        .keep_alive_while_idle(true);
    let (sender, connection) = client.handshake(TokioIo::new(server.connect().await)).await.unwrap();
    (sender, tokio::spawn(connection))
}

async fn ask(client: &Client, operation: &str, input: &Value) -> Incoming {
    let request = http::Request::post("http://localhost/")
        .header("content-type", "application/x-amz-json-1.1")
        .header("x-amz-target", format!("Kinesis_20131202.{operation}"))
        .body(Full::new(Bytes::from(input.to_string())))
        .unwrap();
    let mut client = client.clone();
    client.ready().await.unwrap();
    let answer = client.send_request(request).await.unwrap();
    assert_eq!(answer.status(), 200);
    answer.into_body()
}

/// The frames of a subscription, as long as they come.
struct Frames {
    body: Incoming,
    read: BytesMut,
}

impl Frames {
    async fn subscribe(client: &Client, consumer: &str, shard: usize) -> Self {
        let input = json!({"ConsumerARN": consumer, "ShardId": format!("shardId-{shard:012}"),
                           "StartingPosition": {"Type": "TRIM_HORIZON"}});
        let mut frames = Self { body: ask(client, "SubscribeToShard", &input).await, read: BytesMut::new() };
        let hello = frames.next().await.unwrap();
        assert_eq!(hello.header(":event-type"), Some("initial-response"));
        frames
    }

    async fn next(&mut self) -> Option<event_stream::Frame> {
        loop {
            if let Some((frame, length)) = event_stream::decode(&self.read).unwrap() {
                drop(self.read.split_to(length));
                return Some(frame);
            }
            let more = timeout(SILENCE, self.body.frame()).await.expect("it is never silent for so long");
            match more {
                Some(more) => self.read.extend_from_slice(more.unwrap().data_ref().unwrap()),
                None => return None,
            }
        }
    }

    async fn event(&mut self) -> Option<Value> {
        let frame = self.next().await?;
        assert_eq!(frame.header(":message-type"), Some("event"), "{frame:?}");
        Some(serde_json::from_slice(&frame.payload).unwrap())
    }

    /// To its end: how many records came.
    async fn records(mut self) -> usize {
        let mut records = 0;
        while let Some(event) = self.event().await {
            records += event["Records"].as_array().unwrap().len();
        }
        records
    }
}

#[tokio::test(start_paused = true)]
async fn a_consumer_of_five_hundred_shards_has_one_connection() {
    const SHARDS: usize = 500;
    let (kinesis, consumer) = kinesis(SHARDS).await;
    let server = Server::of(&kinesis);
    let (client, connection) = connect(&server).await;
    let began = Instant::now();
    let subscriptions = (0..SHARDS).map(|shard| Frames::subscribe(&client, &consumer, shard));
    let subscriptions = join_all(subscriptions).await;
    assert!(began.elapsed() < SECOND, "all of them live at the same time");
    let reading: Vec<_> = subscriptions.into_iter().map(|frames| tokio::spawn(frames.records())).collect();
    let place = |shard: usize| (u128::MAX / SHARDS as u128 * shard as u128 + 1_000).to_string();
    let entry = |shard: usize| json!({"PartitionKey": "k", "Data": "eA==", "ExplicitHashKey": place(shard)});
    let records: Vec<Value> = (0..SHARDS).map(entry).collect();
    // Other requests have their turn on the connection meanwhile.
    let put = ask(&client, "PutRecords", &json!({"StreamName": "s", "Records": records})).await;
    let put: Value = serde_json::from_slice(&put.collect().await.unwrap().to_bytes()).unwrap();
    assert_eq!(put["FailedRecordCount"], 0);
    for subscription in reading {
        assert_eq!(subscription.await.unwrap(), 1);
    }
    assert!((LIFE..LIFE + SILENCE).contains(&began.elapsed()), "{:?}", began.elapsed());
    // All end at the same time, and begin anew on the same connection.
    let again = (0..SHARDS).map(|shard| Frames::subscribe(&client, &consumer, shard));
    for mut frames in join_all(again).await {
        assert_eq!(frames.event().await.unwrap()["Records"].as_array().unwrap().len(), 1);
    }
    assert!(!connection.is_finished());
}

#[tokio::test(start_paused = true)]
async fn a_connection_that_pings_lives_on() {
    let (kinesis, consumer) = kinesis(1).await;
    let server = Server::of(&kinesis);
    let (idle, idle_connection) = connect(&server).await;
    drop(ask(&idle, "DescribeLimits", &json!({})).await.collect().await.unwrap());
    let (client, connection) = connect(&server).await;
    let began = Instant::now();
    let mut subscriptions = 0;
    while began.elapsed() < 10 * MINUTE {
        let frames = Frames::subscribe(&client, &consumer, 0).await;
        assert_eq!(frames.records().await, 0);
        subscriptions += 1;
    }
    assert_eq!(subscriptions, 2, "one after five minutes");
    assert!(!connection.is_finished() && !idle_connection.is_finished());
    drop(ask(&idle, "DescribeLimits", &json!({})).await.collect().await.unwrap());
}

#[tokio::test(start_paused = true)]
async fn a_server_that_stops_says_goodbye() {
    let (kinesis, consumer) = kinesis(1).await;
    let server = Server::of(&kinesis);
    let (client, connection) = connect(&server).await;
    let mut frames = Frames::subscribe(&client, &consumer, 0).await;
    frames.event().await.unwrap();
    drop(server);
    // With GOAWAY, and not in the middle of anything: a client takes the connection out of its pool, and asks elsewhere.
    while frames.next().await.is_some() {}
    let ended = timeout(MINUTE, connection).await.expect("it ends").unwrap();
    ended.expect("as a connection should");
}

/// One request over HTTP/1.1, and what its answer begins with.
async fn limits(connection: &mut DuplexStream) -> std::io::Result<String> {
    let request = "POST / HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/x-amz-json-1.1\r\n\
                   x-amz-target: Kinesis_20131202.DescribeLimits\r\ncontent-length: 2\r\n\r\n{}";
    connection.write_all(request.as_bytes()).await?;
    let mut answer = vec![0; 4_096];
    let length = timeout(SECOND, connection.read(&mut answer)).await.expect("an answer, or the end")?;
    Ok(String::from_utf8_lossy(&answer[..length]).into_owned())
}

/// Clients on the JVM keep a connection for a minute and count on it.
#[tokio::test(start_paused = true)]
async fn a_pooled_connection_is_good_for_a_minute() {
    let (kinesis, _) = kinesis(1).await;
    let server = Server::of(&kinesis);
    let mut connection = server.connect().await;
    for _ in 0..3 {
        let answer = limits(&mut connection).await.unwrap();
        assert!(answer.starts_with("HTTP/1.1 200 OK"), "{answer}");
        sleep(MINUTE + 5 * SECOND).await;
    }
    // One that nobody uses is closed before anything is asked, so that no request is lost with it.
    let mut nothing = [0; 1];
    let closed = timeout(MINUTE, connection.read(&mut nothing)).await.expect("it is closed");
    assert!(matches!(closed, Ok(0)), "{closed:?}");
}
