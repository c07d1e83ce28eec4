//! The engine on the in-memory log: routing, numbers, reading, retention, subscriptions.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use bytes::Bytes;
use millstream_control::{
    CreateStream, DeleteStream, DeregisterConsumer, RegisterConsumer, Stream, StreamMode, StreamStatus,
};
use millstream_engine::{
    Engine, EngineError, NewRecord, Page, PageLimit, Start, SubscribeError, SubscriptionEnd, hash_of,
};
use millstream_host::clock::ManualClock;
use millstream_log::{Log, MemoryLog};
use millstream_types::{HashKey, Position, ShardId, Timestamp};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

const ALL: PageLimit = PageLimit { records: usize::MAX, bytes: usize::MAX };

struct World {
    engine: Engine,
    clock: Arc<ManualClock>,
}

impl World {
    async fn new() -> Self {
        let clock = ManualClock::at(Timestamp::from_millis(1_700_000_000_000));
        let log: Arc<dyn Log> = Arc::new(MemoryLog::new());
        let control = millstream_control_node::open(log.clone(), clock.clone()).await.unwrap();
        let engine = Engine::new(log, control, clock.clone());
        tokio::spawn(engine.clone().run_lifecycle(Duration::ZERO));
        Self { engine, clock }
    }

    async fn stream(&self, name: &str, shards: u32) -> Arc<Stream> {
        let create = CreateStream {
            name: name.into(),
            arn: format!("arn:aws:kinesis:us-east-1:000000000000:stream/{name}"),
            shards,
            mode: StreamMode::Provisioned,
            max_record_kib: 1_024,
            tags: BTreeMap::new(),
        };
        self.engine.control().submit(create).await.unwrap();
        let mut watch = self.engine.control().watch();
        let state = watch
            .wait_for(|state| {
                state.streams.get(name).is_some_and(|stream| stream.status == StreamStatus::Active)
            })
            .await
            .unwrap();
        state.streams[name].clone()
    }

    async fn consumer(&self, stream: &str) -> String {
        let register =
            RegisterConsumer { stream: stream.into(), name: "app".into(), tags: BTreeMap::new(), limit: 20 };
        let arn = self.engine.control().submit(register).await.unwrap().arn;
        let active = |state: &Arc<millstream_control::State>| {
            state
                .consumer(stream, "app")
                .is_ok_and(|c| c.status == millstream_control::ConsumerStatus::Active)
        };
        self.engine.control().watch().wait_for(active).await.unwrap();
        arn
    }

    async fn put(&self, stream: &Stream, keys: &[&str]) -> Vec<millstream_engine::Placed> {
        let records: Vec<_> = keys.iter().map(|key| record(key)).collect();
        self.engine.append(stream, &records).await.unwrap()
    }

    async fn read(&self, stream: &Stream, shard: usize, start: Start, limit: PageLimit) -> Page {
        let shard = &stream.shards[shard];
        let from = self.engine.position(stream, shard, start).await.unwrap();
        self.engine.read(stream, shard, from, limit).await.unwrap()
    }
}

fn record(key: &str) -> NewRecord {
    NewRecord {
        partition_key: key.into(),
        explicit_hash_key: None,
        data: Bytes::from(format!("data of {key}")),
    }
}

fn keys(page: &Page) -> Vec<&str> {
    page.records.iter().map(|record| record.partition_key.as_str()).collect()
}

#[tokio::test]
async fn records_go_to_the_shard_of_their_hash_and_come_back_in_order() {
    let world = World::new().await;
    let stream = world.stream("s", 4).await;
    let names: Vec<String> = (0..100).map(|n| format!("key-{n}")).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let placed = world.put(&stream, &names).await;
    let mut seen = 0;
    for shard in 0..4 {
        let page = world.read(&stream, shard, Start::TrimHorizon, ALL).await;
        let expected: Vec<&str> =
            names.iter().copied().filter(|key| stream.shards[shard].range.contains(hash_of(key))).collect();
        assert_eq!(keys(&page), expected);
        for record in &page.records {
            let index = names.iter().position(|name| *name == record.partition_key).unwrap();
            assert_eq!(placed[index].sequence_number, record.sequence_number);
            assert_eq!(placed[index].shard, stream.shards[shard].id);
        }
        seen += page.records.len();
        assert_eq!(page.behind_millis, 0);
    }
    assert_eq!(seen, 100);
}

#[tokio::test]
async fn an_explicit_hash_key_decides() {
    let world = World::new().await;
    let stream = world.stream("s", 2).await;
    for (key, shard) in [(0, 0), (u128::MAX, 1), (u128::MAX / 2, 0), (u128::MAX / 2 + 1, 1)] {
        let record = NewRecord { explicit_hash_key: Some(HashKey(key)), ..record("x") };
        let placed = world.engine.append(&stream, &[record]).await.unwrap();
        assert_eq!(placed[0].shard, ShardId(shard), "{key}");
    }
}

#[tokio::test]
async fn every_start_means_what_it_says() {
    let world = World::new().await;
    let stream = world.stream("s", 1).await;
    let first = world.put(&stream, &["a", "b"]).await;
    world.clock.advance_millis(1_000);
    let second = world.put(&stream, &["c"]).await;
    let later = world.engine.now();
    let cases = [
        (Start::TrimHorizon, vec!["a", "b", "c"]),
        (Start::Latest, vec![]),
        (Start::AtSequenceNumber(first[1].sequence_number), vec!["b", "c"]),
        (Start::AfterSequenceNumber(first[1].sequence_number), vec!["c"]),
        (Start::AfterSequenceNumber(second[0].sequence_number), vec![]),
        (
            Start::AfterSequenceNumber(millstream_types::SequenceNumber::start_of(ShardId(0))),
            vec!["a", "b", "c"],
        ),
        (Start::AtTimestamp(later), vec!["c"]),
        (Start::AtTimestamp(Timestamp::ZERO), vec!["a", "b", "c"]),
        (Start::AtTimestamp(later.plus_millis(1)), vec![]),
    ];
    for (start, expected) in cases {
        assert_eq!(keys(&world.read(&stream, 0, start, ALL).await), expected, "{start:?}");
    }
}

#[tokio::test]
async fn a_page_keeps_its_limits_and_says_how_far_behind_it_is() {
    let world = World::new().await;
    let stream = world.stream("s", 1).await;
    world.put(&stream, &["a", "b", "c"]).await;
    world.clock.advance_millis(5_000);
    let page = world.read(&stream, 0, Start::TrimHorizon, PageLimit { records: 2, bytes: usize::MAX }).await;
    assert_eq!((keys(&page), page.next, page.behind_millis), (vec!["a", "b"], Position(2), 5_000));
    let page = world.read(&stream, 0, Start::TrimHorizon, PageLimit { records: 9, bytes: 1 }).await;
    assert_eq!(keys(&page), ["a"], "one record comes whatever its size");
}

#[tokio::test]
async fn what_retention_no_longer_keeps_is_not_read() {
    let world = World::new().await;
    let stream = world.stream("s", 1).await;
    let old = world.put(&stream, &["old"]).await;
    world.clock.advance_millis(23 * 3_600_000);
    world.put(&stream, &["new"]).await;
    assert_eq!(keys(&world.read(&stream, 0, Start::TrimHorizon, ALL).await), ["old", "new"]);
    world.clock.advance_millis(2 * 3_600_000);
    for start in [
        Start::TrimHorizon,
        Start::AtSequenceNumber(old[0].sequence_number),
        Start::AtTimestamp(Timestamp::ZERO),
    ] {
        assert_eq!(keys(&world.read(&stream, 0, start, ALL).await), ["new"], "{start:?}");
    }
    let page = world.engine.read(&stream, &stream.shards[0], Position::ZERO, ALL).await.unwrap();
    assert_eq!((keys(&page), page.next), (vec!["new"], Position(2)));
}

#[tokio::test]
async fn a_deleted_stream_is_gone_and_its_successor_is_another() {
    let world = World::new().await;
    let stream = world.stream("s", 1).await;
    world.put(&stream, &["a"]).await;
    let delete = DeleteStream { name: "s".into(), enforce_consumer_deletion: false };
    world.engine.control().submit(delete).await.unwrap();
    world.engine.control().watch().wait_for(|state| !state.streams.contains_key("s")).await.unwrap();
    let gone = world.engine.append(&stream, &[record("b")]).await;
    assert!(matches!(gone, Err(EngineError::Gone(name)) if name == "s"));
    let again = world.stream("s", 1).await;
    assert!(keys(&world.read(&again, 0, Start::TrimHorizon, ALL).await).is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_subscription_pushes_and_speaks_up_when_idle() {
    let world = World::new().await;
    let stream = world.stream("s", 1).await;
    let arn = world.consumer("s").await;
    let mut subscription = world.engine.subscribe(&stream, &arn, &stream.shards[0], Position::ZERO).unwrap();
    assert!(subscription.next().await.unwrap().page.records.is_empty(), "idle events have no records");
    world.put(&stream, &["a", "b"]).await;
    let event = subscription.next().await.unwrap();
    assert_eq!((keys(&event.page), event.page.next), (vec!["a", "b"], Position(2)));
    let (put, next) = tokio::join!(world.put(&stream, &["c"]), subscription.next());
    assert_eq!(put[0].sequence_number, next.unwrap().page.records[0].sequence_number);
    loop {
        match subscription.next().await {
            Ok(event) => assert!(event.page.records.is_empty()),
            Err(end) => {
                assert!(matches!(end, SubscriptionEnd::Expired), "{end}");
                break;
            }
        }
    }
}

#[tokio::test]
async fn a_second_subscription_waits_its_turn_then_takes_over() {
    let world = World::new().await;
    let stream = world.stream("s", 1).await;
    let arn = world.consumer("s").await;
    let subscribe = || world.engine.subscribe(&stream, &arn, &stream.shards[0], Position::ZERO);
    let mut first = subscribe().unwrap();
    assert!(matches!(subscribe(), Err(SubscribeError::InUse { .. })));
    world.clock.advance_millis(5_000);
    let second = subscribe().unwrap();
    assert!(matches!(first.next().await, Err(SubscriptionEnd::TakenOver)));
    drop(first);
    assert!(matches!(subscribe(), Err(SubscribeError::InUse { .. })), "the newer one still holds the shard");
    drop(second);
    subscribe().unwrap();
}

/// Where there is no room for its records, a subscription says that it is behind, and not that there are none.
#[tokio::test(start_paused = true)]
async fn a_subscription_without_room_says_that_it_is_behind() {
    let world = World::new().await;
    let world = World { engine: world.engine.with_room_for_events(4_000), ..world };
    let stream = world.stream("s", 2).await;
    let arn = world.consumer("s").await;
    let subscribe =
        |shard: usize| world.engine.subscribe(&stream, &arn, &stream.shards[shard], Position::ZERO).unwrap();
    let both: Vec<_> =
        [0, u128::MAX].map(|hash| NewRecord { explicit_hash_key: Some(HashKey(hash)), ..record("a") }).into();
    world.engine.append(&stream, &both).await.unwrap();
    let (mut first, mut second) = (subscribe(0), subscribe(1));
    let taken = first.next().await.unwrap();
    let waiting = second.next().await.unwrap();
    assert_eq!((taken.page.records.len(), waiting.page.records.len()), (1, 0));
    assert_eq!(waiting.page.next, Position::ZERO);
    assert!(waiting.page.behind_millis > 0);
    drop(taken);
    assert_eq!(keys(&second.next().await.unwrap().page), ["a"]);
}

#[tokio::test(start_paused = true)]
async fn a_subscription_that_is_held_up_delivers_later() {
    let world = World::new().await;
    let stream = world.stream("s", 1).await;
    let arn = world.consumer("s").await;
    let mut subscription = world.engine.subscribe(&stream, &arn, &stream.shards[0], Position::ZERO).unwrap();
    world.put(&stream, &["a"]).await;
    let began = tokio::time::Instant::now();
    subscription.hold(Duration::from_secs(6));
    let event = subscription.next().await.unwrap();
    assert!(event.page.records.is_empty() && event.page.behind_millis > 0);
    assert!(began.elapsed() <= Duration::from_secs(5));
    assert_eq!(keys(&subscription.next().await.unwrap().page), ["a"]);
    assert_eq!(began.elapsed().as_secs(), 6);
    subscription.hold(Duration::from_mins(10));
    while subscription.next().await.is_ok() {}
    assert_eq!(began.elapsed().as_secs(), 300, "the end comes when it comes");
}

/// It has the same ARN when all of that happens within a second.
#[tokio::test]
async fn a_consumer_registered_anew_does_not_inherit_subscriptions() {
    let world = World::new().await;
    let stream = world.stream("s", 1).await;
    let arn = world.consumer("s").await;
    let subscribe = || world.engine.subscribe(&stream, &arn, &stream.shards[0], Position::ZERO);
    let mut subscription = subscribe().unwrap();
    let deregister = DeregisterConsumer { stream: "s".into(), consumer: "app".into() };
    world.engine.control().submit(deregister).await.unwrap();
    world.engine.control().watch().wait_for(|state| state.consumer("s", "app").is_err()).await.unwrap();
    assert!(matches!(subscribe(), Err(SubscribeError::NoConsumer { .. })));
    assert_eq!(world.consumer("s").await, arn);
    let mut another = subscribe().unwrap();
    world.put(&stream, &["a"]).await;
    assert!(matches!(subscription.next().await, Err(SubscriptionEnd::Gone)));
    assert_eq!(keys(&another.next().await.unwrap().page), ["a"]);
}

/// A record that expires while its reader does nothing is not delivered any more.
#[tokio::test]
async fn a_subscription_passes_over_what_has_expired() {
    let world = World::new().await;
    let stream = world.stream("s", 1).await;
    let arn = world.consumer("s").await;
    let mut subscription = world.engine.subscribe(&stream, &arn, &stream.shards[0], Position::ZERO).unwrap();
    world.put(&stream, &["old"]).await;
    world.clock.advance_millis(24 * 3_600_000 + 1);
    world.put(&stream, &["new"]).await;
    assert_eq!(keys(&subscription.next().await.unwrap().page), ["new"]);
}

#[tokio::test]
async fn a_subscription_ends_with_its_stream() {
    let world = World::new().await;
    let stream = world.stream("s", 1).await;
    let arn = world.consumer("s").await;
    let mut subscription = world.engine.subscribe(&stream, &arn, &stream.shards[0], Position::ZERO).unwrap();
    let delete = DeleteStream { name: "s".into(), enforce_consumer_deletion: true };
    let (deleted, ended) = tokio::join!(world.engine.control().submit(delete), async {
        loop {
            if let Err(end) = subscription.next().await {
                return end;
            }
        }
    });
    deleted.unwrap();
    assert!(matches!(ended, SubscriptionEnd::Gone), "{ended}");
}

#[tokio::test]
async fn a_stream_that_distributes_by_itself_gives_all_shards_as_much() {
    let world = World::new().await;
    let mut stream = Stream::clone(&*world.stream("s", 5).await);
    stream.distribution = millstream_control::Distribution::Auto;
    let records = |count: usize| vec![NewRecord { partition_key: String::new(), ..record("x") }; count];
    let mut counts = [0_usize; 5];
    let mut batches = 0;
    for calls in [1, 7, 8, 9, 40, 500, 499, 3, 1, 1] {
        for _ in 0..5 {
            let placed = world.engine.append(&stream, &records(calls)).await.unwrap();
            let shards: BTreeSet<_> = placed.iter().map(|placed| placed.shard).collect();
            batches += shards.len();
            for placed in placed {
                counts[usize::try_from(placed.shard.0).unwrap()] += 1;
            }
        }
    }
    let (least, most) = (counts.iter().min().unwrap(), counts.iter().max().unwrap());
    assert!(most - least <= 16, "{counts:?}");
    // Small calls stay together: a batch has its price.
    assert!(batches <= 5 * (7 + 2 + 3 * 5), "{batches}");
    let page = world.read(&stream, 0, Start::TrimHorizon, ALL).await;
    assert!(page.records.iter().all(|record| record.partition_key.is_empty() && !record.data.is_empty()));
}
