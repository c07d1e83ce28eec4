//! Puts records, one call after another; several writers share streams and partition keys.

use crate::client::{CallError, Client, encode};
use crate::random::Random;
use crate::world::{World, sequence_number, shard_number};
use millstream_types::SequenceNumber;
use serde_json::{Value, json};
use std::rc::Rc;
use tokio::time::sleep;

/// Partition keys are few, so that order by key means something.
const KEYS: u64 = 12;

pub(crate) async fn run(world: Rc<World>, name: String, mut random: Random, large_percent: u64) {
    let mut client = world.client(&name, &mut random);
    while !world.over.get() {
        sleep(random.pause(25)).await;
        if let Some(stream) = world.live_stream(&mut random) {
            put(&world, &mut client, &mut random, &stream, large_percent).await;
        }
    }
}

/// One PutRecord or PutRecords. Whether it was acknowledged.
pub(crate) async fn put(
    world: &World,
    client: &mut Client,
    random: &mut Random,
    stream: &str,
    large_percent: u64,
) -> bool {
    let single = random.chance(30);
    let count = if single { 1 } else { random.within(1, 12) };
    let drafts = (0..count)
        .map(|_| {
            let bytes = if random.chance(large_percent) { random.below(6_000) } else { random.below(80) };
            (format!("key-{}", random.below(KEYS)), usize::try_from(bytes).unwrap_or(0))
        })
        .collect();
    let id = world.history.borrow_mut().begin(stream, drafts);
    let records: Vec<Value> = world.history.borrow().puts[id]
        .records
        .iter()
        .map(|record| json!({ "PartitionKey": record.key, "Data": encode(&record.data) }))
        .collect();
    client.note(format_args!("put {id} of {count} to {stream}"));
    let answer = if single {
        let mut input = records[0].clone();
        input["StreamName"] = stream.into();
        client.call("PutRecord", input).await.map(|answer| vec![answer])
    } else {
        let input = json!({ "StreamName": stream, "Records": records });
        let answer = client.call("PutRecords", input).await;
        answer.map(|answer| answer["Records"].as_array().cloned().unwrap_or_default())
    };
    answered(world, id, stream, answer)
}

fn answered(world: &World, id: usize, stream: &str, answer: Result<Vec<Value>, CallError>) -> bool {
    match answer {
        Ok(entries) => {
            let numbers: Option<Vec<SequenceNumber>> = entries
                .iter()
                .map(|entry| {
                    let number = sequence_number(&entry["SequenceNumber"])?;
                    (shard_number(&entry["ShardId"]) == Some(number.shard().0)).then_some(number)
                })
                .collect();
            let mut history = world.history.borrow_mut();
            match numbers {
                Some(numbers) => history.acknowledged(id, numbers),
                None => history.violation(format!("put {id}: an answer that says not where: {entries:?}")),
            }
            true
        }
        Err(error) => {
            if error.is_code("ResourceNotFoundException") {
                world.not_found(stream);
            }
            if error.is_not_done() {
                world.history.borrow_mut().not_done(id);
            }
            false
        }
    }
}
