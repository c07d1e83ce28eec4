//! Batches: what is in them, in which order, and when they go.

use crate::script::Act;
use crate::world::{NOW, ROLE, World, settings};
use millstream_control::StartingPosition::{AtTimestamp, Latest, TrimHorizon};
use millstream_types::{Home, Timestamp};
use serde_json::json;
use tokio::time::{Duration, Instant};

#[tokio::test(start_paused = true)]
async fn the_event_is_as_aws_writes_it() {
    let mut world = World::new().await;
    world.stream("s", 1).await;
    world.function().await;
    world.mapping(TrimHorizon, settings(10, 0)).await;
    world.put_data("té\"st", 0, b"hello").await;
    let call = world.call().await;
    let number = "49000000000000000000000000000000000000000000000000000001";
    let wanted = json!({"Records": [{
        "kinesis": {
            "kinesisSchemaVersion": "1.0", "partitionKey": "té\"st", "sequenceNumber": number,
            "data": "aGVsbG8=", "approximateArrivalTimestamp": 1_700_000_000.123_f64,
        },
        "eventSource": "aws:kinesis", "eventVersion": "1.0",
        "eventID": format!("shardId-000000000000:{number}"), "eventName": "aws:kinesis:record",
        "invokeIdentityArn": ROLE, "awsRegion": "us-east-1",
        "eventSourceARN": Home::default().stream_arn("s"),
    }]});
    assert_eq!(call.event, wanted);
    assert_eq!(call.spec.name, "f");
    assert_eq!(call.request_id.len(), 36);
}

#[tokio::test(start_paused = true)]
async fn records_come_in_order_and_once() {
    let mut world = World::new().await;
    world.stream("s", 1).await;
    world.function().await;
    world.mapping(TrimHorizon, settings(3, 0)).await;
    let keys: Vec<String> = (0..100).map(|number| number.to_string()).collect();
    for key in &keys {
        world.put(&[key]).await;
    }
    assert_eq!(world.keys_until("99").await, keys);
    world.until_checkpoint(100).await;
    assert_eq!(world.mappings.last_result("m").as_deref(), Some("OK"));
    let lane = world.lane();
    assert_eq!((lane.records, lane.errors, lane.iterator_age_ms), (100, 0, 0));
    world.no_call().await;
}

#[tokio::test(start_paused = true)]
async fn a_batch_has_at_most_its_size() {
    let mut world = World::new().await;
    world.stream("s", 1).await;
    world.function().await;
    world.put_together(&["1", "2", "3", "4", "5"]).await;
    world.mapping(TrimHorizon, settings(2, 0)).await;
    for wanted in [&["1", "2"][..], &["3", "4"], &["5"]] {
        assert_eq!(world.call().await.keys(), wanted);
    }
}

#[tokio::test(start_paused = true)]
async fn a_window_gathers_until_it_ends_or_the_batch_is_full() {
    let mut world = World::new().await;
    world.stream("s", 1).await;
    world.function().await;
    world.mapping(TrimHorizon, settings(3, 20)).await;
    let begin = Instant::now();
    world.put(&["1"]).await;
    tokio::time::sleep(Duration::from_secs(10)).await;
    world.put(&["2"]).await;
    assert_eq!(world.call().await.keys(), ["1", "2"]);
    assert!(begin.elapsed() >= Duration::from_secs(20), "paused time, so exact");

    let begin = Instant::now();
    world.put(&["3", "4", "5", "6"]).await;
    assert_eq!(world.call().await.keys(), ["3", "4", "5"]);
    assert_eq!(begin.elapsed(), Duration::ZERO, "a full batch does not wait");
    assert_eq!(world.call().await.keys(), ["6"]);
}

#[tokio::test(start_paused = true)]
async fn an_event_stays_below_six_megabytes() {
    let mut world = World::new().await;
    world.stream("s", 1).await;
    world.function().await;
    let data = vec![7; 1 << 20];
    for key in ["1", "2", "3", "4", "5", "6"] {
        world.put_data(key, 0, &data).await;
    }
    // Larger than an event may be; it goes alone, for the function's answer to say so.
    world.put_data("huge", 0, &vec![7; 5 << 20]).await;
    world.put(&["last"]).await;
    world.mapping(TrimHorizon, settings(100, 0)).await;
    for wanted in [&["1", "2", "3", "4"][..], &["5", "6"], &["huge"], &["last"]] {
        let call = world.call().await;
        assert_eq!(call.keys(), wanted);
        assert!(call.bytes <= millstream_mapping::caps::EVENT_BYTES || call.keys() == ["huge"]);
    }
}

#[tokio::test(start_paused = true)]
async fn what_did_not_fit_goes_with_what_came_since() {
    let mut world = World::new().await;
    world.stream("s", 1).await;
    world.function().await;
    // Read at once, but with its envelopes more than one event.
    let keys: Vec<String> = (0..10_000).map(|number| format!("{number:0>190}")).collect();
    world.put_together(&keys.iter().map(String::as_str).collect::<Vec<_>>()).await;
    world.script.acts([Act::Wait]);
    world.mapping(TrimHorizon, settings(10_000, 0)).await;
    let first = world.call().await;
    world.put(&["last"]).await;
    world.script.release();
    let second = world.call().await;
    assert_eq!(second.keys().last().unwrap(), "last");
    assert_eq!(first.records().len() + second.records().len(), 10_001);
    assert!(second.records().len() > 1);
}

#[tokio::test(start_paused = true)]
async fn what_comes_during_an_invocation_goes_together() {
    let mut world = World::new().await;
    world.stream("s", 1).await;
    world.function().await;
    world.mapping(TrimHorizon, settings(10, 0)).await;
    world.script.acts([Act::Wait]);
    world.put(&["1"]).await;
    assert_eq!(world.call().await.keys(), ["1"]);
    world.put(&["2", "3", "4"]).await;
    assert_eq!(world.lane().records, 0);
    world.script.release();
    assert_eq!(world.call().await.keys(), ["2", "3", "4"]);
}

#[tokio::test(start_paused = true)]
async fn each_starting_position_starts_where_it_says() {
    for (starting, wanted) in [
        (TrimHorizon, &["old", "newer", "after"][..]),
        (AtTimestamp(NOW.plus_millis(500)), &["newer", "after"]),
        (AtTimestamp(Timestamp::ZERO), &["old", "newer", "after"]),
        (Latest, &["after"]),
    ] {
        let mut world = World::new().await;
        world.stream("s", 1).await;
        world.function().await;
        world.put(&["old"]).await;
        world.clock.advance_millis(1_000);
        world.put(&["newer"]).await;
        world.mapping(starting, settings(1, 0)).await;
        world.put(&["after"]).await;
        assert_eq!(world.keys_until("after").await, wanted, "{starting:?}");
    }
}
