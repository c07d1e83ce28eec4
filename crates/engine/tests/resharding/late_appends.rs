//! Appends that are under way while their shard is closed.

use crate::held_log::Hold;
use crate::world::{ALL, HALF, World, record};
use millstream_control::{CloseShards, FinishReshard, Stream};
use millstream_engine::{NewRecord, Placed, Start, SubscriptionEnd};
use millstream_log::{Log, RetentionClass};
use millstream_types::{Position, ShardId};
use std::sync::Arc;
use std::time::Duration;
use tokio::task::JoinHandle;
use tokio::time::timeout;

/// Begin an append and wait until the log has it.
async fn begin(world: &World, stream: Arc<Stream>, records: Vec<NewRecord>) -> JoinHandle<Vec<Placed>> {
    let mut begun = world.log.begun();
    begun.mark_unchanged();
    let engine = world.engine.clone();
    let append = tokio::spawn(async move { engine.append(&stream, &records).await.unwrap() });
    begun.changed().await.unwrap();
    append
}

#[tokio::test]
async fn an_append_that_comes_too_late_goes_to_the_children() {
    let world = World::new(1).await;
    world.put("early", 0).await;
    world.log.hold(Hold::Appends);
    let records = vec![record("high", u128::MAX), record("low", 0), record("low-2", 1)];
    let late = begin(&world, world.stream(), records).await;
    world.split(0, HALF).await;
    world.until_active().await;
    assert_eq!(world.stream().shards[0].closed_at, Some(Position(1)));
    world.log.hold(Hold::Nothing);
    let placed = late.await.unwrap();
    let shards: Vec<_> = placed.iter().map(|placed| placed.shard.0).collect();
    assert_eq!(shards, [2, 1, 1], "a key that a record gave itself is not forgotten");
    assert_eq!(world.keys(0).await, ["early"], "what is void is read by nobody");
    assert_eq!(world.keys(1).await, ["low", "low-2"]);
    assert_eq!(world.keys(2).await, ["high"]);
    for (placed, shard) in placed.iter().zip([2, 1, 1]) {
        let page = world.page(shard, Start::AtSequenceNumber(placed.sequence_number)).await;
        assert_eq!(page.records[0].sequence_number, placed.sequence_number);
    }
    let parent = world.page(0, Start::Latest).await;
    assert!(parent.at_end && parent.records.is_empty(), "LATEST of a closed shard is its end");
}

#[tokio::test]
async fn an_append_that_is_stored_in_time_stays() {
    let world = World::new(1).await;
    world.log.hold(Hold::Answers);
    let late = begin(&world, world.stream(), vec![record("in-time", 0)]).await;
    world.split(0, HALF).await;
    world.until_active().await;
    world.log.hold(Hold::Nothing);
    assert_eq!(late.await.unwrap()[0].shard, ShardId(0));
    assert_eq!(world.keys(0).await, ["in-time"]);
    assert!(world.keys(1).await.is_empty());
}

#[tokio::test]
async fn a_call_is_split_where_only_one_of_its_shards_is_closed() {
    let world = World::new(2).await;
    world.log.hold(Hold::Appends);
    let late = begin(&world, world.stream(), vec![record("stays", u128::MAX), record("goes", 0)]).await;
    world.split(0, HALF / 2).await;
    world.until_active().await;
    world.log.hold(Hold::Nothing);
    let shards: Vec<_> = late.await.unwrap().iter().map(|placed| placed.shard.0).collect();
    assert_eq!(shards, [1, 2]);
    assert_eq!(
        (world.keys(1).await, world.keys(2).await),
        (vec!["stays".to_owned()], vec!["goes".to_owned()])
    );
}

#[tokio::test]
async fn an_old_look_at_the_stream_leads_to_the_open_shards() {
    let world = World::new(1).await;
    let old = world.stream();
    world.split(0, HALF).await;
    world.until_active().await;
    let placed = world.engine.append(&old, &[record("a", 0), record("b", u128::MAX)]).await.unwrap();
    assert_eq!((placed[0].shard, placed[1].shard), (ShardId(1), ShardId(2)));
    let page = world.engine.read(&old, &old.shards[0], Position::ZERO, ALL).await.unwrap();
    assert!(page.at_end, "a reader sees that the shard was closed, whatever it looked at before");
}

#[tokio::test]
async fn while_a_shard_is_being_closed_nobody_is_told_what_may_not_be() {
    let mut world = World::new(1).await;
    world.put("early", 0).await;
    world.stop_lifecycle();
    world.log.hold(Hold::Appends);
    let late = begin(&world, world.stream(), vec![record("late", 0)]).await;
    world.split(0, HALF).await;
    for shard in &world.stream().reshard.as_ref().unwrap().shards {
        world.log.create(shard.log, RetentionClass::Hours(24)).await.unwrap();
    }
    world.submit(CloseShards { stream: "s".into(), durable: vec![Position(1)] }).await;
    let stream = world.stream();
    let engine = world.engine.clone();
    let new = tokio::spawn(async move { engine.append(&stream, &[record("new", 0)]).await.unwrap() });
    world.log.hold(Hold::Nothing);
    let mut tail = world.log.tail(world.stream().shards[0].log).unwrap();
    timeout(Duration::from_mins(1), tail.beyond(Position(1))).await.unwrap();
    // "late" is durable by now, and whether it counts is not decided.
    assert_eq!(world.keys(0).await, ["early"]);
    assert!(!late.is_finished() && !new.is_finished());
    // It is decided against it.
    world.submit(FinishReshard { stream: "s".into(), ends: vec![Position(1)] }).await;
    assert_eq!((late.await.unwrap()[0].shard, new.await.unwrap()[0].shard), (ShardId(1), ShardId(1)));
    assert_eq!(world.keys(0).await, ["early"]);
    let mut keys = world.keys(1).await;
    keys.sort();
    assert_eq!(keys, ["late", "new"]);
}

#[tokio::test]
async fn a_subscription_ends_with_the_children() {
    let world = World::new(1).await;
    let register = millstream_control::RegisterConsumer {
        stream: "s".into(),
        name: "app".into(),
        tags: std::collections::BTreeMap::new(),
        limit: 20,
    };
    let arn = world.submit(register).await.arn;
    world
        .until("consumer", |state| {
            state.consumer("s", "app").unwrap().status == millstream_control::ConsumerStatus::Active
        })
        .await;
    let stream = world.stream();
    let mut subscription = world.engine.subscribe(&stream, &arn, &stream.shards[0], Position::ZERO).unwrap();
    world.put("a", 0).await;
    assert_eq!(subscription.next().await.unwrap().page.records.len(), 1);
    world.split(0, HALF).await;
    let event = loop {
        let event = subscription.next().await.unwrap();
        assert!(event.page.records.is_empty());
        if event.page.at_end {
            break event;
        }
    };
    assert_eq!(event.stream.shards.len(), 3, "the last event knows the children");
    assert!(matches!(subscription.next().await, Err(SubscriptionEnd::ShardEnd)));
    let stream = world.stream();
    world.engine.subscribe(&stream, &arn, &stream.shards[2], Position::ZERO).unwrap();
}
