//! Retention of resharded streams.

use crate::world::{HALF, HOUR, World};
use millstream_control::{ChangeRetention, RetentionChange};
use millstream_engine::Start;
use millstream_log::Log;
use millstream_types::{SequenceNumber, ShardId, Timestamp};
use std::time::Duration;

async fn change(world: &World, hours: u32, change: RetentionChange) {
    let now = world.engine.retention_now();
    world.submit(ChangeRetention { name: "s".into(), hours, change, now }).await;
}

#[tokio::test]
async fn lowered_retention_hides_at_once_and_raised_brings_nothing_back() {
    let world = World::new(1).await;
    change(&world, 48, RetentionChange::Increase).await;
    let old = world.put("old", 0).await;
    world.clock.advance_millis(30 * HOUR);
    world.put("new", 0).await;
    assert_eq!(world.keys(0).await, ["old", "new"]);
    change(&world, 24, RetentionChange::Decrease).await;
    assert_eq!(world.keys(0).await, ["new"]);
    // Before anything was trimmed: the records are still there, and must not come back.
    change(&world, 8_760, RetentionChange::Increase).await;
    for start in [
        Start::TrimHorizon,
        Start::AtSequenceNumber(old.sequence_number),
        Start::AfterSequenceNumber(SequenceNumber::start_of(ShardId(0))),
        Start::AtTimestamp(Timestamp::ZERO),
    ] {
        let page = world.page(0, start).await;
        assert_eq!((page.records.len(), page.records[0].partition_key.as_str()), (1, "new"), "{start:?}");
    }
    world.clock.advance_millis(1_000 * HOUR);
    assert_eq!(world.keys(0).await, ["new"], "raised is raised");
}

#[tokio::test(start_paused = true)]
async fn closed_shards_go_when_all_of_them_has_expired() {
    let world = World::new(1).await;
    let sweep = tokio::spawn(world.engine.clone().run_retention());
    world.put("old", 0).await;
    world.clock.advance_millis(HOUR);
    world.split(0, HALF).await;
    world.until_active().await;
    let parent = world.stream().shards[0].log;
    let a_while = || tokio::time::sleep(Duration::from_mins(5));
    // The parent's record has expired, but not yet the time in which a consumer may follow the tree.
    world.clock.advance_millis(23 * HOUR + HOUR / 2);
    a_while().await;
    assert_eq!(world.stream().shards.len(), 3);
    assert!(world.page(0, Start::TrimHorizon).await.at_end);
    world.clock.advance_millis(HOUR);
    a_while().await;
    let ids: Vec<u64> = world.stream().shards.iter().map(|shard| shard.id.0).collect();
    assert_eq!(ids, [1, 2]);
    assert!(world.log.tail(parent).is_err(), "its log shard is gone");
    // Places are no ids any more.
    assert_eq!(
        (world.put("low", 0).await.shard, world.put("high", u128::MAX).await.shard),
        (ShardId(1), ShardId(2))
    );
    assert_eq!((world.keys(1).await, world.keys(2).await), (vec!["low".to_owned()], vec!["high".to_owned()]));
    world.split(2, u128::MAX - 7).await;
    world.until_active().await;
    assert_eq!(world.stream().newest_shard(), Some(ShardId(4)));
    sweep.abort();
}
