//! What a restart finds.

use crate::world::{Act, Config, DEAD, QUEUE, World, numbered, secs};
use serde_json::json;

#[tokio::test(start_paused = true)]
async fn what_was_taken_is_delivered_after_a_kill() {
    let world = World::with_workers(1).await;
    world.function("f").await;
    world.rule(|_| Act::Slow(1_000));
    for number in 0..5 {
        world.accept("f", numbered(number)).await.unwrap();
    }
    let world = world.kill().await;
    world.rule(|_| Act::Succeed);
    secs(1).await;
    let mut seen: Vec<u64> = world
        .calls()
        .iter()
        .filter(|call| call.act == Act::Succeed)
        .map(|call| call.event["n"].as_u64().unwrap())
        .collect();
    seen.sort_unstable();
    assert_eq!((seen, world.waiting()), (vec![0, 1, 2, 3, 4], 0));
    // And not again after another.
    let before = world.calls().len();
    let world = world.kill().await;
    secs(100).await;
    assert_eq!(world.calls().len(), before);
    assert_eq!(world.waiting(), 0);
}

#[tokio::test(start_paused = true)]
async fn failures_are_remembered() {
    let world = World::new().await;
    world.function("f").await;
    world.rule(|_| Act::Fail);
    world.accept("f", json!(1)).await.unwrap();
    secs(10).await;
    let world = world.kill().await;
    secs(60).await;
    let world = world.restart().await;
    secs(1_000).await;
    assert_eq!(world.times(), [0, 60, 180]);
}

#[tokio::test(start_paused = true)]
async fn what_is_over_is_told_and_not_run_again() {
    let world = World::new().await;
    world.function_with("f", DEAD, false).await;
    world.config("f", Config { on_success: Some(QUEUE), ..Config::default() }).await;
    world.refuse(QUEUE, u32::MAX);
    world.acts([Act::Answer("[7]".into())]);
    world.accept("f", json!(1)).await.unwrap();
    secs(10).await;
    let world = world.kill().await;
    secs(10).await;
    assert_eq!((world.waiting(), world.letters().len()), (1, 0));
    world.refuse(QUEUE, 0);
    secs(300).await;
    assert_eq!((world.waiting(), world.calls().len()), (0, 1));
    let record: serde_json::Value = serde_json::from_slice(&world.letters()[0].body).unwrap();
    assert_eq!(record["responsePayload"], json!([7]));
}

#[tokio::test(start_paused = true)]
async fn a_shutdown_waits_for_what_is_under_way_and_begins_nothing() {
    let world = World::with_workers(1).await;
    world.function("f").await;
    world.rule(|_| Act::Slow(2));
    world.accept("f", json!(1)).await.unwrap();
    world.accept("f", json!(2)).await.unwrap();
    secs(1).await;
    let world = world.restart().await;
    assert_eq!(world.calls().len(), 1);
    secs(10).await;
    let requests: Vec<String> = world.calls().into_iter().map(|call| call.request).collect();
    assert_eq!(requests, ["r-1", "r-2"]);
}

#[tokio::test(start_paused = true)]
async fn a_server_that_was_away_for_long_drops_what_has_grown_too_old() {
    let world = World::new().await;
    world.function("f").await;
    world.config("f", Config { age_secs: Some(600), on_failure: Some(QUEUE), ..Config::default() }).await;
    world.acts([Act::Fail]);
    world.accept("f", json!(1)).await.unwrap();
    secs(1).await;
    world.log.kill();
    secs(700).await;
    let world = world.kill().await;
    secs(1).await;
    assert_eq!(world.calls().len(), 1);
    let told = world.told();
    assert_eq!((told[0].1.as_str(), told[0].2), ("EventAgeExceeded", 1));
}
