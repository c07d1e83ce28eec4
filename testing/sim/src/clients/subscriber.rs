//! Follows a shard by enhanced fan-out, and subscribes again where it was when the connection breaks.

use crate::client::{CallError, Client};
use crate::history::Session;
use crate::random::Random;
use crate::world::{World, sequence_number, shard_name};
use bytes::BytesMut;
use http_body_util::BodyExt;
use hyper::body::Incoming;
use millstream_wire::event_stream;
use serde_json::{Value, json};
use std::rc::Rc;
use std::time::Duration;
use tokio::time::{sleep, timeout};

/// A subscription says that it is alive at least this often.
const SILENCE: Duration = Duration::from_secs(6);

pub(crate) async fn run(world: Rc<World>, name: String, mut random: Random) {
    let mut client = world.client(&name, &mut random);
    while !world.over.get() {
        sleep(random.pause(100)).await;
        let Some(stream) = world.live_stream(&mut random) else { continue };
        let shards = world.history.borrow_mut().stream(&stream).shards;
        let shard = random.below(shards);
        let mut session = Session { stream, shard, next: Some(0), least: 0, last: None };
        follow(&world, &mut client, &mut random, &name, &mut session).await;
    }
}

async fn follow(world: &World, client: &mut Client, random: &mut Random, name: &str, session: &mut Session) {
    let arn = format!("arn:aws:kinesis:us-east-1:000000000000:stream/{}", session.stream);
    let input = json!({ "StreamARN": arn, "ConsumerName": name });
    let mut consumer = None;
    for _ in 0..random.within(2, 12) {
        if world.over.get() {
            return;
        }
        let Some(consumer_arn) = consumer.clone() else {
            consumer = match client.call("RegisterStreamConsumer", input.clone()).await {
                Ok(answer) => Some(answer["Consumer"]["ConsumerARN"].clone()),
                // It was registered before.
                Err(error) if error.is_code("ResourceInUseException") => {
                    let described = client.call("DescribeStreamConsumer", input.clone()).await;
                    described.ok().map(|answer| answer["ConsumerDescription"]["ConsumerARN"].clone())
                }
                Err(error) if gone(world, session, &error) => return,
                Err(_) => None,
            };
            sleep(random.pause(100)).await;
            continue;
        };
        match subscribe(client, session, &consumer_arn).await {
            Ok(events) => listen(world, client, session, events).await,
            Err(error) if gone(world, session, &error) => return,
            // Not active yet, or the server still holds the subscription whose connection broke.
            Err(_) => sleep(random.pause(500)).await,
        }
    }
}

async fn subscribe(client: &mut Client, session: &Session, arn: &Value) -> Result<Incoming, CallError> {
    let from = match session.last {
        Some(last) => json!({ "Type": "AFTER_SEQUENCE_NUMBER", "SequenceNumber": last.to_string() }),
        None => json!({ "Type": "TRIM_HORIZON" }),
    };
    let shard = shard_name(session.shard);
    let input = json!({ "ConsumerARN": arn, "ShardId": shard, "StartingPosition": from });
    client.events("SubscribeToShard", input).await.map(http::Response::into_body)
}

/// Take events until the subscription ends, breaks or falls silent.
async fn listen(world: &World, client: &Client, session: &mut Session, mut events: Incoming) {
    let mut bytes = BytesMut::new();
    while !world.over.get() {
        let frame = match timeout(SILENCE, events.frame()).await {
            Ok(Some(Ok(frame))) => frame,
            Ok(Some(Err(error))) => return client.note(format_args!("the subscription broke: {error}")),
            Ok(None) => return client.note(format_args!("the subscription ended")),
            Err(_late) => return client.note(format_args!("the subscription is silent")),
        };
        bytes.extend_from_slice(frame.data_ref().map_or(&[], |data| data));
        loop {
            match event_stream::decode(&bytes) {
                Ok(None) => break,
                Ok(Some((frame, length))) => {
                    drop(bytes.split_to(length));
                    event(world, client, session, &frame);
                }
                Err(error) => {
                    let what = format!("a subscription brought what is no event: {error:?}");
                    return world.history.borrow_mut().violation(what);
                }
            }
        }
    }
}

fn event(world: &World, client: &Client, session: &mut Session, frame: &event_stream::Frame) {
    let kind = frame.header(":event-type").or_else(|| frame.header(":exception-type")).unwrap_or_default();
    let value: Value = serde_json::from_slice(&frame.payload).unwrap_or_default();
    client.note(format_args!("{kind} {}", value.to_string().get(..300).unwrap_or_default()));
    if kind != "SubscribeToShardEvent" {
        return;
    }
    let records = world.records(&value["Records"]);
    let mut history = world.history.borrow_mut();
    session.take(&mut history, &records);
    if value["ChildShards"].is_array() {
        return session.at_end(&mut history);
    }
    let continuation = sequence_number(&value["ContinuationSequenceNumber"]);
    if continuation.map(|number| number.position_after().0) != session.next {
        history.violation(format!(
            "{} shard {}: continuation {continuation:?} after position {:?}",
            session.stream, session.shard, session.next
        ));
    }
}

fn gone(world: &World, session: &Session, error: &CallError) -> bool {
    let gone = error.is_code("ResourceNotFoundException");
    // A consumer is not found either when its registration was never done, which a lost answer leaves open.
    if gone && matches!(error, CallError::Answered(_, _, message) if message.starts_with("Stream ")) {
        world.not_found(&session.stream);
    }
    gone
}
