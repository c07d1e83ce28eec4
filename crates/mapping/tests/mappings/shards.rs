//! Several shards.

use crate::script::Act;
use crate::world::{World, settings};
use millstream_control::StartingPosition::TrimHorizon;
use millstream_types::ShardId;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

#[tokio::test(start_paused = true)]
async fn a_blocked_shard_blocks_no_other() {
    let mut world = World::new().await;
    world.stream("s", 2).await;
    world.function().await;
    world.script.rule(|call| if call.keys().contains(&"bad".into()) { Act::Fail } else { Act::Succeed });
    world.mapping(TrimHorizon, settings(1, 0)).await;
    world.put_data("bad", 0, b"").await;
    for number in 0..10 {
        world.put_data(&format!("good-{number}"), u128::MAX, b"").await;
    }
    let mut good = Vec::new();
    while good.len() < 10 {
        good.extend(world.call().await.keys().into_iter().filter(|key| key != "bad"));
    }
    let wanted: Vec<String> = (0..10).map(|number| format!("good-{number}")).collect();
    assert_eq!(good, wanted);
    let second = world.state().stream("s").unwrap().shards[1].log;
    world.until("checkpoint", |state| state.checkpoint("m", second).is_some_and(|at| at.0 == 10)).await;
    let lanes = world.mappings.statuses();
    assert_eq!(lanes.len(), 2);
    let blocked: Vec<_> =
        lanes.iter().filter(|lane| lane.blocked_since.is_some()).map(|lane| lane.shard).collect();
    assert_eq!(blocked, [ShardId(0)]);
    assert_eq!(world.state().checkpoint("m", world.state().stream("s").unwrap().shards[0].log).unwrap().0, 0);
}

#[tokio::test(start_paused = true)]
async fn no_more_invocations_than_workers_and_each_shard_has_its_turn() {
    let mut world = World::with_workers(2).await;
    world.stream("s", 8).await;
    world.function().await;
    let waiting = Arc::new(AtomicUsize::new(0));
    let count = waiting.clone();
    world.script.rule(move |_| {
        count.fetch_add(1, Ordering::SeqCst);
        Act::Wait
    });
    world.mapping(TrimHorizon, settings(1, 0)).await;
    for round in 0..3 {
        for shard in 0..8 {
            world.put_data(&format!("{shard}-{round}"), u128::MAX / 8 * shard + 1_000, b"").await;
        }
    }
    let mut seen = Vec::new();
    for done in 0..24 {
        seen.extend(world.call().await.keys());
        assert!(waiting.load(Ordering::SeqCst) <= done + 2);
        world.script.release();
    }
    // First come, first served: all have had their first turn before any had its third.
    let rank = |key: &str| seen.iter().position(|other| other == key).unwrap();
    for shard in 0..8 {
        for other in 0..8 {
            assert!(rank(&format!("{shard}-0")) < rank(&format!("{other}-2")), "{seen:?}");
        }
    }
}
