//! Mappings that come, go, stop and start, and streams that do.

use crate::script::Act;
use crate::world::{World, settings};
use millstream_control::StartingPosition::{Latest, TrimHorizon};
use millstream_control::{DeleteStream, MappingSettings, MappingState, StreamStatus};
use std::sync::atomic::Ordering;
use std::time::Duration;

fn disabled() -> MappingSettings {
    MappingSettings { enabled: false, ..settings(1, 0) }
}

#[tokio::test(start_paused = true)]
async fn a_restart_goes_on_after_the_checkpoint() {
    let mut world = World::new().await;
    world.stream("s", 1).await;
    world.function().await;
    world.mapping(TrimHorizon, settings(1, 0)).await;
    world.put(&["1", "2"]).await;
    assert_eq!(world.keys_until("2").await, ["1", "2"]);
    let mut world = world.restart().await;
    world.put(&["3"]).await;
    assert_eq!(world.call().await.keys(), ["3"]);
    world.no_call().await;
}

#[tokio::test(start_paused = true)]
async fn a_batch_under_way_at_the_end_comes_again() {
    let mut world = World::new().await;
    world.stream("s", 1).await;
    world.function().await;
    world.script.acts([Act::Succeed, Act::Hang]);
    world.mapping(TrimHorizon, settings(1, 0)).await;
    world.put(&["1", "2"]).await;
    assert_eq!(world.keys_until("2").await, ["1", "2"]);
    let mut world = world.restart().await;
    assert_eq!(world.call().await.keys(), ["2"]);
}

#[tokio::test(start_paused = true)]
async fn a_shutdown_waits_for_what_ends_in_time() {
    let mut world = World::new().await;
    world.stream("s", 1).await;
    world.function().await;
    world.script.acts([Act::Wait]);
    world.mapping(TrimHorizon, settings(1, 0)).await;
    world.put(&["1"]).await;
    world.call().await;
    let (script, mappings) = (world.script.clone(), world.mappings.clone());
    tokio::join!(mappings.shutdown(), async {
        tokio::time::sleep(Duration::from_secs(1)).await;
        script.release();
    });
    let mut world = world.restart().await;
    world.no_call().await;
}

#[tokio::test(start_paused = true)]
async fn checkpoints_hold_up_no_batch_and_the_last_is_waited_for() {
    let mut world = World::new().await;
    world.stream("s", 1).await;
    world.function().await;
    world.mapping(TrimHorizon, settings(1, 0)).await;
    world.log.millis.store(100, Ordering::SeqCst);
    let before = world.log.appends.load(Ordering::SeqCst);
    let begin = tokio::time::Instant::now();
    for number in 0..50 {
        world.put(&[&number.to_string()]).await;
        world.call().await;
    }
    assert_eq!(begin.elapsed(), Duration::ZERO);
    let mut world = world.restart().await;
    let commands = world.log.appends.load(Ordering::SeqCst) - before;
    assert!(
        commands <= 3,
        "{commands}: a checkpoint, one for all that came meanwhile, and what came of it all"
    );
    world.no_call().await;
}

#[tokio::test(start_paused = true)]
async fn deleting_waits_for_the_invocation_under_way() {
    let mut world = World::new().await;
    world.stream("s", 1).await;
    world.function().await;
    world.script.acts([Act::Wait]);
    world.mapping(TrimHorizon, settings(1, 0)).await;
    world.put(&["1", "2"]).await;
    world.call().await;
    world.delete_mapping().await;
    world.no_call().await;
    assert_eq!(world.state().mapping("m").unwrap().state, MappingState::Deleting);
    world.script.release();
    world.until_deleted().await;
    world.no_call().await;
}

#[tokio::test(start_paused = true)]
async fn latest_stays_where_it_was_when_the_mapping_was_made() {
    let world = World::new().await;
    world.stream("s", 1).await;
    world.function().await;
    world.put(&["before"]).await;
    world.mapping(Latest, settings(10, 0)).await;
    world.mappings.shutdown().await;
    world.put(&["while", "away"]).await;
    let mut world = world.restart().await;
    assert_eq!(world.call().await.keys(), ["while", "away"]);
}

#[tokio::test(start_paused = true)]
async fn a_disabled_mapping_rests_and_goes_on_where_it_was() {
    let mut world = World::new().await;
    world.stream("s", 1).await;
    world.function().await;
    world.mapping(TrimHorizon, settings(1, 0)).await;
    world.put(&["1"]).await;
    world.call().await;
    world.change(disabled()).await;
    world.until_state(MappingState::Disabled).await;
    assert!(world.mappings.statuses().is_empty());
    world.put(&["2"]).await;
    world.no_call().await;
    let mut world = world.restart().await;
    world.no_call().await;
    world.change(settings(1, 0)).await;
    world.until_state(MappingState::Enabled).await;
    assert_eq!(world.call().await.keys(), ["2"]);
}

#[tokio::test(start_paused = true)]
async fn disabling_waits_for_the_invocation_under_way() {
    let mut world = World::new().await;
    world.stream("s", 1).await;
    world.function().await;
    world.script.acts([Act::Wait]);
    world.mapping(TrimHorizon, settings(1, 0)).await;
    world.put(&["1", "2"]).await;
    world.call().await;
    world.change(disabled()).await;
    world.no_call().await;
    assert_eq!(world.state().mapping("m").unwrap().state, MappingState::Disabling);
    world.script.release();
    world.until_state(MappingState::Disabled).await;
    world.until_checkpoint(1).await;
    world.no_call().await;
}

#[tokio::test(start_paused = true)]
async fn disabling_does_not_wait_for_a_batch_that_fails() {
    let mut world = World::new().await;
    world.stream("s", 1).await;
    world.function().await;
    world.script.rule(|_| Act::Fail);
    world.mapping(TrimHorizon, settings(1, 0)).await;
    world.put(&["1"]).await;
    world.call().await;
    world.change(disabled()).await;
    world.until_state(MappingState::Disabled).await;
    world.script.rule(|_| Act::Succeed);
    world.change(settings(1, 0)).await;
    while world.lane_records() != Some(1) {
        assert_eq!(world.call().await.keys(), ["1"]);
        tokio::task::yield_now().await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_mapping_made_disabled_keeps_its_place() {
    let mut world = World::new().await;
    world.stream("s", 1).await;
    world.function().await;
    world.mapping_from(Latest, disabled(), None).await;
    world.until_state(MappingState::Disabled).await;
    world.put(&["1"]).await;
    world.change(settings(1, 0)).await;
    assert_eq!(world.call().await.keys(), ["1"]);
}

#[tokio::test(start_paused = true)]
async fn a_deleted_mapping_is_forgotten() {
    let mut world = World::new().await;
    world.stream("s", 1).await;
    world.function().await;
    world.mapping(TrimHorizon, settings(1, 0)).await;
    assert_eq!(world.mappings.last_result("m").as_deref(), Some("No records processed"));
    world.put(&["1"]).await;
    world.call().await;
    world.delete_mapping().await;
    world.until_deleted().await;
    world.put(&["2"]).await;
    world.no_call().await;
    assert_eq!(world.mappings.last_result("m"), None);
    assert!(world.mappings.statuses().is_empty());
    assert!(world.state().checkpoints.is_empty());
    // One made anew under the same stream and function starts afresh.
    world.mapping(TrimHorizon, settings(10, 0)).await;
    assert_eq!(world.call().await.keys(), ["1", "2"]);
}

#[tokio::test(start_paused = true)]
async fn a_mapping_survives_its_stream() {
    let mut world = World::new().await;
    world.stream("s", 1).await;
    world.function().await;
    world.mapping(Latest, settings(10, 0)).await;
    world.put(&["1"]).await;
    world.call().await;
    world.submit(DeleteStream { name: "s".into(), enforce_consumer_deletion: true }).await;
    world.until("stream gone", |state| state.streams.is_empty()).await;
    world.no_call().await;
    let result = world.mappings.last_result("m").unwrap();
    assert!(result.starts_with("PROBLEM: Stream not found: arn:aws:kinesis:"), "{result}");
    assert!(world.mappings.statuses().is_empty());
    assert_eq!(world.state().mapping("m").unwrap().state, MappingState::Enabled);

    world.stream("s", 1).await;
    assert_eq!(world.state().stream("s").unwrap().status, StreamStatus::Active);
    world.put(&["2"]).await;
    assert_eq!(world.call().await.keys(), ["2"]);
}

#[tokio::test(start_paused = true)]
async fn a_mapping_of_a_stream_that_went_meanwhile_settles() {
    let world = World::new().await;
    world.function().await;
    world.mapping(TrimHorizon, settings(1, 0)).await;
    world.delete_mapping().await;
    world.until_deleted().await;
}
