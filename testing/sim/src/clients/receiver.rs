//! Receives records of a queue, or its dead letters, and acknowledges them, hides them longer, restores them, or forgets
//! them. What it holds it keeps through crashes.

use crate::client::{CallError, Client};
use crate::history::Seen;
use crate::queue_history::{Came, Deed, Got, Held, Letter, Window, refusal};
use crate::random::Random;
use crate::world::{World, sequence_number};
use serde_json::{Value, json};
use std::rc::Rc;
use std::time::Duration;
use tokio::time::sleep;

/// Records in one answer, and handles in one request.
const MOST: usize = 10;

pub(crate) async fn run(world: Rc<World>, name: String, mut random: Random, letter: Letter) {
    let mut client = world.client(&name, &mut random);
    let mut held = Vec::new();
    while !world.over.get() {
        sleep(random.pause(60)).await;
        let Some(arn) = world.queue.borrow().arn.clone() else { continue };
        if !held.is_empty() && random.chance(60) {
            some_deeds(&world, &mut client, &mut random, &arn, &mut held).await;
        } else {
            let secs = random.chance(50).then(|| random.below(4));
            let limit = random.within(1, MOST as u64);
            held.extend(receive(&world, &mut client, &arn, letter, secs, limit).await.unwrap_or_default());
        }
    }
}

pub(crate) async fn receive(
    world: &World,
    client: &mut Client,
    arn: &str,
    letter: Letter,
    secs: Option<u64>,
    limit: u64,
) -> Result<Vec<Held>, CallError> {
    let mut input = json!({ "QueueARN": arn, "Limit": limit, "WaitTimeSeconds": 1 });
    if let Some(secs) = secs {
        input["VisibilityTimeoutSeconds"] = secs.into();
    }
    let operation = match letter {
        Letter::Record => "ReceiveQueueRecords",
        Letter::Dead => "ReceiveDeadLetterQueueRecords",
    };
    world.queue.borrow_mut().receiving();
    let sent = world.clock.wall();
    let answer = client.call(operation, input).await;
    let window = Window { sent, answered: world.clock.wall() };
    let mut queue = world.queue.borrow_mut();
    let answer = answer.inspect_err(|error| {
        if error.is_not_done() || error.is_unreadable() {
            queue.not_received();
        }
    })?;
    let all: Vec<Got> = answer["QueueRecords"].as_array().into_iter().flatten().filter_map(got).collect();
    client.note(format_args!("received {} for {secs:?} s within {window:?}", all.len()));
    let mut history = world.history.borrow_mut();
    if answer["QueueRecords"].as_array().is_none_or(|records| records.len() != all.len()) {
        history.violation(format!("queue: records that cannot be read: {answer}"));
    }
    Ok(queue.receive(&mut history, letter, window, secs, &all))
}

fn got(record: &Value) -> Option<Got> {
    let seen = Seen {
        number: sequence_number(&record["RecordId"])?,
        key: record["PartitionKey"].as_str()?.to_owned(),
        data: crate::client::decode(&record["Data"]),
        arrival: record["ApproximateArrivalTimestamp"].to_string(),
    };
    Some(Got {
        seen,
        handle: record["ReceiptHandle"].as_str()?.to_owned(),
        count: record["ReceiveCount"].as_u64()?,
    })
}

async fn some_deeds(
    world: &World,
    client: &mut Client,
    random: &mut Random,
    arn: &str,
    held: &mut Vec<Held>,
) {
    let mut some = Vec::new();
    for _ in 0..random.within(1, MOST as u64) {
        if !held.is_empty() {
            let index = usize::try_from(random.below(held.len() as u64)).unwrap_or(0);
            some.push(held.swap_remove(index));
        }
    }
    let deed = match (some[0].letter, random.below(10)) {
        (Letter::Record, 0..6) | (Letter::Dead, 0..4) => Deed::Acknowledge,
        (Letter::Dead, 4..7) => Deed::Restore,
        (_, 9) => return,
        _ => Deed::Hide { secs: random.below(4) },
    };
    let came = act(world, client, arn, deed, &some).await;
    for (one, came) in some.into_iter().zip(came) {
        let keep = match came {
            Came::Done if deed == Deed::Acknowledge => random.chance(10),
            Came::Done | Came::NotDone => true,
            Came::Unknown => random.chance(70),
            Came::Stale | Came::Gone | Came::Wrong => false,
        };
        if keep {
            held.push(one);
        }
    }
}

/// Ask for one deed with some deliveries of one kind; what came of each.
pub(crate) async fn act(
    world: &World,
    client: &mut Client,
    arn: &str,
    deed: Deed,
    some: &[Held],
) -> Vec<Came> {
    let of_letters = some.first().is_some_and(|held| held.letter == Letter::Dead);
    let operation = match (deed, of_letters) {
        (Deed::Acknowledge, false) => "AcknowledgeQueueRecords",
        (Deed::Acknowledge, true) => "AcknowledgeDeadLetterQueueRecords",
        (Deed::Hide { .. }, false) => "UpdateQueueRecordsVisibility",
        (Deed::Hide { .. }, true) => "UpdateDeadLetterQueueRecordsVisibility",
        (Deed::Restore, _) => "RestoreDeadLetterQueueRecords",
    };
    let entries: Vec<Value> = some
        .iter()
        .map(|held| match deed {
            Deed::Hide { secs } => json!({ "ReceiptHandle": held.handle, "VisibilityTimeoutSeconds": secs }),
            _ => json!({ "ReceiptHandle": held.handle }),
        })
        .collect();
    let sent = world.clock.wall();
    for held in some {
        world.queue.borrow_mut().ask(held, deed, sent);
    }
    let answer = client.call(operation, json!({ "QueueARN": arn, "Entries": entries })).await;
    let window = Window { sent, answered: world.clock.wall() };
    let came: Vec<Came> = some
        .iter()
        .map(|held| {
            let of = |list: &Value| {
                let found = list.as_array().into_iter().flatten();
                found.clone().find(|entry| entry["ReceiptHandle"] == held.handle.as_str()).cloned()
            };
            match &answer {
                Err(error) if error.is_not_done() => Came::NotDone,
                Err(_) => Came::Unknown,
                Ok(answer) if of(&answer["Successful"]).is_some() => Came::Done,
                Ok(answer) => of(&answer["Failed"]).map_or(Came::Wrong, |entry| refusal(&entry)),
            }
        })
        .collect();
    client.note(format_args!(
        "{deed:?} of {:?}: {came:?}",
        some.iter().map(|held| held.record.to_string()).collect::<Vec<_>>()
    ));
    for (held, came) in some.iter().zip(&came) {
        world.queue.borrow_mut().came(&mut world.history.borrow_mut(), held, deed, window, *came);
    }
    came
}

/// Longer than anything was hidden.
const PATIENCE: Duration = Duration::from_secs(10);

/// Attempts at a call that must succeed in the end, and answers in the end.
const ATTEMPTS: usize = 40;

/// Comes last, when all is well again: receives and acknowledges until there is nothing more.
pub(crate) async fn empty(world: &World) -> Result<(), CallError> {
    let Some(arn) = world.queue.borrow().arn.clone() else { return Ok(()) };
    let mut client = Client::new("emptier", world.trace.clone(), PATIENCE);
    world.clock.move_ahead(Duration::from_mins(1));
    for letter in [Letter::Record, Letter::Dead] {
        let mut failures = 0;
        loop {
            let held = match receive(world, &mut client, &arn, letter, Some(600), MOST as u64).await {
                Ok(held) => held,
                Err(_) if failures < ATTEMPTS => {
                    failures += 1;
                    sleep(Duration::from_millis(100)).await;
                    continue;
                }
                Err(error) => return Err(error),
            };
            if held.is_empty() {
                break;
            }
            let came = act(world, &mut client, &arn, Deed::Acknowledge, &held).await;
            if let Some(came) = came.iter().find(|came| **came != Came::Done) {
                return Err(CallError::Unanswered(format!("an acknowledgement came to this: {came:?}")));
            }
        }
    }
    Ok(())
}
