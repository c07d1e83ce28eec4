//! Streams whose shards are split and merged while a mapping reads them.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on should stop")]

use crate::script::Act;
use crate::world::{World, settings};
use millstream_control::StartingPosition::{Latest, TrimHorizon};
use millstream_control::{MergeShards, SplitShard, StreamStatus, UpdateShardCount};
use millstream_types::{HashKey, ShardId};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

const HALF: u128 = 1 << 127;

impl World {
    async fn resharded(&self) {
        self.until("resharded", |state| state.stream("s").unwrap().status == StreamStatus::Active).await;
    }

    async fn split(&self) {
        let command = SplitShard { stream: "s".into(), shard: ShardId(0), key: HashKey(HALF) };
        self.submit(command).await;
        self.resharded().await;
    }

    /// Until nothing is left to read, and that is durable.
    async fn until_done(&self) {
        self.until("all is processed", |state| {
            let stream = state.stream("s").unwrap();
            stream.shards.iter().all(|shard| {
                let tail = self.engine.tail(stream, shard.log).unwrap().current();
                let end = shard.closed_at.unwrap_or(tail);
                state.checkpoint("m", shard.log).unwrap_or_default() >= end
            })
        })
        .await;
    }
}

#[tokio::test(start_paused = true)]
async fn children_wait_until_their_parent_is_processed() {
    let mut world = World::new().await;
    world.stream("s", 1).await;
    world.function().await;
    let broken = Arc::new(AtomicBool::new(true));
    let fails = broken.clone();
    world.script.rule(move |call| {
        let fail = call.keys().contains(&"bad".into()) && fails.load(Ordering::SeqCst);
        if fail { Act::Fail } else { Act::Succeed }
    });
    world.mapping(TrimHorizon, settings(1, 0)).await;
    world.put_data("good", 0, b"").await;
    world.put_data("bad", HALF, b"").await;
    assert_eq!(world.keys_until("bad").await, ["good", "bad"]);
    world.split().await;
    world.put_data("low", 0, b"").await;
    world.put_data("high", HALF, b"").await;
    for _ in 0..5 {
        assert_eq!(world.call().await.keys(), ["bad"], "nothing overtakes it, not even on the other half");
    }
    broken.store(false, Ordering::SeqCst);
    let mut rest = Vec::new();
    while !(rest.contains(&"low".to_owned()) && rest.contains(&"high".to_owned())) {
        rest.extend(world.call().await.keys());
    }
    rest.sort();
    rest.dedup();
    assert_eq!(rest, ["bad", "high", "low"]);
    world.until_done().await;
    let lanes: Vec<_> = world.mappings.statuses().iter().map(|lane| lane.shard.0).collect();
    assert_eq!(lanes, [1, 2], "the parent's reader has gone");
}

#[tokio::test(start_paused = true)]
async fn a_restart_in_the_middle_goes_on_where_it_was() {
    let mut world = World::new().await;
    world.stream("s", 1).await;
    world.function().await;
    world.mapping(TrimHorizon, settings(1, 0)).await;
    world.put(&["a", "b"]).await;
    assert_eq!(world.keys_until("b").await, ["a", "b"]);
    world.until_done().await;
    let mut world = world.restart().await;
    world.split().await;
    world.put_data("low", 0, b"").await;
    assert_eq!(world.call().await.keys(), ["low"]);
    world.until_done().await;
    let mut world = world.restart().await;
    let merge = MergeShards { stream: "s".into(), shard: ShardId(1), adjacent: ShardId(2) };
    world.submit(merge).await;
    world.resharded().await;
    world.put(&["c"]).await;
    assert_eq!(world.call().await.keys(), ["c"], "nothing comes twice");
    world.until_done().await;
    world.no_call().await;
}

#[tokio::test(start_paused = true)]
async fn a_mapping_from_latest_reads_children_from_their_beginning() {
    let mut world = World::new().await;
    world.stream("s", 3).await;
    world.function().await;
    world.put_data("before", 0, b"").await;
    world.mapping(Latest, settings(1, 0)).await;
    // Through steps that are born closed.
    world.submit(UpdateShardCount { stream: "s".into(), target: 4, per_day: None }).await;
    world.resharded().await;
    for (key, hash) in [("0", 0), ("1", HALF / 2), ("2", HALF), ("3", u128::MAX)] {
        world.put_data(key, hash, b"").await;
    }
    let mut seen = Vec::new();
    while seen.len() < 4 {
        seen.extend(world.call().await.keys());
    }
    seen.sort();
    assert_eq!(seen, ["0", "1", "2", "3"]);
    world.until_done().await;
    world.no_call().await;
}

#[tokio::test(start_paused = true)]
async fn a_consumer_of_its_own_follows_to_the_children() {
    let mut world = World::new().await;
    world.stream("s", 1).await;
    world.function().await;
    let consumer = world.consumer().await;
    world.mapping_from(TrimHorizon, settings(1, 0), Some(consumer)).await;
    world.until_state(millstream_control::MappingState::Enabled).await;
    world.put(&["a"]).await;
    assert_eq!(world.call().await.keys(), ["a"]);
    world.split().await;
    world.put_data("b", u128::MAX, b"").await;
    assert_eq!(world.call().await.keys(), ["b"]);
    world.until_done().await;
}
