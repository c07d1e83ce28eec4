//! Which event gets to its function when, and how often.

use crate::world::{Act, Config, World, numbered, secs};
use millstream_control::{AliasTarget, CreateAlias, DeleteAlias, DeleteFunction, ReserveConcurrency};
use serde_json::json;
use std::sync::atomic::Ordering;

#[tokio::test(start_paused = true)]
async fn an_event_gets_to_its_function_at_once() {
    let world = World::new().await;
    world.function("f").await;
    world.accept("f", json!([1])).await.unwrap();
    secs(1).await;
    let calls = world.calls();
    assert_eq!(calls.len(), 1);
    let call = &calls[0];
    assert_eq!((call.at, call.request.as_str(), call.function.as_str()), (0, "r-[1]", "f"));
    assert_eq!((&call.event, call.trace.as_deref()), (&json!([1]), Some("Root=1")));
    assert_eq!((world.waiting(), world.measures().received, world.measures().dropped), (0, 1, 0));
    assert_eq!(world.measures().age_ms, Some(0));
}

#[tokio::test(start_paused = true)]
async fn a_failure_is_tried_twice_more_with_the_same_request() {
    let world = World::new().await;
    world.function("f").await;
    world.rule(|_| Act::Fail);
    world.accept("f", json!(1)).await.unwrap();
    secs(10_000).await;
    assert_eq!(world.times(), [0, 60, 180]);
    assert!(world.calls().iter().all(|call| call.request == "r-1"));
    assert_eq!((world.waiting(), world.measures().dropped), (0, 1));
}

#[tokio::test(start_paused = true)]
async fn retries_are_as_set_for_what_was_invoked() {
    let world = World::new().await;
    world.function_with("f", "", true).await;
    let alias = AliasTarget { version: "1".into(), additional: None };
    let (function, name) = ("f".to_owned(), "live".to_owned());
    let (description, revision_id) = (String::new(), "a1".to_owned());
    world.submit(CreateAlias { function, name, target: alias, description, revision_id }).await;
    world.config("f", Config { retries: Some(0), ..Config::default() }).await;
    world.config("f", Config { qualifier: Some("live"), retries: Some(1), ..Config::default() }).await;
    world.rule(|_| Act::Fail);
    world.accept("f", json!("latest")).await.unwrap();
    world.accept_as("f", Some("live"), json!("live")).await.unwrap();
    world.accept_as("f", Some("1"), json!("one")).await.unwrap();
    secs(10_000).await;
    let of = |function: &str| {
        let calls = world.calls();
        calls.iter().filter(|call| call.function == function).map(|call| call.at).collect::<Vec<u64>>()
    };
    assert_eq!((of("f"), of("f:live"), of("f:1")), (vec![0], vec![0, 60], vec![0, 60, 180]));
}

#[tokio::test(start_paused = true)]
async fn throttles_are_no_failures_and_last_until_the_event_is_too_old() {
    let world = World::new().await;
    world.function("f").await;
    world.acts([Act::Throttle, Act::NotRun, Act::Throttle, Act::Fail, Act::Throttle]);
    world.accept("f", json!(1)).await.unwrap();
    secs(10_000).await;
    // After 1, 2 and 4 seconds; a minute after the failure, and then after 1 second again.
    assert_eq!(world.times(), [7, 68]);
    assert_eq!((world.waiting(), world.measures().dropped), (0, 0));

    world.rule(|_| Act::Throttle);
    world.config("f", Config { age_secs: Some(3_600), ..Config::default() }).await;
    world.accept("f", json!(2)).await.unwrap();
    secs(3_590).await;
    assert_eq!((world.waiting(), world.measures().dropped), (1, 0));
    secs(20).await;
    assert_eq!((world.waiting(), world.measures().dropped), (0, 1));
    assert_eq!(world.calls().len(), 2);
}

#[tokio::test(start_paused = true)]
async fn the_age_of_an_event_is_shown() {
    let world = World::new().await;
    world.function("f").await;
    world.acts([Act::Fail]);
    world.accept("f", json!(1)).await.unwrap();
    secs(61).await;
    assert_eq!(world.measures().age_ms, Some(60_000));
}

#[tokio::test(start_paused = true)]
async fn a_function_that_is_switched_off_loses_its_events_at_once() {
    let world = World::new().await;
    world.function("f").await;
    world.submit(ReserveConcurrency { function: "f".into(), reserved: Some(0), limit: None }).await;
    world.accept("f", json!(1)).await.unwrap();
    secs(1).await;
    assert_eq!((world.waiting(), world.measures().dropped, world.calls().len()), (0, 1, 0));
    world.submit(ReserveConcurrency { function: "f".into(), reserved: None, limit: None }).await;
    world.accept("f", json!(2)).await.unwrap();
    secs(1).await;
    assert_eq!(world.calls().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn no_more_run_at_once_than_the_function_and_the_server_have_room_for() {
    let world = World::with_workers(4).await;
    world.function("f").await;
    world.function("g").await;
    world.submit(ReserveConcurrency { function: "f".into(), reserved: Some(2), limit: None }).await;
    world.rule(|_| Act::Slow(10));
    for number in 0..6 {
        world.accept("f", numbered(number)).await.unwrap();
        world.accept("g", numbered(100 + number)).await.unwrap();
    }
    secs(100).await;
    let mut at: Vec<(u64, String)> = world.calls().into_iter().map(|call| (call.at, call.function)).collect();
    at.sort();
    let of = |secs: u64, name: &str| at.iter().filter(|(at, of)| *at == secs && of == name).count();
    assert_eq!([of(0, "f"), of(10, "f"), of(20, "f")], [2, 2, 2], "{at:?}");
    assert_eq!([of(0, "g"), of(10, "g"), of(20, "g")], [2, 2, 2], "{at:?}");
    // More room is noticed when it comes.
    for number in 10..14 {
        world.accept("f", numbered(number)).await.unwrap();
    }
    secs(1).await;
    world.submit(ReserveConcurrency { function: "f".into(), reserved: None, limit: None }).await;
    secs(1).await;
    assert_eq!(world.calls().len(), 16);
}

#[tokio::test(start_paused = true)]
async fn a_function_with_many_events_does_not_keep_another_from_its_one() {
    let world = World::with_workers(1).await;
    world.function("busy").await;
    world.function("quiet").await;
    world.rule(|_| Act::Slow(1));
    for number in 0..50 {
        world.accept("busy", numbered(number)).await.unwrap();
    }
    world.accept("quiet", numbered(100)).await.unwrap();
    secs(100).await;
    let calls = world.calls();
    let turn = calls.iter().position(|call| call.function == "quiet").unwrap();
    assert!(turn <= 2, "its turn was the {turn}th");
    assert_eq!(calls.len(), 51);
}

#[tokio::test(start_paused = true)]
async fn events_go_with_their_function_and_wait_for_a_version_until_they_are_too_old() {
    let world = World::new().await;
    world.function_with("f", "", true).await;
    world.function("g").await;
    let alias = AliasTarget { version: "1".into(), additional: None };
    let (function, name) = ("f".to_owned(), "live".to_owned());
    let (description, revision_id) = (String::new(), "a1".to_owned());
    world.submit(CreateAlias { function, name, target: alias, description, revision_id }).await;
    world.rule(|event| if *event == json!("late") { Act::Slow(900) } else { Act::Fail });
    world.accept("g", json!(1)).await.unwrap();
    world.accept_as("f", Some("live"), json!(2)).await.unwrap();
    secs(1).await;
    world.submit(DeleteFunction { name: "g".into() }).await;
    world.submit(DeleteAlias { function: "f".into(), name: "live".into() }).await;
    secs(1).await;
    assert_eq!(world.waiting(), 1, "the events of g are gone with it");
    secs(21_600).await;
    assert_eq!((world.waiting(), world.calls().len()), (0, 2));
}

#[tokio::test(start_paused = true)]
async fn a_log_that_takes_nothing_for_a_while_delays_and_loses_nothing() {
    let world = World::new().await;
    world.function("f").await;
    world.accept("f", json!(1)).await.unwrap();
    secs(1).await;
    world.log.refusals.store(1, Ordering::SeqCst);
    assert!(world.accept("f", json!(2)).await.is_err());
    assert_eq!((world.waiting(), world.calls().len()), (0, 1));
    world.acts([Act::Fail]);
    world.accept("f", json!(3)).await.unwrap();
    // Neither the failure nor the end can be written down at once.
    world.log.refusals.store(3, Ordering::SeqCst);
    secs(64).await;
    world.log.refusals.store(2, Ordering::SeqCst);
    secs(10).await;
    assert_eq!((world.waiting(), world.calls().len()), (0, 3));
}
