//! Batches that are given up, split, or processed in part.

use crate::script::{Act, Call};
use crate::world::{NOW, World, delivering, settings};
use millstream_control::{DeliverySettings, MappingSettings, StartingPosition::TrimHorizon};
use serde_json::{Value, json};
use std::iter::repeat_n;

const QUEUE: &str = "arn:aws:sqs:us-east-1:000000000000:q";

fn told(delivery: DeliverySettings, batch_size: u32) -> MappingSettings {
    delivering(batch_size, DeliverySettings { on_failure: Some(QUEUE.into()), ..delivery })
}

async fn world() -> World {
    let world = World::new().await;
    world.stream("s", 1).await;
    world.function().await;
    world
}

fn number(call: &Call, index: usize) -> String {
    call.records()[index]["kinesis"]["sequenceNumber"].as_str().unwrap_or_default().to_owned()
}

/// Fail whenever the record is in the batch, in the way of a report.
fn reports(key: &'static str) -> impl FnMut(&Call) -> Act + Send {
    move |call| match call.keys().iter().position(|other| other == key) {
        None => Act::Answer(json!({ "batchItemFailures": [] }).to_string()),
        Some(index) => {
            let failures = json!({ "batchItemFailures": [{ "itemIdentifier": number(call, index) }] });
            Act::Answer(failures.to_string())
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_batch_is_tried_as_often_as_it_may_be_and_then_told_of() {
    let mut world = world().await;
    world.script.rule(|call| if call.keys() == ["bad"] { Act::Fail } else { Act::Succeed });
    let delivery = DeliverySettings { max_retries: Some(2), ..DeliverySettings::default() };
    world.mapping(TrimHorizon, told(delivery, 1)).await;
    world.put(&["bad", "good"]).await;
    let mut calls = Vec::new();
    for _ in 0..3 {
        calls.push(world.call().await);
        assert_eq!(calls.last().unwrap().keys(), ["bad"]);
    }
    assert_eq!(world.call().await.keys(), ["good"]);
    world.until_checkpoint(2).await;
    let letters = world.letters.taken();
    assert_eq!((letters.len(), letters[0].arn.as_str()), (1, QUEUE));
    let number = number(&calls[0], 0);
    let arrival = NOW.to_string();
    let wanted = json!({
        "requestContext": {
            "requestId": calls[2].request_id, "functionArn": settings(1, 0).function_arn,
            "condition": "RetryAttemptsExhausted", "approximateInvokeCount": 3,
        },
        "responseContext": { "statusCode": 200, "executedVersion": "$LATEST", "functionError": "Unhandled" },
        "version": "1.0", "timestamp": arrival,
        "KinesisBatchInfo": {
            "shardId": "shardId-000000000000", "startSequenceNumber": number, "endSequenceNumber": number,
            "approximateArrivalOfFirstRecord": arrival, "approximateArrivalOfLastRecord": arrival, "batchSize": 1,
            "streamArn": millstream_types::Home::default().stream_arn("s"),
        },
    });
    assert_eq!(world.letters.bodies()[0], wanted);
    let text = String::from_utf8(letters[0].body.to_vec()).unwrap();
    let order = [
        "requestContext",
        "requestId",
        "functionArn",
        "condition",
        "approximateInvokeCount",
        "responseContext",
        "statusCode",
        "executedVersion",
        "functionError",
        "version\":\"1.0",
        "timestamp",
        "KinesisBatchInfo",
        "shardId",
        "startSequenceNumber",
        "endSequenceNumber",
        "approximateArrivalOfFirstRecord",
        "batchSize",
        "streamArn",
    ];
    let places: Vec<_> = order.iter().map(|name| text.find(&format!("\"{name}")).unwrap()).collect();
    assert!(places.is_sorted(), "{text}");
    assert_eq!((world.lane().given_up, world.lane().errors), (1, 3));
}

#[tokio::test(start_paused = true)]
async fn no_retries_means_one_attempt() {
    let mut world = world().await;
    world.script.acts([Act::Fail]);
    let delivery = DeliverySettings { max_retries: Some(0), ..DeliverySettings::default() };
    world.put(&["1", "2"]).await;
    world.mapping(TrimHorizon, delivering(1, delivery)).await;
    assert_eq!(world.call().await.keys(), ["1"]);
    assert_eq!(world.call().await.keys(), ["2"]);
    world.until_checkpoint(2).await;
    assert_eq!((world.lane().given_up, world.letters.taken().len()), (1, 0));
}

#[tokio::test(start_paused = true)]
async fn what_did_not_reach_the_function_uses_up_no_retry() {
    let mut world = world().await;
    let acts = [Act::Throttle, Act::NotRun, Act::Fail, Act::Throttle, Act::NotRun, Act::Fail];
    world.script.acts(acts);
    let delivery = DeliverySettings { max_retries: Some(1), ..DeliverySettings::default() };
    world.put(&["1", "2"]).await;
    world.mapping(TrimHorizon, told(delivery, 1)).await;
    for _ in 0..6 {
        assert_eq!(world.call().await.keys(), ["1"]);
    }
    assert_eq!(world.call().await.keys(), ["2"]);
    assert_eq!(world.letters.bodies()[0]["requestContext"]["approximateInvokeCount"], 2);
}

#[tokio::test(start_paused = true)]
async fn only_the_old_head_of_a_batch_is_given_up() {
    let mut world = world().await;
    world.put(&["old"]).await;
    world.clock.advance_millis(61_000);
    world.put(&["1", "2", "3", "4", "5"]).await;
    let delivery = DeliverySettings { max_age_secs: Some(60), ..DeliverySettings::default() };
    world.mapping(TrimHorizon, told(delivery, 10)).await;
    assert_eq!(world.call().await.keys(), ["1", "2", "3", "4", "5"]);
    world.until_checkpoint(6).await;
    let bodies = world.letters.bodies();
    let body = &bodies[0];
    assert_eq!((bodies.len(), &body["KinesisBatchInfo"]["batchSize"]), (1, &json!(1)));
    assert_eq!(body["requestContext"]["condition"], "RecordAgeExceeded");
    assert_eq!(body["requestContext"]["approximateInvokeCount"], 1);
    assert_eq!(body["requestContext"]["requestId"].as_str().unwrap().len(), 36);
    assert_eq!(body.get("responseContext"), None);
}

#[tokio::test(start_paused = true)]
async fn a_batch_that_fails_until_it_is_too_old_is_given_up_and_throttling_lets_it_age() {
    for act in [Act::Fail, Act::Throttle, Act::NotRun] {
        let mut world = world().await;
        let once = act.clone();
        world.script.rule(move |call| if call.keys() == ["1"] { once.clone() } else { Act::Succeed });
        let delivery = DeliverySettings { max_age_secs: Some(60), ..DeliverySettings::default() };
        world.put(&["1"]).await;
        world.mapping(TrimHorizon, told(delivery, 1)).await;
        for _ in 0..8 {
            world.call().await;
        }
        world.clock.advance_millis(60_001);
        world.put(&["2"]).await;
        while world.call().await.keys() != ["2"] {}
        let body = &world.letters.bodies()[0];
        assert_eq!(body["requestContext"]["condition"], "RecordAgeExceeded");
        let count = body["requestContext"]["approximateInvokeCount"].as_u64().unwrap();
        assert!(if matches!(act, Act::Fail) { count >= 8 } else { count == 1 }, "{act:?} {count}");
    }
}

#[tokio::test(start_paused = true)]
async fn splitting_finds_the_bad_record_and_costs_no_retry() {
    let mut world = world().await;
    world.script.rule(|call| if call.keys().iter().any(|key| key == "3") { Act::Fail } else { Act::Succeed });
    let delivery = DeliverySettings { max_retries: Some(1), bisect: true, ..DeliverySettings::default() };
    world.put_together(&["0", "1", "2", "3", "4", "5", "6"]).await;
    world.mapping(TrimHorizon, told(delivery, 10)).await;
    let mut calls = Vec::new();
    while calls.last().is_none_or(|keys: &Vec<String>| keys != &["4", "5", "6"]) {
        calls.push(world.call().await.keys());
    }
    let wanted: [&[&str]; 8] = [
        &["0", "1", "2", "3", "4", "5", "6"],
        &["0", "1", "2", "3"],
        &["0", "1"],
        &["2", "3"],
        &["2"],
        &["3"],
        &["3"],
        &["4", "5", "6"],
    ];
    assert_eq!(calls, wanted);
    world.until_checkpoint(7).await;
    assert_eq!(world.letters.bodies()[0]["requestContext"]["approximateInvokeCount"], 2);
    assert_eq!((world.lane().given_up, world.lane().records), (1, 6));
}

#[tokio::test(start_paused = true)]
async fn after_a_partial_success_the_count_starts_anew() {
    let mut world = world().await;
    world.script.rule(reports("5"));
    let delivery =
        DeliverySettings { max_retries: Some(3), report_failures: true, ..DeliverySettings::default() };
    world.put_together(&["3", "4", "5"]).await;
    world.mapping(TrimHorizon, told(delivery, 3)).await;
    assert_eq!(world.call().await.keys(), ["3", "4", "5"]);
    for _ in 0..4 {
        assert_eq!(world.call().await.keys(), ["5"]);
    }
    world.until_checkpoint(3).await;
    let body = &world.letters.bodies()[0];
    assert_eq!(body["requestContext"]["approximateInvokeCount"], 4);
    assert_eq!(body["responseContext"]["functionError"], Value::Null);
    assert!(body["responseContext"].as_object().unwrap().contains_key("functionError"));
}

#[tokio::test(start_paused = true)]
async fn a_report_moves_the_checkpoint_and_an_exception_still_splits() {
    let mut world = world().await;
    let mut report = reports("4");
    let mut first = true;
    world.script.rule(move |call| if std::mem::take(&mut first) { Act::Fail } else { report(call) });
    let delivery = DeliverySettings { bisect: true, report_failures: true, ..DeliverySettings::default() };
    world.put_together(&["1", "2", "3", "4"]).await;
    world.mapping(TrimHorizon, told(delivery, 4)).await;
    assert_eq!(world.call().await.keys(), ["1", "2", "3", "4"]);
    assert_eq!(world.call().await.keys(), ["1", "2"]);
    assert_eq!(world.call().await.keys(), ["3", "4"]);
    assert_eq!(world.call().await.keys(), ["4"]);
    world.until_checkpoint(3).await;
}

#[tokio::test(start_paused = true)]
async fn a_malformed_report_fails_the_whole_batch() {
    let mut world = world().await;
    world.script.acts([
        Act::Answer(r#"{"batchItemFailures":[{"itemIdentifier":""}]}"#.into()),
        Act::Answer(r#"{"batchItemFailures":[{"itemIdentifier":"123"}]}"#.into()),
        Act::Answer(r#"{"batchItemFailures":null}"#.into()),
    ]);
    let delivery = DeliverySettings { report_failures: true, ..DeliverySettings::default() };
    world.put_together(&["1", "2"]).await;
    world.mapping(TrimHorizon, delivering(2, delivery)).await;
    for _ in 0..3 {
        assert_eq!(world.call().await.keys(), ["1", "2"]);
    }
    world.until_checkpoint(2).await;
    assert_eq!((world.lane().errors, world.lane().records), (2, 2));
}

#[tokio::test(start_paused = true)]
async fn nothing_is_given_up_that_the_destination_was_not_told() {
    let mut world = world().await;
    world.script.acts([Act::Fail]);
    world.letters.refuse(5);
    let delivery = DeliverySettings { max_retries: Some(0), ..DeliverySettings::default() };
    world.put(&["1", "2"]).await;
    world.mapping(TrimHorizon, told(delivery, 1)).await;
    assert_eq!(world.call().await.keys(), ["1"]);
    assert_eq!(world.call().await.keys(), ["2"]);
    let lane = world.lane();
    assert_eq!((lane.destination_errors, lane.given_up, world.letters.taken().len()), (5, 1, 1));

    // Without a destination to wait for it goes on, also from the midst of waiting.
    world.letters.refuse(u32::MAX);
    world.script.acts([Act::Fail, Act::Fail]);
    world.put(&["3", "4"]).await;
    assert_eq!(world.call().await.keys(), ["3"]);
    world.no_call().await;
    assert!(world.mappings.last_result("m").unwrap().contains("out of stamps"));
    let delivery = DeliverySettings { max_retries: Some(0), ..DeliverySettings::default() };
    world.change(delivering(1, delivery)).await;
    assert_eq!(world.call().await.keys(), ["3"], "other settings are another try");
    assert_eq!(world.call().await.keys(), ["4"]);
    world.until_checkpoint(4).await;
}

#[tokio::test(start_paused = true)]
async fn a_stream_can_be_told() {
    let mut world = world().await;
    world.stream("dead", 1).await;
    world.script.acts([Act::Fail]);
    let arn = world.state().streams["dead"].arn.clone();
    let delivery =
        DeliverySettings { max_retries: Some(0), on_failure: Some(arn), ..DeliverySettings::default() };
    world.put(&["1"]).await;
    world.mapping(TrimHorizon, delivering(1, delivery)).await;
    world.call().await;
    world.until_checkpoint(1).await;
    let stream = world.state().streams["dead"].clone();
    let limit = millstream_engine::PageLimit { records: 10, bytes: 1 << 20 };
    let from = millstream_types::Position(0);
    let page = world.engine.read(&stream, &stream.shards[0], from, limit).await.unwrap();
    let body: Value = serde_json::from_slice(&page.records[0].data).unwrap();
    assert_eq!((page.records.len(), &body["KinesisBatchInfo"]["batchSize"]), (1, &json!(1)));
}

#[tokio::test(start_paused = true)]
async fn a_bucket_gets_the_event_too() {
    let mut world = world().await;
    world.script.acts([Act::Fail]);
    let delivery = DeliverySettings {
        max_retries: Some(0),
        on_failure: Some("arn:aws:s3:::failures".into()),
        ..DeliverySettings::default()
    };
    world.put(&["1"]).await;
    world.mapping(TrimHorizon, delivering(1, delivery)).await;
    let call = world.call().await;
    world.until_checkpoint(1).await;
    let letters = world.letters.taken();
    assert!(letters[0].key.starts_with("aws/lambda/m/shardId-000000000000/2023/11/14/2023-11-14T22.13.20-"));
    let payload = world.letters.bodies()[0]["payload"].as_str().unwrap().to_owned();
    assert_eq!(serde_json::from_str::<Value>(&payload).unwrap(), call.event);
}

#[tokio::test(start_paused = true)]
async fn what_no_event_can_hold_blocks_only_where_nothing_says_otherwise() {
    let limits = [
        DeliverySettings { max_retries: Some(7), ..DeliverySettings::default() },
        DeliverySettings { on_failure: Some(QUEUE.into()), ..DeliverySettings::default() },
    ];
    for delivery in limits {
        let mut world = world().await;
        world.script.acts([Act::TooLarge]);
        world.put(&["huge", "next"]).await;
        world.mapping(TrimHorizon, delivering(1, delivery)).await;
        assert_eq!(world.call().await.keys(), ["huge"]);
        assert_eq!(world.call().await.keys(), ["next"]);
    }
    let mut world = world().await;
    world.script.acts(repeat_n(Act::TooLarge, 5));
    world.put(&["huge", "next"]).await;
    world.mapping(TrimHorizon, settings(1, 0)).await;
    for _ in 0..6 {
        assert_eq!(world.call().await.keys(), ["huge"]);
    }
    assert_eq!(world.call().await.keys(), ["next"]);
}

#[tokio::test(start_paused = true)]
async fn records_that_are_filtered_out_are_behind_the_mapping() {
    let mut world = world().await;
    let delivery =
        DeliverySettings { filters: vec![r#"{"data":{"n":[1]}}"#.into()], ..DeliverySettings::default() };
    world.mapping(TrimHorizon, delivering(10, delivery)).await;
    for (key, data) in [("a", r#"{"n":2}"#), ("b", "not json"), ("c", r#"{"n":1.0}"#), ("d", r#"{"n":3}"#)] {
        world.put_data(key, 0, data.as_bytes()).await;
    }
    assert_eq!(world.call().await.keys(), ["c"]);
    world.until_checkpoint(4).await;
    assert_eq!((world.lane().records, world.lane().filtered), (1, 3));
    world.change(settings(10, 0)).await;
    world.put(&["e"]).await;
    assert_eq!(world.call().await.keys(), ["e"]);
}
