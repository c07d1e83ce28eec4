//! Several batches of one shard at once.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on should stop")]

use crate::script::Act;
use crate::world::{World, delivering, settings};
use millstream_control::{DeliverySettings, MappingSettings, StartingPosition::TrimHorizon};
use std::collections::{BTreeMap, BTreeSet};

fn parallel(factor: u32) -> MappingSettings {
    delivering(10, DeliverySettings { parallelization: factor, ..DeliverySettings::default() })
}

async fn world() -> World {
    let world = World::new().await;
    world.stream("s", 1).await;
    world.function().await;
    world
}

/// `NAME-NUMBER` of each record, in the order of its delivery: numbers by names.
fn by_name(keys: &[(String, String)]) -> BTreeMap<String, Vec<u32>> {
    let mut seen: BTreeMap<String, Vec<u32>> = BTreeMap::new();
    for (name, number) in keys {
        seen.entry(name.clone()).or_default().push(number.parse().unwrap());
    }
    seen
}

fn records(call: &crate::script::Call) -> Vec<(String, String)> {
    let data = |text: &str| String::from_utf8(base64_simd::STANDARD.decode_to_vec(text).unwrap()).unwrap();
    let kinesis = call.records().iter().map(|record| &record["kinesis"]);
    kinesis
        .map(|record| {
            (record["partitionKey"].as_str().unwrap().into(), data(record["data"].as_str().unwrap()))
        })
        .collect()
}

#[tokio::test(start_paused = true)]
async fn keys_keep_their_order_and_batches_run_together() {
    let mut world = world().await;
    world.script.rule(|_| Act::Wait);
    for number in 0..4 {
        for name in 0..100 {
            world.put_data(&format!("key-{name}"), 0, number.to_string().as_bytes()).await;
        }
    }
    world.mapping(TrimHorizon, parallel(10)).await;
    let mut seen = Vec::new();
    // All ten are under way before any ends.
    for _ in 0..10 {
        seen.extend(records(&world.call().await));
    }
    (0..400).for_each(|_| world.script.release());
    while seen.len() < 400 {
        seen.extend(records(&world.call().await));
    }
    world.until_checkpoint(400).await;
    let seen = by_name(&seen);
    assert_eq!(seen.len(), 100);
    assert!(seen.values().all(|numbers| *numbers == (0..4).collect::<Vec<_>>()), "{seen:?}");
    world.no_call().await;
    assert_eq!(world.lane().records, 400);
}

#[tokio::test(start_paused = true)]
async fn a_blocked_key_holds_up_its_lane_and_the_checkpoint_alone() {
    let mut world = world().await;
    world
        .script
        .rule(|call| if call.keys().iter().any(|key| key == "bad") { Act::Fail } else { Act::Succeed });
    world.mapping(TrimHorizon, parallel(10)).await;
    world.put(&["bad"]).await;
    let names: Vec<String> = (0..40).map(|number| format!("key-{number}")).collect();
    world.put(&names.iter().map(String::as_str).collect::<Vec<_>>()).await;
    let mut through = BTreeSet::new();
    while through.len() < 30 {
        let keys = world.call().await.keys();
        if !keys.iter().any(|key| key == "bad") {
            through.extend(keys);
        }
    }
    let shard = world.state().stream("s").unwrap().shards[0].log;
    assert_eq!(world.state().checkpoint("m", shard).unwrap().0, 0);
    let lane = world.lane();
    assert!(lane.attempt > 0 && lane.blocked_since.is_some());
    world.script.rule(|_| Act::Succeed);
    world.until_checkpoint(41).await;
}

#[tokio::test(start_paused = true)]
async fn another_factor_goes_on_from_the_slowest_and_skips_nothing() {
    let mut world = world().await;
    world
        .script
        .rule(|call| if call.keys().iter().any(|key| key == "bad") { Act::Fail } else { Act::Succeed });
    world.mapping(TrimHorizon, parallel(4)).await;
    world.put(&["a", "bad", "b", "c", "d", "e", "f"]).await;
    for _ in 0..20 {
        world.call().await;
    }
    for factor in [2, 10, 1] {
        world.change(parallel(factor)).await;
        world.put(&["g", "h"]).await;
        for _ in 0..10 {
            world.call().await;
        }
        world.until_state(millstream_control::MappingState::Enabled).await;
    }
    world.script.rule(|_| Act::Succeed);
    world.until_checkpoint(13).await;
    world.put(&["last"]).await;
    while world.call().await.keys().last().unwrap() != "last" {}
    world.until_checkpoint(14).await;
}

#[tokio::test(start_paused = true)]
async fn a_consumer_is_read_in_parallel_too() {
    let mut world = world().await;
    let consumer = world.consumer().await;
    world.mapping_from(TrimHorizon, parallel(3), Some(consumer)).await;
    world.put(&["a", "b", "c", "d", "e", "f"]).await;
    world.until_checkpoint(6).await;
    let mut seen = BTreeSet::new();
    while seen.len() < 6 {
        seen.extend(world.call().await.keys());
    }
    world.change(settings(10, 0)).await;
    world.put(&["g"]).await;
    assert_eq!(world.call().await.keys(), ["g"]);
}

#[tokio::test(start_paused = true)]
async fn a_factor_that_is_changed_and_changed_back_leaves_no_key_behind() {
    let mut world = world().await;
    world.script.acts([Act::Wait]);
    world.put_data("key-1", 0, b"0").await;
    world.mapping(TrimHorizon, parallel(2)).await;
    world.call().await;
    // One of both lanes is busy and sees only the last of the changes; the other one sees each.
    for factor in [3, 2] {
        world.change(parallel(factor)).await;
        world.until_state(millstream_control::MappingState::Enabled).await;
        tokio::time::sleep(std::time::Duration::from_secs(5)).await;
    }
    world.script.release();
    for number in 2..10 {
        world.put_data(&format!("key-{number}"), 0, b"0").await;
    }
    let mut left: BTreeSet<String> = (2..10).map(|number| format!("key-{number}")).collect();
    while !left.is_empty() {
        for key in world.call().await.keys() {
            left.remove(&key);
        }
    }
}
