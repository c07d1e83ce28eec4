//! Mappings that read as a consumer, by enhanced fan-out.

use crate::script::Act;
use crate::world::{World, settings};
use millstream_control::StartingPosition::TrimHorizon;
use millstream_control::{DeregisterConsumer, MappingState};
use std::time::Duration;

async fn mapped() -> (World, String) {
    let world = World::new().await;
    world.stream("s", 1).await;
    world.function().await;
    let consumer = world.consumer().await;
    world.mapping_from(TrimHorizon, settings(3, 0), Some(consumer.clone())).await;
    world.until_state(MappingState::Enabled).await;
    (world, consumer)
}

#[tokio::test(start_paused = true)]
async fn a_consumer_is_pushed_its_records() {
    let (mut world, consumer) = mapped().await;
    world.put_together(&["1", "2", "3", "4"]).await;
    let call = world.call().await;
    assert_eq!(call.keys(), ["1", "2", "3"]);
    assert_eq!(call.records()[0]["eventSourceARN"], consumer);
    assert_eq!(world.call().await.keys(), ["4"]);
    world.until_checkpoint(4).await;
}

#[tokio::test(start_paused = true)]
async fn a_subscription_that_is_over_is_renewed_without_a_gap() {
    let (mut world, _) = mapped().await;
    for number in 0..5 {
        let key = number.to_string();
        world.put(&[&key]).await;
        assert_eq!(world.call().await.keys(), [key.as_str()]);
        tokio::time::sleep(Duration::from_secs(290)).await;
    }
    world.no_call().await;
    assert_eq!(world.mappings.last_result("m").as_deref(), Some("OK"));
}

#[tokio::test(start_paused = true)]
async fn a_batch_that_fails_outlives_its_subscription() {
    let (mut world, _) = mapped().await;
    world.script.acts(std::iter::repeat_n(Act::Fail, 30));
    world.put_together(&["1", "2", "3", "4", "5"]).await;
    for _ in 0..31 {
        assert_eq!(world.call().await.keys(), ["1", "2", "3"]);
    }
    assert_eq!(world.call().await.keys(), ["4", "5"]);
    world.until_checkpoint(5).await;
}

#[tokio::test(start_paused = true)]
async fn another_reader_takes_over_and_gives_back() {
    let (mut world, consumer) = mapped().await;
    world.put(&["1"]).await;
    world.call().await;
    let stream = world.state().stream("s").unwrap().clone();
    world.clock.advance_millis(6_000);
    let other = world
        .engine
        .subscribe(&stream, &consumer, &stream.shards[0], millstream_types::Position::ZERO)
        .unwrap();
    world.put(&["2"]).await;
    // The other's hold is young for ever, because the clock stands.
    world.no_call().await;
    assert!(world.mappings.last_result("m").unwrap().starts_with("PROBLEM: "));
    drop(other);
    assert_eq!(world.call().await.keys(), ["2"]);
}

#[tokio::test(start_paused = true)]
async fn without_its_consumer_a_mapping_rests() {
    let (mut world, consumer) = mapped().await;
    world.submit(DeregisterConsumer { stream: "s".into(), consumer: "app".into() }).await;
    world.until("consumer gone", |state| state.consumer("s", "app").is_err()).await;
    world.put(&["1"]).await;
    world.no_call().await;
    assert_eq!(world.mappings.last_result("m"), Some(format!("PROBLEM: Consumer not found: {consumer}")));
    world.delete_mapping().await;
    world.until_deleted().await;
}
