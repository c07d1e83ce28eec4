//! On-demand streams that grow and shrink by themselves, under writers that never stop.

use crate::under_load::Traffic;
use crate::world::{World, record};
use millstream_control::{ChangeStream, StreamMode, StreamStatus};
use millstream_engine::ScalingSettings;
use std::time::Duration;
use tokio::task::JoinHandle;

/// Few records make a shard full, and little time goes by before that matters.
fn settings() -> ScalingSettings {
    ScalingSettings {
        shard_records: 20,
        period: Duration::from_millis(20),
        split_periods: 2,
        merge_periods: 10,
        max_shards: 16,
        ..ScalingSettings::default()
    }
}

struct Scaled {
    world: World,
    tasks: Vec<JoinHandle<()>>,
}

impl Scaled {
    async fn start() -> Self {
        let world = World::with_mode(4, StreamMode::OnDemand).await;
        let clock = world.clock.clone();
        let time = async move {
            loop {
                tokio::time::sleep(Duration::from_millis(5)).await;
                clock.advance_millis(5);
            }
        };
        let tasks = vec![tokio::spawn(time), tokio::spawn(world.engine.clone().run_scaling(settings()))];
        Self { world, tasks }
    }

    async fn until_open(&self, what: &str, enough: impl Fn(usize) -> bool) {
        self.world
            .until(what, |state| {
                state.stream("s").is_ok_and(|stream| {
                    stream.status == StreamStatus::Active && enough(stream.open_shards().count())
                })
            })
            .await;
    }
}

impl Drop for Scaled {
    fn drop(&mut self) {
        for task in &self.tasks {
            task.abort();
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stream_grows_and_shrinks_and_loses_nothing() {
    let scaled = Scaled::start().await;
    let traffic = Traffic::start(&scaled.world.engine);
    scaled.until_open("twice as many shards", |open| open >= 8).await;
    traffic.check(&scaled.world).await;
    scaled.until_open("four shards again", |open| open == 4).await;
    let open: Vec<_> = scaled.world.stream().open_shards().map(|shard| shard.range).collect();
    let mut starts: Vec<u128> = open.iter().map(|range| range.start.0).collect();
    starts.sort_unstable();
    let mut ends: Vec<Option<u128>> = open.iter().map(|range| range.end.0.checked_add(1)).collect();
    ends.sort_unstable();
    // Each begins where another ends, but for the first.
    assert_eq!(starts[0], 0);
    assert!(starts[1..].iter().all(|start| ends.contains(&Some(*start))));
    assert!(ends.contains(&None));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hot_key_comes_to_be_alone() {
    let scaled = Scaled::start().await;
    let (hot, beside) = (1_u128 << 100, 1_u128 << 124);
    let world = &scaled.world;
    let alone = || {
        let stream = world.stream();
        stream.open_shards().any(|shard| shard.range.start.0 == hot && shard.range.end.0 == hot)
    };
    while !alone() {
        let records: Vec<_> =
            (0..10).map(|number| record("k", if number < 6 { hot } else { beside / 8 * number })).collect();
        world.engine.append(&world.stream(), &records).await.unwrap();
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stream_that_is_provisioned_again_is_left_alone() {
    let scaled = Scaled::start().await;
    let provisioned =
        ChangeStream { name: "s".into(), mode: Some(StreamMode::Provisioned), max_record_kib: None };
    scaled.world.submit(provisioned).await;
    let traffic = Traffic::start(&scaled.world.engine);
    let before = scaled.world.clock.clone();
    let enough = millstream_host::Clock::now(&*before).plus_millis(400);
    while millstream_host::Clock::now(&*before) < enough {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    traffic.check(&scaled.world).await;
    let stream = scaled.world.stream();
    assert_eq!((stream.shards.len(), stream.status), (4, StreamStatus::Active));
}
