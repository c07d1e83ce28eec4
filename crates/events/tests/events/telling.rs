//! Who is told what of an event that is over.

use crate::world::{Act, Config, DEAD, QUEUE, TOPIC, World, secs};
use millstream_control::{CreateStream, ReserveConcurrency, StreamMode, StreamStatus};
use millstream_engine::PageLimit;
use millstream_types::{Home, Position};
use serde_json::{Value, json};
use std::collections::BTreeMap;

const BOTH: Config = Config {
    qualifier: None,
    retries: None,
    age_secs: None,
    on_success: Some(TOPIC),
    on_failure: Some(QUEUE),
};

fn told(arn: &str, condition: &str, count: u64, request: &str) -> (String, String, u64, String) {
    (arn.into(), condition.into(), count, request.into())
}

#[tokio::test(start_paused = true)]
async fn success_and_failure_are_told_to_whom_they_concern() {
    let world = World::new().await;
    world.function("f").await;
    world.config("f", BOTH).await;
    world.rule(|event| if *event == json!("fail") { Act::Fail } else { Act::Answer("[7]".into()) });
    world.accept("f", json!("fine")).await.unwrap();
    world.accept("f", json!("fail")).await.unwrap();
    secs(1_000).await;
    let expected =
        [told(TOPIC, "Success", 1, "r-\"fine\""), told(QUEUE, "RetriesExhausted", 3, "r-\"fail\"")];
    assert_eq!(world.told(), expected);
    let letters = world.letters();
    let record: Value = serde_json::from_slice(&letters[0].body).unwrap();
    assert_eq!((&record["requestPayload"], &record["responsePayload"]), (&json!("fine"), &json!([7])));
    let record: Value = serde_json::from_slice(&letters[1].body).unwrap();
    let context = json!({ "statusCode": 200, "executedVersion": "$LATEST", "functionError": "Unhandled" });
    assert_eq!(
        (&record["responseContext"], &record["responsePayload"]["errorMessage"]),
        (&context, &json!("as asked"))
    );
    assert_eq!(letters[0].subject.detail_type, "Lambda Function Invocation Result - Success");
    assert_eq!(letters[1].subject.detail_type, "Lambda Function Invocation Result - Failure");
    assert!(
        letters[1].key.starts_with("aws/lambda/async/f/2023/11/14/2023-11-14T22.16.20-"),
        "{}",
        letters[1].key
    );
    assert_eq!((world.waiting(), world.measures().destination_failures), (0, 0));
}

#[tokio::test(start_paused = true)]
async fn dead_letters_get_the_event_itself() {
    let world = World::new().await;
    world.function_with("f", DEAD, false).await;
    world.config("f", Config { retries: Some(0), ..BOTH }).await;
    world.rule(|_| Act::Fail);
    world.accept("f", json!(1)).await.unwrap();
    secs(1).await;
    assert_eq!(world.told(), [told(QUEUE, "RetriesExhausted", 1, "r-1")]);
    let letters = world.letters();
    let dead = letters.iter().find(|letter| letter.arn == DEAD).unwrap();
    let attributes: Vec<(&str, &str, &str)> =
        dead.attributes.iter().map(|one| (one.name.as_str(), one.kind.name(), one.value.as_str())).collect();
    let expected = [
        ("RequestID", "String", "r-1"),
        ("ErrorCode", "Number", "200"),
        ("ErrorMessage", "String", "as asked"),
    ];
    assert_eq!((dead.body.as_ref(), attributes.as_slice()), (&b"1"[..], &expected[..]));
    // Success concerns no dead-letter queue.
    world.rule(|_| Act::Succeed);
    world.accept("f", json!(2)).await.unwrap();
    secs(1).await;
    assert_eq!(world.letters().iter().filter(|letter| letter.arn == DEAD).count(), 1);
}

#[tokio::test(start_paused = true)]
async fn what_did_not_run_is_told_with_its_reason() {
    let world = World::new().await;
    world.function_with("f", DEAD, false).await;
    world.config("f", Config { age_secs: Some(60), ..BOTH }).await;
    world.rule(|_| Act::Throttle);
    world.accept("f", json!(1)).await.unwrap();
    secs(61).await;
    world.submit(ReserveConcurrency { function: "f".into(), reserved: Some(0), limit: None }).await;
    world.accept("f", json!(2)).await.unwrap();
    secs(1).await;
    let expected =
        [told(QUEUE, "EventAgeExceeded", 0, "r-1"), told(QUEUE, "ZeroReservedConcurrency", 0, "r-2")];
    assert_eq!(world.told(), expected);
    let dead: Vec<Vec<String>> = world
        .letters()
        .iter()
        .filter(|letter| letter.arn == DEAD)
        .map(|letter| letter.attributes.iter().map(|one| one.value.clone()).collect())
        .collect();
    assert_eq!(dead[0], ["r-1", "429", "Rate Exceeded."]);
    assert_eq!(dead[1].len(), 2, "{dead:?}");
}

#[tokio::test(start_paused = true)]
async fn a_destination_that_takes_nothing_is_tried_again_and_the_function_is_not() {
    let world = World::new().await;
    world.function_with("f", DEAD, false).await;
    world.config("f", Config { retries: Some(0), ..BOTH }).await;
    world.refuse(QUEUE, 3);
    world.refuse(DEAD, 1);
    world.rule(|_| Act::Fail);
    world.accept("f", json!(1)).await.unwrap();
    secs(2).await;
    assert_eq!(
        (world.waiting(), world.letters().len()),
        (1, 1),
        "the dead letter is taken, the record is not"
    );
    secs(10).await;
    assert_eq!((world.waiting(), world.letters().len(), world.calls().len()), (0, 2, 1));
    assert_eq!((world.measures().destination_failures, world.measures().dead_letter_errors), (3, 1));

    // Not for ever.
    world.refuse(QUEUE, u32::MAX);
    world.refuse(DEAD, u32::MAX);
    world.accept("f", json!(2)).await.unwrap();
    secs(21_000).await;
    assert_eq!(world.waiting(), 1);
    secs(1_000).await;
    assert_eq!((world.waiting(), world.letters().len()), (0, 2));
}

#[tokio::test(start_paused = true)]
async fn one_destination_that_takes_nothing_does_not_keep_others_from_theirs() {
    let world = World::new().await;
    for name in ["f", "g"] {
        world.function(name).await;
    }
    world.config("f", Config { on_success: Some(QUEUE), ..Config::default() }).await;
    world.config("g", Config { on_success: Some(TOPIC), ..Config::default() }).await;
    world.refuse(QUEUE, u32::MAX);
    for number in 0..200 {
        world.accept("f", json!(number)).await.unwrap();
    }
    world.accept("g", json!("g")).await.unwrap();
    secs(1).await;
    assert_eq!(world.told(), [told(TOPIC, "Success", 1, "r-\"g\"")]);
    assert_eq!(world.waiting(), 200);
}

#[tokio::test(start_paused = true)]
async fn a_function_can_be_told() {
    let world = World::new().await;
    world.function("f").await;
    world.function("g").await;
    let g: &'static str = Box::leak(Home::default().function_arn("g").into());
    world.config("f", Config { on_success: Some(g), ..Config::default() }).await;
    world.accept("f", json!(1)).await.unwrap();
    secs(1).await;
    let calls = world.calls();
    assert_eq!(calls.len(), 2);
    assert_eq!((calls[1].function.as_str(), &calls[1].event["requestPayload"]), ("g", &json!(1)));
    assert_ne!(calls[1].request, "r-1", "it is an event of its own");
    assert_eq!(world.waiting(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_stream_can_be_told() {
    let world = World::new().await;
    world.function("f").await;
    let arn = Home::default().stream_arn("s");
    world
        .submit(CreateStream {
            name: "s".into(),
            arn: arn.clone(),
            shards: 1,
            mode: StreamMode::Provisioned,
            max_record_kib: 1,
            tags: BTreeMap::new(),
        })
        .await;
    let mut state = world.engine.control().watch();
    state.wait_for(|state| state.streams["s"].status == StreamStatus::Active).await.unwrap();
    world.config("f", Config { on_failure: Some(Box::leak(arn.into())), ..Config::default() }).await;
    world
        .config(
            "f",
            Config {
                on_success: Some("arn:aws:kinesis:us-east-1:000000000000:stream/s"),
                ..Config::default()
            },
        )
        .await;
    world.accept("f", json!("x")).await.unwrap();
    // Larger than a record of the stream may be: it goes without payloads.
    world.accept("f", json!("x".repeat(2_000))).await.unwrap();
    secs(1).await;
    let state = world.engine.control().state();
    let stream = state.stream("s").unwrap();
    let limit = PageLimit { records: 9, bytes: 1 << 20 };
    let page = world.engine.read(stream, &stream.shards[0], Position(0), limit).await.unwrap();
    let records: Vec<Value> =
        page.records.iter().map(|record| serde_json::from_slice(&record.data).unwrap()).collect();
    assert_eq!(records.len(), 2);
    assert!(records.iter().any(|record| record["requestPayload"] == "x"));
    assert!(records.iter().any(|record| record.get("requestPayload").is_none()));
    assert_eq!(world.waiting(), 0);
}
