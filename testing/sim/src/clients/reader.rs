//! Reads shards with iterators, from the beginning or from somewhere, across crashes.

use crate::client::{CallError, Client};
use crate::history::Session;
use crate::random::Random;
use crate::world::{World, shard_name, shard_number};
use serde_json::{Value, json};
use std::rc::Rc;
use tokio::time::sleep;

pub(crate) async fn run(world: Rc<World>, name: String, mut random: Random) {
    let mut client = world.client(&name, &mut random);
    while !world.over.get() {
        sleep(random.pause(50)).await;
        let Some(stream) = world.live_stream(&mut random) else { continue };
        if let Some((mut session, kind)) = begin(&world, &mut client, &mut random, &stream).await {
            read(&world, &mut client, &mut random, &mut session, kind).await;
        }
    }
}

/// Choose a shard and a place in it.
async fn begin(
    world: &World,
    client: &mut Client,
    random: &mut Random,
    stream: &str,
) -> Option<(Session, &'static str)> {
    let listed = client.call("ListShards", json!({ "StreamName": stream })).await;
    let shards = match listed {
        Ok(answer) => answer["Shards"].as_array().cloned().unwrap_or_default(),
        Err(error) => {
            gone(world, stream, &error);
            return None;
        }
    };
    let shard = shard_number(&random.pick(&shards)?["ShardId"])?;
    let kind = if random.chance(70) { "TRIM_HORIZON" } else { "LATEST" };
    // The latest is after everything that was acknowledged before it was asked for.
    let least = match kind {
        "LATEST" => world.history.borrow().visible_end(stream, shard),
        _ => 0,
    };
    let next = (kind == "TRIM_HORIZON").then_some(0);
    Some((Session { stream: stream.to_owned(), shard, next, least, last: None }, kind))
}

async fn read(
    world: &World,
    client: &mut Client,
    random: &mut Random,
    session: &mut Session,
    kind: &'static str,
) {
    let mut iterator: Option<Value> = None;
    for _ in 0..random.within(1, 30) {
        if world.over.get() {
            return;
        }
        sleep(random.pause(10)).await;
        let Some(token) = iterator.take() else {
            match open(client, session, kind).await {
                Ok(token) => iterator = Some(token),
                Err(error) if gone(world, &session.stream, &error) => return,
                // The same place, after a while.
                Err(_) => sleep(random.pause(100)).await,
            }
            continue;
        };
        let limit = random.within(1, 40);
        let input = json!({ "ShardIterator": token, "Limit": limit });
        match page(world, client, session, input).await {
            Ok(next) => iterator = next,
            Err(error) if gone(world, &session.stream, &error) => return,
            // An iterator outlives the server that made it; half of the time the reader finds its place anew.
            Err(_) if random.chance(50) => iterator = Some(token),
            Err(_) => {}
        }
    }
}

/// An iterator at the place that the session has come to.
pub(crate) async fn open(client: &mut Client, session: &Session, kind: &str) -> Result<Value, CallError> {
    let mut input = json!({
        "StreamName": session.stream, "ShardId": shard_name(session.shard), "ShardIteratorType": kind,
    });
    if let Some(last) = session.last {
        input["ShardIteratorType"] = "AFTER_SEQUENCE_NUMBER".into();
        input["StartingSequenceNumber"] = last.to_string().into();
    }
    client.call("GetShardIterator", input).await.map(|answer| answer["ShardIterator"].clone())
}

/// One page, checked; the iterator to go on with, unless the shard has ended.
pub(crate) async fn page(
    world: &World,
    client: &mut Client,
    session: &mut Session,
    input: Value,
) -> Result<Option<Value>, CallError> {
    let end = world.history.borrow().acknowledged_end(&session.stream, session.shard);
    let answer = client.call("GetRecords", input).await?;
    let records = world.records(&answer["Records"]);
    let mut history = world.history.borrow_mut();
    session.take(&mut history, &records);
    // Also while shards are being closed: 0 is never said to one who has not read all that was acknowledged.
    if answer["MillisBehindLatest"] == 0 {
        session.at_tail(&mut history, end);
    }
    let next = answer["NextShardIterator"].clone();
    if next.is_null() {
        session.at_end(&mut history);
    }
    Ok((!next.is_null()).then_some(next))
}

/// Whether the stream is said to be gone, which it may be.
fn gone(world: &World, stream: &str, error: &CallError) -> bool {
    let gone = error.is_code("ResourceNotFoundException");
    if gone {
        world.not_found(stream);
    }
    gone
}
