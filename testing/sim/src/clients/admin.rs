//! Makes streams, splits and merges their shards, and deletes them. Names are never used twice.

use crate::client::{CallError, Client};
use crate::random::Random;
use crate::world::{World, hash_range, is_open};
use serde_json::{Value, json};
use std::rc::Rc;
use std::time::Duration;
use tokio::time::sleep;

pub(crate) async fn run(
    world: Rc<World>,
    name: String,
    mut random: Random,
    most_streams: usize,
    reshards: bool,
) {
    let mut client = world.client(&name, &mut random);
    let mut made = 0;
    while !world.over.get() {
        let live = world.history.borrow().live_streams();
        if live.len() < most_streams {
            create(&world, &mut client, &mut random, &format!("stream-{made}")).await;
            made += 1;
        } else if random.chance(20)
            && let Some(stream) = random.pick(&live)
        {
            delete(&world, &mut client, stream).await;
        } else if reshards
            && random.chance(60)
            && let Some(stream) = random.pick(&live)
        {
            reshard(&world, &mut client, &mut random, stream).await;
        }
        sleep(random.pause(600)).await;
    }
}

async fn create(world: &World, client: &mut Client, random: &mut Random, stream: &str) {
    let shards = random.within(1, 4);
    world.history.borrow_mut().stream(stream).shards = shards;
    let input = json!({ "StreamName": stream, "ShardCount": shards });
    let created = client.call("CreateStream", input).await;
    if created.as_ref().is_err_and(CallError::is_not_done) {
        // It must not come into being later.
        let mut history = world.history.borrow_mut();
        history.stream(stream).delete_asked = true;
        history.stream(stream).deleted = true;
        return;
    }
    loop {
        match client.call("DescribeStreamSummary", json!({ "StreamName": stream })).await {
            Ok(answer) if answer["StreamDescriptionSummary"]["StreamStatus"] == "ACTIVE" => {
                world.history.borrow_mut().stream(stream).active = true;
                return;
            }
            // The answer to its creation was lost, and it was not created.
            Err(error) if error.is_code("ResourceNotFoundException") => {
                if created.is_ok() {
                    world.not_found(stream);
                }
                // It may still be on its way.
                world.history.borrow_mut().stream(stream).delete_asked = true;
                return;
            }
            _ if world.over.get() => return,
            _ => sleep(Duration::from_millis(20)).await,
        }
    }
}

/// Split an open shard in two, or merge two neighbours.
async fn reshard(world: &World, client: &mut Client, random: &mut Random, stream: &str) {
    let Ok(listed) = client.call("ListShards", json!({ "StreamName": stream })).await else { return };
    let mut open: Vec<Value> =
        listed["Shards"].as_array().into_iter().flatten().filter(|shard| is_open(shard)).cloned().collect();
    open.sort_by_key(hash_range);
    let split = open.len() < 2 || (open.len() < 6 && random.chance(50));
    let place =
        usize::try_from(random.below((open.len() as u64).saturating_sub(u64::from(!split)))).unwrap_or(0);
    let (operation, input, new) = match open.get(place..).unwrap_or_default() {
        [shard, ..] if split => {
            let (first, last) = hash_range(shard);
            let middle = (first / 2 + last / 2 + 1).to_string();
            let id = &shard["ShardId"];
            ("SplitShard", json!({ "ShardToSplit": id, "NewStartingHashKey": middle }), 2)
        }
        [left, right, ..] => {
            let (left, right) = (&left["ShardId"], &right["ShardId"]);
            ("MergeShards", json!({ "ShardToMerge": left, "AdjacentShardToMerge": right }), 1)
        }
        _ => return,
    };
    let mut input = input;
    input["StreamName"] = stream.into();
    world.history.borrow_mut().stream(stream).reshard_asked = true;
    if client.call(operation, input).await.is_ok() {
        world.history.borrow_mut().stream(stream).shards += new;
    }
}

async fn delete(world: &World, client: &mut Client, stream: &str) {
    world.history.borrow_mut().stream(stream).delete_asked = true;
    let input = json!({ "StreamName": stream, "EnforceConsumerDeletion": true });
    let mut asked = client.call("DeleteStream", input).await.is_ok();
    while !world.over.get() {
        match client.call("DescribeStreamSummary", json!({ "StreamName": stream })).await {
            Err(error) if error.is_code("ResourceNotFoundException") => {
                world.history.borrow_mut().stream(stream).deleted = true;
                return;
            }
            Ok(answer) => {
                let deleting = answer["StreamDescriptionSummary"]["StreamStatus"] == "DELETING";
                // What was acknowledged is under way, whatever happened since.
                if asked && !deleting {
                    let what = format!("stream {stream} was deleted and is {answer}");
                    world.history.borrow_mut().violation(what);
                }
                asked |= deleting;
                if !asked {
                    return;
                }
            }
            Err(_) => {}
        }
        sleep(Duration::from_millis(50)).await;
    }
}
