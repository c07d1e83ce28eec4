//! Makes an on-demand stream and a queue on it, and has the stream resharded under the queue.

use crate::client::Client;
use crate::random::Random;
use crate::world::World;
use serde_json::{Value, json};
use std::rc::Rc;
use std::time::Duration;
use tokio::time::sleep;

const STREAM: &str = "stream-0";

/// Shards that a new on-demand stream has.
const SHARDS: u64 = 4;

pub(crate) async fn run(world: Rc<World>, name: String, mut random: Random, reshards: bool) {
    let mut client = world.client(&name, &mut random);
    // The visibility timeouts that receivers ask for are as short.
    let visibility_secs = random.within(1, 3);
    let max_receives = random.chance(80).then(|| random.within(1, 4));
    let from_the_beginning = random.chance(70);
    {
        let mut queue = world.queue.borrow_mut();
        STREAM.clone_into(&mut queue.stream);
        (queue.visibility_secs, queue.max_receives) = (visibility_secs, max_receives);
    }
    if !make_stream(&world, &mut client).await {
        return;
    }
    let dead_letters = match max_receives {
        Some(most) => json!({ "TargetType": "BUILT_IN", "MaxReceiveCount": most }),
        None => json!({ "TargetType": "NONE" }),
    };
    let attributes =
        json!({ "VisibilityTimeoutSeconds": visibility_secs, "DeadLetterConfiguration": dead_letters });
    let position = if from_the_beginning { "TRIM_HORIZON" } else { "LATEST" };
    let Some(arn) = make_queue(&world, &mut client, attributes, position).await else { return };
    let first_put = if from_the_beginning { 0 } else { world.history.borrow().puts.len() };
    {
        let mut queue = world.queue.borrow_mut();
        (queue.first_put, queue.arn) = (first_put, Some(arn));
    }
    while reshards && !world.over.get() {
        sleep(random.pause(800)).await;
        world.history.borrow_mut().stream(STREAM).reshard_asked = true;
        let commitment = json!({ "MinimumThroughputBillingCommitment": { "Status": "ENABLED" } });
        let asked = client.call("UpdateAccountSettings", commitment).await;
        let warm = json!({ "StreamName": STREAM, "WarmThroughputMiBps": random.within(4, 9) });
        if client.call("UpdateStreamWarmThroughput", warm).await.is_err() && asked.is_err() {
            sleep(Duration::from_millis(100)).await;
        }
    }
}

/// Until it is there; names are not used twice, so it is asked for until then.
async fn make_stream(world: &World, client: &mut Client) -> bool {
    while !world.over.get() {
        let input = json!({ "StreamName": STREAM, "StreamModeDetails": { "StreamMode": "ON_DEMAND" } });
        let created = client.call("CreateStream", input).await.is_ok();
        let described = client.call("DescribeStreamSummary", json!({ "StreamName": STREAM })).await;
        match described {
            Ok(answer) if answer["StreamDescriptionSummary"]["StreamStatus"] == "ACTIVE" => {
                let mut history = world.history.borrow_mut();
                let stream = history.stream(STREAM);
                (stream.shards, stream.active) = (SHARDS, true);
                return true;
            }
            Err(error) if created && error.is_code("ResourceNotFoundException") => world.not_found(STREAM),
            _ => {}
        }
        sleep(Duration::from_millis(30)).await;
    }
    false
}

async fn make_queue(world: &World, client: &mut Client, attributes: Value, position: &str) -> Option<String> {
    let mut stream = Value::Null;
    let mut arn = Value::Null;
    while !world.over.get() {
        sleep(Duration::from_millis(30)).await;
        if stream.is_null() {
            let described = client.call("DescribeStreamSummary", json!({ "StreamName": STREAM })).await;
            stream = described
                .map_or(Value::Null, |answer| answer["StreamDescriptionSummary"]["StreamARN"].clone());
            continue;
        }
        if arn.is_null() {
            let source = json!({ "StreamARN": stream, "StartingPosition": { "Type": position } });
            let input = json!({
                "QueueName": "queue", "StreamConfigurationList": [source], "QueueAttributes": attributes,
            });
            // An answer that was lost is not asked for again in vain: the queue is there then.
            arn = if let Ok(answer) = client.call("CreateQueue", input).await {
                answer["QueueDescription"]["QueueARN"].clone()
            } else {
                let listed = client.call("ListQueues", json!({})).await.unwrap_or_default();
                listed["QueueSummaries"][0]["QueueARN"].clone()
            };
            continue;
        }
        match client.call("DescribeQueue", json!({ "QueueARN": arn })).await {
            Ok(answer) if answer["QueueDescription"]["QueueStatus"] == "ACTIVE" => {
                return arn.as_str().map(str::to_owned);
            }
            Err(error) if error.is_code("ResourceNotFoundException") => {
                world
                    .history
                    .borrow_mut()
                    .violation(format!("queue: it was made and is not there: {error:?}"));
            }
            _ => {}
        }
    }
    None
}
