//! Comes last, when all is well again: puts once more, then reads every stream from its beginning.

use super::{reader, receiver, writer};
use crate::client::{CallError, Client};
use crate::history::Session;
use crate::laws::{Final, FinalShard};
use crate::random::Random;
use crate::world::{World, hash_range, is_open, shard_number};
use serde_json::{Value, json};
use std::cell::RefCell;
use std::rc::Rc;
use std::time::Duration;
use tokio::time::sleep;

/// Attempts at a call that must succeed in the end.
const ATTEMPTS: usize = 40;

pub(crate) async fn run(world: Rc<World>, mut random: Random, found: Rc<RefCell<Option<Final>>>) {
    let mut client = world.client("auditor", &mut random);
    let audited = match audit(&world, &mut client, &mut random).await {
        // What was put last goes through the queue too.
        Ok(all) => receiver::empty(&world).await.map(|()| all),
        Err(error) => Err(error),
    };
    match audited {
        Ok(all) => *found.borrow_mut() = Some(all),
        Err(error) => {
            let what = format!("the server does not recover when nothing fails any more: {error:?}");
            world.history.borrow_mut().violation(what);
        }
    }
}

async fn audit(world: &World, client: &mut Client, random: &mut Random) -> Result<Final, CallError> {
    let mut all = Final::new();
    let mut names = Vec::new();
    loop {
        let after = names.last().cloned().unwrap_or_else(|| json!("-"));
        let input = json!({ "ExclusiveStartStreamName": after });
        let input = if names.is_empty() { json!({}) } else { input };
        let answer = persist(client, "ListStreams", &input).await?;
        names.extend(answer["StreamNames"].as_array().cloned().unwrap_or_default());
        if answer["HasMoreStreams"] != true {
            break;
        }
    }
    for name in names.iter().filter_map(Value::as_str) {
        let status = settled(client, name).await?;
        match status.as_str() {
            Some("ACTIVE") => {
                let live = world.history.borrow().live_streams().iter().any(|live| live == name);
                if live {
                    writes_again(world, client, random, name).await?;
                }
                all.insert(name.to_owned(), stream(world, client, name).await?);
            }
            // On its way out, or gone meanwhile.
            _ if world.history.borrow_mut().stream(name).delete_asked => {}
            _ => world.history.borrow_mut().violation(format!("stream {name} is {status} at the end")),
        }
    }
    Ok(all)
}

/// A stream's status, once nothing is under way with it.
async fn settled(client: &mut Client, name: &str) -> Result<Value, CallError> {
    for _ in 0..ATTEMPTS {
        let answer = persist_or_gone(client, "DescribeStreamSummary", &json!({ "StreamName": name })).await?;
        let status = answer["StreamDescriptionSummary"]["StreamStatus"].clone();
        if !["CREATING", "UPDATING", "DELETING"].iter().any(|under_way| status == *under_way) {
            return Ok(status);
        }
        sleep(Duration::from_millis(100)).await;
    }
    Err(CallError::Unanswered(format!("{name} does not settle")))
}

async fn writes_again(
    world: &World,
    client: &mut Client,
    random: &mut Random,
    name: &str,
) -> Result<(), CallError> {
    for _ in 0..ATTEMPTS {
        if writer::put(world, client, random, name, 0).await {
            return Ok(());
        }
        sleep(Duration::from_millis(100)).await;
    }
    Err(CallError::Unanswered(format!("{name} takes no records")))
}

async fn stream(world: &World, client: &mut Client, name: &str) -> Result<Vec<FinalShard>, CallError> {
    let answer = persist(client, "ListShards", &json!({ "StreamName": name })).await?;
    let mut shards = Vec::new();
    for shard in answer["Shards"].as_array().into_iter().flatten() {
        let number = shard_number(&shard["ShardId"]).unwrap_or(u64::MAX);
        let mut session =
            Session { stream: name.to_owned(), shard: number, next: Some(0), least: 0, last: None };
        let mut records = Vec::new();
        let mut iterator = Some(token(client, &session).await?);
        while let Some(token) = iterator {
            let end = world.history.borrow().acknowledged_end(name, number);
            let input = json!({ "ShardIterator": token, "Limit": 1_000 });
            let answer = persist(client, "GetRecords", &input).await?;
            let page = world.records(&answer["Records"]);
            let at_tail = page.is_empty();
            session.take(&mut world.history.borrow_mut(), &page);
            if at_tail {
                session.at_tail(&mut world.history.borrow_mut(), end);
            }
            records.extend(page);
            let next = answer["NextShardIterator"].clone();
            if next.is_null() {
                session.at_end(&mut world.history.borrow_mut());
            }
            iterator = (!next.is_null() && !at_tail).then_some(next);
        }
        let (range, open) = (hash_range(shard), is_open(shard));
        shards.push(FinalShard { shard: number, range, open, records });
    }
    Ok(shards)
}

async fn token(client: &mut Client, session: &Session) -> Result<Value, CallError> {
    let mut attempts = 0;
    loop {
        attempts += 1;
        match reader::open(client, session, "TRIM_HORIZON").await {
            Err(_) if attempts < ATTEMPTS => sleep(Duration::from_millis(100)).await,
            result => return result,
        }
    }
}

async fn persist(client: &mut Client, operation: &str, input: &Value) -> Result<Value, CallError> {
    let mut attempts = 0;
    loop {
        attempts += 1;
        match client.call(operation, input.clone()).await {
            Err(_) if attempts < ATTEMPTS => sleep(Duration::from_millis(100)).await,
            result => return result,
        }
    }
}

/// As [`persist`]; what is not found is null.
async fn persist_or_gone(client: &mut Client, operation: &str, input: &Value) -> Result<Value, CallError> {
    match persist(client, operation, input).await {
        Err(error) if error.is_code("ResourceNotFoundException") => Ok(Value::Null),
        result => result,
    }
}
