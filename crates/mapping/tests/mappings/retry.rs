//! Batches that fail.

use crate::script::Act;
use crate::world::{World, settings};
use millstream_control::{DeleteFunction, StartingPosition::TrimHorizon};
use std::iter::repeat_n;
use std::sync::atomic::Ordering;

const DAY: u64 = 24 * 3_600_000;

#[tokio::test(start_paused = true)]
async fn a_batch_that_fails_comes_again_as_it_was() {
    let mut world = World::new().await;
    world.stream("s", 1).await;
    world.function().await;
    world.put_together(&["1", "2"]).await;
    world.script.acts([Act::Fail, Act::Fail]);
    world.mapping(TrimHorizon, settings(2, 0)).await;
    let first = world.call().await;
    world.put(&["3"]).await;
    let second = world.call().await;
    let third = world.call().await;
    assert_eq!(first.event, second.event);
    assert_eq!(first.event, third.event);
    assert_ne!(first.request_id, second.request_id);
    assert_eq!(world.call().await.keys(), ["3"]);
    world.until_checkpoint(3).await;
    let lane = world.lane();
    assert_eq!((lane.invocations, lane.errors, lane.attempt), (4, 2, 0));
    assert_eq!((lane.blocked_since, lane.last_error), (None, None));
}

#[tokio::test(start_paused = true)]
async fn a_batch_that_is_blocked_for_long_is_read_again_as_it_was() {
    let mut world = World::new().await;
    world.stream("s", 1).await;
    world.function().await;
    world.put_together(&["1", "2"]).await;
    world.script.acts(repeat_n(Act::Fail, 40));
    world.mapping(TrimHorizon, settings(3, 0)).await;
    let first = world.call().await;
    assert_eq!(first.keys(), ["1", "2"]);
    // They would have been in the batch, had they come earlier.
    world.put(&["3", "4"]).await;
    let reads = world.log.reads.load(Ordering::SeqCst);
    for _ in 0..40 {
        assert_eq!(world.call().await.event, first.event);
    }
    // Only pauses of less than a second leave the batch in hand: those are the first ones and one in sixty of the rest.
    assert!(world.log.reads.load(Ordering::SeqCst) > reads + 10);
    assert_eq!(world.call().await.keys(), ["3", "4"]);
    world.until_checkpoint(4).await;
    let lane = world.lane();
    assert_eq!((lane.errors, lane.records, lane.expired, lane.iterator_age_ms), (40, 4, 0, 0));
}

#[tokio::test(start_paused = true)]
async fn a_batch_that_expires_in_part_while_it_is_let_go_of_comes_with_the_rest() {
    let mut world = World::new().await;
    world.stream("s", 1).await;
    world.function().await;
    world.script.acts(repeat_n(Act::Fail, 60));
    world.put(&["1", "2"]).await;
    world.clock.advance_millis(DAY / 2);
    world.put(&["3"]).await;
    world.mapping(TrimHorizon, settings(3, 0)).await;
    for _ in 0..30 {
        assert_eq!(world.call().await.keys(), ["1", "2", "3"]);
    }
    world.put(&["4"]).await;
    world.clock.advance_millis(DAY / 2 + 1);
    while world.call().await.keys() != ["3"] {}
    // What is after the batch did not fill it up.
    assert_eq!(world.call().await.keys(), ["3"]);
    while world.call().await.keys() != ["4"] {}
    world.until_checkpoint(4).await;
    assert_eq!((world.lane().expired, world.lane().records), (2, 2));
}

#[tokio::test(start_paused = true)]
async fn a_smaller_batch_size_takes_a_batch_apart_that_is_let_go_of() {
    let mut world = World::new().await;
    world.stream("s", 1).await;
    world.function().await;
    world.script.rule(|call| if call.records().len() > 1 { Act::Fail } else { Act::Succeed });
    world.put_together(&["1", "2", "3"]).await;
    world.mapping(TrimHorizon, settings(3, 0)).await;
    for _ in 0..20 {
        assert_eq!(world.call().await.keys(), ["1", "2", "3"]);
    }
    world.change(settings(1, 0)).await;
    world.until_checkpoint(3).await;
    assert_eq!(world.lane().records, 3);
}

#[tokio::test(start_paused = true)]
async fn a_blocked_lane_shows_what_it_hangs_on() {
    let mut world = World::new().await;
    world.stream("s", 1).await;
    world.function().await;
    world.script.acts([Act::Fail, Act::Fail, Act::Hang]);
    world.put(&["1"]).await;
    world.mapping(TrimHorizon, settings(1, 0)).await;
    for _ in 0..3 {
        world.call().await;
    }
    world.clock.advance_millis(2_000);
    let lane = world.lane();
    assert_eq!((lane.attempt, lane.errors, lane.invocations, lane.records), (2, 2, 3, 0));
    assert_eq!(lane.blocked_since, Some(crate::world::NOW));
    assert_eq!(lane.last_error.as_deref(), Some("Scripted"));
    assert_eq!(lane.iterator_age_ms, 2_000);
    assert_eq!(world.mappings.last_result("m").as_deref(), Some("PROBLEM: Function call failed"));
    assert_eq!(world.state().checkpoint("m", world.state().stream("s").unwrap().shards[0].log).unwrap().0, 0);
}

#[tokio::test(start_paused = true)]
async fn what_did_not_reach_the_function_is_no_attempt() {
    let mut world = World::new().await;
    world.stream("s", 1).await;
    world.function().await;
    world.script.acts([Act::Throttle, Act::Throttle, Act::NotRun, Act::Hang]);
    world.put(&["1"]).await;
    world.mapping(TrimHorizon, settings(1, 0)).await;
    for _ in 0..4 {
        assert_eq!(world.call().await.keys(), ["1"]);
    }
    let lane = world.lane();
    assert_eq!((lane.attempt, lane.errors, lane.not_run), (0, 0, 3));
    let result = world.mappings.last_result("m").unwrap();
    assert!(result.starts_with("PROBLEM: ") && result.contains("no memory"), "{result}");
}

#[tokio::test(start_paused = true)]
async fn other_code_is_tried_at_once() {
    let mut world = World::new().await;
    world.stream("s", 1).await;
    world.function().await;
    let bad = "a".repeat(64);
    world.script.rule(move |call| if call.spec.code.to_string() == bad { Act::Fail } else { Act::Succeed });
    world.put(&["1"]).await;
    world.mapping(TrimHorizon, settings(1, 0)).await;
    for _ in 0..20 {
        world.call().await;
    }
    let begin = tokio::time::Instant::now();
    world.update_function().await;
    let call = world.call().await;
    assert_eq!((call.keys(), call.spec.code.to_string()), (vec!["1".to_owned()], "b".repeat(64)));
    assert_eq!(begin.elapsed(), std::time::Duration::ZERO);
    world.until_checkpoint(1).await;
}

#[tokio::test(start_paused = true)]
async fn a_smaller_batch_size_takes_a_failing_batch_apart() {
    let mut world = World::new().await;
    world.stream("s", 1).await;
    world.function().await;
    world.script.rule(|call| if call.records().len() > 1 { Act::Fail } else { Act::Succeed });
    world.put_together(&["1", "2", "3"]).await;
    world.mapping(TrimHorizon, settings(3, 0)).await;
    assert_eq!(world.call().await.keys(), ["1", "2", "3"]);
    world.change(settings(1, 0)).await;
    let mut calls = Vec::new();
    while calls.last().is_none_or(|keys| *keys != ["3"]) {
        calls.push(world.call().await.keys());
    }
    calls.retain(|keys| keys.len() == 1);
    assert_eq!(calls, [["1"], ["2"], ["3"]]);
}

#[tokio::test(start_paused = true)]
async fn expired_records_are_passed_over() {
    let mut world = World::new().await;
    world.stream("s", 1).await;
    world.function().await;
    world.script.acts(repeat_n(Act::Fail, 3));
    world.put(&["1"]).await;
    world.clock.advance_millis(DAY / 2);
    world.put(&["2"]).await;
    world.mapping(TrimHorizon, settings(10, 0)).await;
    assert_eq!(world.call().await.keys(), ["1", "2"]);
    world.clock.advance_millis(DAY / 2 + 1);
    // The expired head goes, the rest is tried on.
    while world.call().await.keys() != ["2"] {}
    world.until_checkpoint(2).await;
    assert_eq!(world.lane().expired, 1);
}

#[tokio::test(start_paused = true)]
async fn a_batch_that_has_expired_is_over() {
    let mut world = World::new().await;
    world.stream("s", 1).await;
    world.function().await;
    world.script.rule(|call| if call.keys() == ["1"] { Act::Fail } else { Act::Succeed });
    world.put(&["1"]).await;
    world.mapping(TrimHorizon, settings(10, 0)).await;
    world.call().await;
    world.clock.advance_millis(DAY + 1);
    world.until_checkpoint(1).await;
    world.put(&["2"]).await;
    assert_eq!(world.keys_until("2").await.last().unwrap(), "2");
    world.until_checkpoint(2).await;
    let lane = world.lane();
    assert_eq!((lane.expired, lane.records, lane.attempt), (1, 1, 0));
}

#[tokio::test(start_paused = true)]
async fn records_that_expired_unread_are_counted() {
    let mut world = World::new().await;
    world.stream("s", 1).await;
    world.function().await;
    world.script.acts([Act::Wait]);
    world.mapping(TrimHorizon, settings(1, 0)).await;
    world.put(&["1", "2", "3"]).await;
    world.call().await;
    world.clock.advance_millis(DAY + 1);
    world.script.release();
    world.put(&["4"]).await;
    assert_eq!(world.call().await.keys(), ["4"]);
    world.until_checkpoint(4).await;
    assert_eq!((world.lane().records, world.lane().expired), (2, 2));
}

#[tokio::test(start_paused = true)]
async fn a_lane_that_panics_starts_again_at_its_checkpoint() {
    let mut world = World::new().await;
    world.stream("s", 1).await;
    world.function().await;
    world.script.acts([Act::Succeed, Act::Panic]);
    world.mapping(TrimHorizon, settings(1, 0)).await;
    world.put(&["1", "2"]).await;
    assert_eq!(world.keys_until("2").await, ["1", "2"]);
    assert_eq!(world.call().await.keys(), ["2"]);
    world.until_checkpoint(2).await;
}

#[tokio::test(start_paused = true)]
async fn a_missing_function_is_waited_for() {
    let mut world = World::new().await;
    world.stream("s", 1).await;
    world.put(&["1"]).await;
    world.mapping(TrimHorizon, settings(1, 0)).await;
    world.no_call().await;
    let result = world.mappings.last_result("m").unwrap();
    assert!(result.starts_with("PROBLEM: Function not found: arn:aws:lambda:"), "{result}");
    world.pending_function().await;
    world.no_call().await;
    assert!(world.mappings.last_result("m").unwrap().contains("Pending"));
    assert_eq!((world.lane().invocations, world.lane().attempt), (0, 0));
    let begin = tokio::time::Instant::now();
    world.finish_function("r1").await;
    assert_eq!(world.call().await.keys(), ["1"]);
    assert_eq!(begin.elapsed(), std::time::Duration::ZERO);

    world.submit(DeleteFunction { name: "f".into() }).await;
    world.put(&["2"]).await;
    world.no_call().await;
    world.function().await;
    assert_eq!(world.call().await.keys(), ["2"]);
}

#[tokio::test(start_paused = true)]
async fn an_event_that_grows_with_the_role_is_cut_again() {
    let mut world = World::new().await;
    world.stream("s", 1).await;
    // Nothing is known of the role while the batch is formed, so that it is formed too large.
    let keys: Vec<String> = (0..10_000).map(|number| format!("{number:0>190}")).collect();
    let keys: Vec<&str> = keys.iter().map(String::as_str).collect();
    world.put_together(&keys).await;
    world.mapping(TrimHorizon, settings(10_000, 0)).await;
    world.no_call().await;
    world.function().await;
    let (first, second) = (world.call().await, world.call().await);
    assert!(first.bytes <= millstream_mapping::caps::EVENT_BYTES);
    assert!(!second.records().is_empty());
    let mut all = first.keys();
    all.extend(second.keys());
    assert_eq!(all, keys);
}
