//! Tumbling windows.

use crate::script::{Act, Call};
use crate::world::{NOW, World, delivering, settings};
use millstream_control::{DeliverySettings, MappingSettings, StartingPosition::TrimHorizon};
use serde_json::{Value, json};

fn tumbling(batch_size: u32) -> MappingSettings {
    delivering(batch_size, DeliverySettings { tumbling_secs: 60, ..DeliverySettings::default() })
}

/// Counts records in the state, under `n`.
fn count(call: &Call) -> Act {
    let before = call.event["state"]["n"].as_u64().unwrap_or(0);
    Act::Answer(json!({ "state": { "n": before + call.records().len() as u64 } }).to_string())
}

fn flags(call: &Call) -> (Value, Value) {
    (call.event["isFinalInvokeForWindow"].clone(), call.event["isWindowTerminatedEarly"].clone())
}

async fn world() -> World {
    let world = World::new().await;
    world.stream("s", 1).await;
    world.function().await;
    world.script.rule(count);
    world
}

#[tokio::test(start_paused = true)]
async fn a_state_goes_from_batch_to_batch_and_ends_with_the_window() {
    let mut world = world().await;
    world.put_together(&["1", "2", "3"]).await;
    world.mapping(TrimHorizon, tumbling(2)).await;
    let first = world.call().await;
    // NOW is 2023-11-14T22:13:20.123Z.
    assert_eq!(
        first.event["window"],
        json!({ "start": "2023-11-14T22:13:00Z", "end": "2023-11-14T22:14:00Z" })
    );
    assert_eq!(
        (&first.event["state"], &first.event["shardId"]),
        (&json!({}), &json!("shardId-000000000000"))
    );
    assert_eq!(first.event["eventSourceARN"], millstream_types::Home::default().stream_arn("s"));
    assert_eq!(flags(&first), (json!(false), json!(false)));
    let second = world.call().await;
    assert_eq!((second.keys(), &second.event["state"]), (vec!["3".to_owned()], &json!({ "n": 2 })));
    world.no_call().await;
    let shard = world.state().stream("s").unwrap().shards[0].log;
    assert_eq!(world.state().checkpoint("m", shard).unwrap().0, 0, "the window is open");

    // The next window's first record closes it.
    world.clock.advance_millis(60_000);
    world.put(&["4"]).await;
    let last = world.call().await;
    assert_eq!((last.records().len(), &last.event["state"]), (0, &json!({ "n": 3 })));
    assert_eq!(flags(&last), (json!(true), json!(false)));
    world.until_checkpoint(3).await;
    let next = world.call().await;
    assert_eq!((next.keys(), &next.event["state"]), (vec!["4".to_owned()], &json!({})));
    assert_eq!(next.event["window"]["start"], "2023-11-14T22:14:00Z");

    // The clock closes a window too.
    world.clock.advance_millis(60_000);
    let last = world.call().await;
    assert_eq!((last.records().len(), flags(&last).0), (0, json!(true)));
    world.until_checkpoint(4).await;
    world.no_call().await;
}

#[tokio::test(start_paused = true)]
async fn a_restart_begins_the_window_again() {
    let mut world = world().await;
    world.put_together(&["1", "2"]).await;
    world.mapping(TrimHorizon, tumbling(1)).await;
    assert_eq!(world.keys_until("2").await, ["1", "2"]);
    let mut world = world.restart().await;
    world.script.rule(count);
    let first = world.call().await;
    assert_eq!((first.keys(), &first.event["state"]), (vec!["1".to_owned()], &json!({})));
}

#[tokio::test(start_paused = true)]
async fn a_last_call_that_fails_comes_again() {
    let mut world = world().await;
    let mut failures = 2;
    world.script.rule(move |call| {
        if call.event["isFinalInvokeForWindow"] == true && failures > 0 {
            failures -= 1;
            return Act::Fail;
        }
        count(call)
    });
    world.put(&["1"]).await;
    world.mapping(TrimHorizon, tumbling(1)).await;
    world.call().await;
    world.clock.advance_millis(60_000);
    for _ in 0..3 {
        assert_eq!(flags(&world.call().await).0, json!(true));
    }
    world.until_checkpoint(1).await;
    world.no_call().await;
}

#[tokio::test(start_paused = true)]
async fn an_answer_without_a_state_is_a_failure() {
    let mut world = world().await;
    let mut first = true;
    world.script.rule(move |call| if std::mem::take(&mut first) { Act::Succeed } else { count(call) });
    world.put(&["1"]).await;
    world.mapping(TrimHorizon, tumbling(1)).await;
    assert_eq!(world.call().await.keys(), ["1"]);
    assert_eq!(world.call().await.keys(), ["1"]);
    assert_eq!(world.lane().errors, 1);
}

#[tokio::test(start_paused = true)]
async fn a_state_that_grows_too_large_ends_its_window() {
    let mut world = world().await;
    let mut first = true;
    world.script.rule(move |call| {
        if std::mem::take(&mut first) {
            return Act::Answer(
                json!({ "state": "x".repeat(millstream_mapping::caps::STATE_BYTES) }).to_string(),
            );
        }
        count(call)
    });
    world.put_together(&["1", "2"]).await;
    world.mapping(TrimHorizon, tumbling(1)).await;
    assert_eq!(world.call().await.keys(), ["1"]);
    let early = world.call().await;
    assert_eq!((early.records().len(), flags(&early)), (0, (json!(true), json!(true))));
    let next = world.call().await;
    assert_eq!((next.keys(), &next.event["state"]), (vec!["2".to_owned()], &json!({})));
    assert_eq!(next.event["window"], early.event["window"]);
}

#[tokio::test(start_paused = true)]
async fn a_batch_that_is_given_up_leaves_the_window_open() {
    let mut world = world().await;
    world.script.rule(|call| if call.keys() == ["1"] { Act::Fail } else { count(call) });
    world.put_together(&["1", "2"]).await;
    let delivery =
        DeliverySettings { tumbling_secs: 60, max_retries: Some(0), ..DeliverySettings::default() };
    world.mapping(TrimHorizon, delivering(1, delivery)).await;
    assert_eq!(world.call().await.keys(), ["1"]);
    assert_eq!(world.call().await.keys(), ["2"]);
    world.clock.advance_millis(60_000);
    let last = world.call().await;
    assert_eq!((last.records().len(), &last.event["state"]), (0, &json!({ "n": 1 })));
    world.until_checkpoint(2).await;
}

#[tokio::test(start_paused = true)]
async fn other_settings_begin_an_open_window_again() {
    let mut world = world().await;
    world.put_together(&["1", "2"]).await;
    world.mapping(TrimHorizon, tumbling(2)).await;
    assert_eq!(world.call().await.keys(), ["1", "2"]);
    world.change(settings(2, 0)).await;
    let call = world.call().await;
    assert_eq!((call.keys().len(), call.event.get("window")), (2, None));
    world.until_checkpoint(2).await;
    assert_eq!(world.engine.now(), NOW);
}
