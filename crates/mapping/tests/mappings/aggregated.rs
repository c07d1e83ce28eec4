//! Records that a producer put together, delivered one by one.

use crate::script::{Act, Call};
use crate::world::{World, delivering, settings};
use millstream_aggregation::Aggregator;
use millstream_control::{
    ChangeLambdaTags, DeliverySettings, MappingSettings, StartingPosition::TrimHorizon, Tagged,
};
use millstream_mapping::DEAGGREGATE_TAG;
use std::collections::{BTreeMap, BTreeSet};

/// One aggregated record of user records with these keys; each one's data is its key.
fn aggregate(keys: &[&str]) -> Vec<u8> {
    let mut aggregator = Aggregator::new(usize::MAX);
    for key in keys {
        assert!(aggregator.add(key, None, key.as_bytes()));
    }
    aggregator.finish().to_vec()
}

async fn tag(world: &World, value: Option<&str>) {
    let set = value.map(|value| (DEAGGREGATE_TAG.to_owned(), value.to_owned())).into_iter().collect();
    let remove = if value.is_none() { BTreeSet::from([DEAGGREGATE_TAG.to_owned()]) } else { BTreeSet::new() };
    world.submit(ChangeLambdaTags { of: Tagged::Mapping("m".into()), set, remove, limit: 50 }).await;
}

/// A stream, a function, and a mapping that takes records apart once it is enabled.
async fn world(settings: MappingSettings) -> World {
    let world = World::new().await;
    world.stream("s", 1).await;
    world.function().await;
    world.mapping(TrimHorizon, settings).await;
    tag(&world, Some("true")).await;
    world
}

fn parts(call: &Call) -> Vec<Option<u64>> {
    call.records().iter().map(|record| record["kinesis"]["subSequenceNumber"].as_u64()).collect()
}

#[tokio::test(start_paused = true)]
async fn user_records_come_as_awss_libraries_show_them() {
    let mut world = world(settings(10, 5)).await;
    let mut aggregator = Aggregator::new(usize::MAX);
    assert!(aggregator.add("one", None, b"1") && aggregator.add("two", Some("77"), b"2"));
    world.put_data("a", 0, &aggregator.finish()).await;
    world.put(&["plain"]).await;
    let call = world.call().await;
    assert_eq!(call.keys(), ["one", "two", "plain"]);
    let kinesis: Vec<_> = call.records().iter().map(|record| &record["kinesis"]).collect();
    assert_eq!(kinesis[0]["sequenceNumber"], kinesis[1]["sequenceNumber"]);
    assert_ne!(kinesis[0]["sequenceNumber"], kinesis[2]["sequenceNumber"]);
    let shown = |at: usize| {
        ["data", "explicitHashKey", "subSequenceNumber", "aggregated"]
            .map(|name| kinesis[at].get(name).cloned())
    };
    let some = |value: serde_json::Value| Some(value);
    assert_eq!(shown(0), [some("MQ==".into()), some(().into()), some(0.into()), some(true.into())]);
    assert_eq!(shown(1), [some("Mg==".into()), some("77".into()), some(1.into()), some(true.into())]);
    assert_eq!(shown(2), [some("eA==".into()), None, None, None], "others are as ever");
    assert_eq!(call.records()[0]["eventID"], call.records()[1]["eventID"]);
    world.until_checkpoint(2).await;
    assert_eq!(world.lane().records, 3);
}

#[tokio::test(start_paused = true)]
async fn without_the_tag_and_where_it_is_not_well_formed_a_record_stays_whole() {
    let mut world = world(settings(10, 0)).await;
    tag(&world, Some("false")).await;
    world.put_data("a", 0, &aggregate(&["1", "2"])).await;
    assert_eq!(world.call().await.keys(), ["a"]);
    tag(&world, Some("true")).await;
    world.put_data("a", 0, &aggregate(&["1", "2"])).await;
    assert_eq!(world.call().await.keys(), ["1", "2"]);
    let mut broken = aggregate(&["1", "2"]);
    broken[8] ^= 1;
    world.put_data("broken", 0, &broken).await;
    let call = world.call().await;
    assert_eq!((call.keys(), parts(&call)), (vec!["broken".to_owned()], vec![None]));
    tag(&world, None).await;
    world.put_data("a", 0, &aggregate(&["1", "2"])).await;
    assert_eq!(world.call().await.keys(), ["a"]);
}

#[tokio::test(start_paused = true)]
async fn a_batch_counts_user_records_and_the_checkpoint_whole_ones() {
    let mut world = world(settings(3, 1)).await;
    world.script.rule(|call| if call.keys() == ["4", "5", "x"] { Act::Wait } else { Act::Succeed });
    world.put_data("a", 0, &aggregate(&["1", "2", "3", "4", "5"])).await;
    world.put(&["x", "y"]).await;
    assert_eq!(world.call().await.keys(), ["1", "2", "3"]);
    let call = world.call().await;
    assert_eq!(
        (call.keys(), parts(&call)),
        (vec!["4".into(), "5".into(), "x".into()], vec![Some(3), Some(4), None])
    );
    // Half of it is processed: all of it comes again after a restart.
    let checkpoint = {
        let state = world.state();
        let shard = state.stream("s").unwrap().shards[0].log;
        state.checkpoint("m", shard).map_or(0, |at| at.0)
    };
    assert_eq!(checkpoint, 0);
    world.script.release();
    assert_eq!(world.call().await.keys(), ["y"]);
    world.until_checkpoint(3).await;

    world.script.rule(|call| if call.keys() == ["9"] { Act::Hang } else { Act::Succeed });
    world.put_data("a", 0, &aggregate(&["6", "7", "8", "9"])).await;
    assert_eq!(world.call().await.keys(), ["6", "7", "8"]);
    assert_eq!(world.call().await.keys(), ["9"]);
    let mut world = world.restart().await;
    assert_eq!(world.call().await.keys(), ["6", "7", "8"]);
    assert_eq!(world.call().await.keys(), ["9"]);
    world.until_checkpoint(4).await;
}

#[tokio::test(start_paused = true)]
async fn a_report_names_a_record_or_one_inside_it() {
    let delivery = DeliverySettings { report_failures: true, ..DeliverySettings::default() };
    let mut world = world(MappingSettings { window_secs: 1, ..delivering(10, delivery) }).await;
    let mut reports = ["", ":2", ":3", ":9"].into_iter();
    world.script.rule(move |call| {
        let Some(part) = reports.next() else { return Act::Succeed };
        let record = call.records().iter().find(|record| record["kinesis"]["aggregated"] == true).unwrap();
        let number = record["kinesis"]["sequenceNumber"].as_str().unwrap();
        Act::Answer(format!(r#"{{"batchItemFailures":[{{"itemIdentifier":"{number}{part}"}}]}}"#))
    });
    world.put(&["x"]).await;
    world.put_data("a", 0, &aggregate(&["1", "2", "3", "4"])).await;
    world.put(&["y"]).await;
    // Its sequence number: from its first on, since nobody knows what came of the others.
    assert_eq!(world.call().await.keys(), ["x", "1", "2", "3", "4", "y"]);
    assert_eq!(world.call().await.keys(), ["1", "2", "3", "4", "y"]);
    assert_eq!(world.call().await.keys(), ["3", "4", "y"]);
    // What is none of the batch fails all of it.
    assert_eq!(world.call().await.keys(), ["4", "y"]);
    assert_eq!(world.call().await.keys(), ["4", "y"]);
    world.until_checkpoint(3).await;
    assert_eq!(world.lane().records, 6);
}

#[tokio::test(start_paused = true)]
async fn a_batch_that_fails_is_split_within_a_record_and_given_up_in_part() {
    let delivery = DeliverySettings { bisect: true, max_retries: Some(1), ..DeliverySettings::default() };
    let mut world = world(MappingSettings { window_secs: 1, ..delivering(10, delivery) }).await;
    world.script.rule(|call| if call.keys().contains(&"3".into()) { Act::Fail } else { Act::Succeed });
    world.put_data("a", 0, &aggregate(&["1", "2", "3", "4"])).await;
    world.put(&["y"]).await;
    let mut seen = Vec::new();
    while seen
        .last()
        .is_none_or(|keys: &Vec<String>| keys.last().is_none_or(|key| key != "y") || keys.len() > 2)
    {
        seen.push(world.call().await.keys());
    }
    let shown: Vec<String> = seen.iter().map(|keys| keys.join(" ")).collect();
    assert_eq!(shown, ["1 2 3 4 y", "1 2 3", "1 2", "3", "3", "4 y"]);
    world.until_checkpoint(2).await;
    assert_eq!((world.lane().records, world.lane().given_up), (4, 1));
}

#[tokio::test(start_paused = true)]
async fn a_blocked_batch_that_begins_within_a_record_is_read_again_as_it_was() {
    let mut world = world(settings(3, 1)).await;
    let mut failures = 40;
    world.script.rule(move |call| {
        if call.keys() != ["4", "5", "x"] || failures == 0 {
            return Act::Succeed;
        }
        failures -= 1;
        Act::Fail
    });
    world.put_data("a", 0, &aggregate(&["1", "2", "3", "4", "5"])).await;
    world.put(&["x"]).await;
    world.put_data("a", 0, &aggregate(&["6", "7"])).await;
    assert_eq!(world.call().await.keys(), ["1", "2", "3"]);
    let first = world.call().await;
    for _ in 0..40 {
        assert_eq!(world.call().await.event, first.event);
    }
    assert_eq!(world.call().await.keys(), ["6", "7"]);
    world.until_checkpoint(3).await;
    assert_eq!((world.lane().errors, world.lane().records), (40, 8));
}

#[tokio::test(start_paused = true)]
async fn lanes_share_the_keys_inside_a_record_and_keep_their_order() {
    let delivery = DeliverySettings { parallelization: 4, ..DeliverySettings::default() };
    let mut world = world(delivering(2, delivery)).await;
    let keys: Vec<String> = (0..60).map(|n| format!("key-{}", n % 9)).collect();
    let keys: Vec<&str> = keys.iter().map(String::as_str).collect();
    let mut wanted: BTreeMap<String, Vec<u64>> = BTreeMap::new();
    for half in keys.chunks(30) {
        world.put_data("a", 0, &aggregate(half)).await;
        for (part, key) in half.iter().enumerate() {
            wanted.entry((*key).into()).or_default().push(part as u64);
        }
    }
    let mut had: BTreeMap<String, Vec<u64>> = BTreeMap::new();
    while had.values().map(Vec::len).sum::<usize>() < 60 {
        let call = world.call().await;
        for (key, part) in call.keys().into_iter().zip(parts(&call)) {
            had.entry(key).or_default().push(part.unwrap());
        }
    }
    assert_eq!(had, wanted);
    world.until_checkpoint(2).await;
}

#[tokio::test(start_paused = true)]
async fn filters_and_windows_see_user_records() {
    let filters = vec![r#"{"partitionKey":[{"prefix":"k"}]}"#.to_owned()];
    let mut world = world(delivering(2, DeliverySettings { filters, ..DeliverySettings::default() })).await;
    world.put_data("a", 0, &aggregate(&["x", "k1", "y", "k2", "k3", "z"])).await;
    assert_eq!(world.call().await.keys(), ["k1", "k2"]);
    assert_eq!(world.call().await.keys(), ["k3"]);
    world.put_data("a", 0, &aggregate(&["x", "y"])).await;
    world.until_checkpoint(2).await;
    assert_eq!((world.lane().records, world.lane().filtered), (3, 5));

    let delivery = DeliverySettings { tumbling_secs: 60, ..DeliverySettings::default() };
    world.change(delivering(2, delivery)).await;
    world.script.rule(|_| Act::Answer(r#"{"state":{}}"#.into()));
    world.put_data("a", 0, &aggregate(&["1", "2", "3"])).await;
    assert_eq!(world.call().await.keys(), ["1", "2"]);
    assert_eq!(world.call().await.keys(), ["3"]);
}
