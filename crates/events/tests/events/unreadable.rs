//! A disk that cannot be read for a moment.

use crate::world::{Act, Config, QUEUE, World, secs};
use serde_json::json;
use std::sync::atomic::Ordering;

#[tokio::test(start_paused = true)]
async fn who_is_to_be_told_is_told_when_the_event_can_be_read_again() {
    let world = World::new().await;
    world.function("f").await;
    world.config("f", Config { retries: Some(0), on_failure: Some(QUEUE), ..Config::default() }).await;
    let log = world.log.clone();
    world.rule(move |_| {
        log.unreadable.store(3, Ordering::SeqCst);
        Act::Fail
    });
    world.accept("f", json!(1)).await.unwrap();
    secs(100).await;
    let told = world.told();
    assert_eq!(told, [(QUEUE.to_owned(), "RetriesExhausted".to_owned(), 1, "r-1".to_owned())]);
    assert_eq!((world.waiting(), world.log.unreadable.load(Ordering::SeqCst)), (0, 0));
}

#[tokio::test(start_paused = true)]
async fn an_event_that_grew_too_old_unread_is_told_of() {
    let world = World::new().await;
    world.function("f").await;
    let config = Config { age_secs: Some(60), on_failure: Some(QUEUE), ..Config::default() };
    world.config("f", config).await;
    world.rule(|_| Act::Throttle);
    world.accept("f", json!(1)).await.unwrap();
    secs(59).await;
    world.log.unreadable.store(5, Ordering::SeqCst);
    secs(100).await;
    let told = world.told();
    assert_eq!(told, [(QUEUE.to_owned(), "EventAgeExceeded".to_owned(), 0, "r-1".to_owned())]);
    assert_eq!((world.waiting(), world.log.unreadable.load(Ordering::SeqCst)), (0, 0));
    assert_eq!(world.measures().dropped, 1);
}
