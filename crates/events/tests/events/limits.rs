//! How much may wait.

use crate::world::{Act, Config, QUEUE, World, numbered, secs};
use millstream_events::{NewEvent, Refused, caps};
use millstream_types::Home;
use serde_json::json;

fn large(name: &str) -> NewEvent {
    NewEvent {
        request_id: "r".into(),
        function: name.into(),
        arn: Home::default().function_arn(name),
        qualifier: None,
        payload: vec![b' '; 1 << 20].into(),
        trace_id: None,
    }
}

#[tokio::test(start_paused = true)]
async fn a_function_has_room_for_so_many_events_and_others_for_theirs() {
    let world = World::new().await;
    for name in ["f", "g"] {
        world.function(name).await;
    }
    world.rule(|_| Act::Throttle);
    for number in 0..caps::EVENTS_PER_FUNCTION as u64 {
        world.accept("f", numbered(number)).await.unwrap();
    }
    assert_eq!(world.accept("f", json!(1)).await, Err(Refused::FunctionFull));
    world.accept("g", json!(1)).await.unwrap();
    assert_eq!(world.waiting(), caps::EVENTS_PER_FUNCTION as u64 + 1);
    // All of it is found again, and its room is given back when it is done.
    let world = world.kill().await;
    secs(0).await;
    while world.waiting() == 0 {
        secs(1).await;
    }
    assert_eq!(world.accept("f", json!(1)).await, Err(Refused::FunctionFull));
    world.rule(|_| Act::Succeed);
    secs(3_600).await;
    assert_eq!(world.events.waiting(), millstream_events::Waiting::default());
    world.accept("f", json!(1)).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn bytes_are_limited_for_each_function_and_for_all() {
    let world = World::new().await;
    for name in ["f", "g", "h"] {
        world.function(name).await;
    }
    world.rule(|_| Act::Throttle);
    let mut taken = 0;
    for name in ["f", "g"] {
        loop {
            match world.events.accept(large(name)).await {
                Ok(()) => taken += 1,
                Err(why) => {
                    assert_eq!(why, Refused::FunctionFull);
                    break;
                }
            }
        }
    }
    assert_eq!(taken, 2 * (caps::BYTES_PER_FUNCTION / (1 << 20) - 1));
    world.events.accept(large("h")).await.unwrap();
    assert_eq!(world.events.accept(large("h")).await, Err(Refused::ServerFull));
    assert!(world.events.waiting().bytes <= caps::BYTES);
}

#[tokio::test(start_paused = true)]
async fn answers_for_which_there_is_no_room_are_told_once() {
    let world = World::new().await;
    world.function("f").await;
    world.config("f", Config { on_success: Some(QUEUE), ..Config::default() }).await;
    world.refuse(QUEUE, u32::MAX);
    let answer = format!("\"{}\"", "x".repeat(6 << 20));
    let each = answer.len() as u64;
    world.rule(move |_| Act::Answer(answer.clone()));
    let fit = caps::ANSWER_BYTES / each;
    for number in 0..fit + 3 {
        world.accept("f", numbered(number)).await.unwrap();
    }
    secs(60).await;
    assert_eq!((world.waiting(), world.calls().len() as u64), (fit, fit + 3));
    world.refuse(QUEUE, 0);
    secs(600).await;
    assert_eq!((world.waiting(), world.letters().len() as u64), (0, fit));
    // The room is given back.
    world.accept("f", json!("again")).await.unwrap();
    secs(10).await;
    assert_eq!(world.letters().len() as u64, fit + 1);
}
