//! Writers that never stop while shards split and merge under them.

use crate::world::{ALL, World};
use bytes::Bytes;
use millstream_control::{MergeShards, SplitShard, UpdateShardCount};
use millstream_engine::{Engine, NewRecord, Placed, hash_of};
use millstream_host::entropy;
use millstream_types::{HashKey, Position, SequenceNumber, ShardId};
use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use tokio::task::JoinHandle;

const WRITERS: u64 = 12;
const RESHARDS: u64 = 60;

/// Writers and a reader that go on until they are stopped.
pub(crate) struct Traffic {
    stop: Arc<AtomicBool>,
    pub(crate) put: Arc<AtomicU64>,
    writers: Vec<JoinHandle<Vec<(String, Placed)>>>,
    reader: JoinHandle<HashSet<SequenceNumber>>,
}

impl Traffic {
    pub(crate) fn start(engine: &Engine) -> Self {
        let (stop, put) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
        let writers = (0..WRITERS)
            .map(|writer| tokio::spawn(write(engine.clone(), writer, stop.clone(), put.clone())))
            .collect();
        let reader = tokio::spawn(peek(engine.clone(), stop.clone()));
        Self { stop, put, writers, reader }
    }

    /// Ends it. What was acknowledged is there once, in order per key, and nothing else was ever read.
    pub(crate) async fn check(self, world: &World) {
        self.stop.store(true, Ordering::Relaxed);
        let mut acknowledged = HashMap::new();
        for writer in self.writers {
            acknowledged.extend(writer.await.unwrap());
        }
        let numbers: HashSet<_> = acknowledged.values().map(|placed| placed.sequence_number).collect();
        assert!(self.reader.await.unwrap().is_subset(&numbers), "something was read that does not count");
        let mut last: HashMap<String, u64> = HashMap::new();
        let records = world.walk().await;
        assert_eq!(records.len(), acknowledged.len());
        for record in records {
            let number: u64 = std::str::from_utf8(&record.data).unwrap().parse().unwrap();
            let placed = acknowledged.remove(&format!("{} {number}", record.partition_key)).expect("once");
            assert_eq!(placed.sequence_number, record.sequence_number);
            let before = last.insert(record.partition_key.clone(), number);
            assert!(before.is_none_or(|before| before < number), "{} of {}", number, record.partition_key);
        }
        assert!(acknowledged.is_empty());
    }
}

/// Puts 0, 1, 2 … under its own keys, each call after the last one was acknowledged, and keeps what it was told.
async fn write(
    engine: Engine,
    writer: u64,
    stop: Arc<AtomicBool>,
    put: Arc<AtomicU64>,
) -> Vec<(String, Placed)> {
    let mut acknowledged = Vec::new();
    let mut number = 0_u64;
    while !stop.load(Ordering::Relaxed) {
        let stream = engine.control().state().stream("s").unwrap().clone();
        // Several records under two keys, one of which says itself where it goes.
        let records: Vec<NewRecord> = (number..number + 4)
            .map(|number| {
                let key = format!("{writer}-{}", number % 2);
                let explicit = (number % 2 == 1).then(|| HashKey(!hash_of(&key).0));
                NewRecord {
                    partition_key: key,
                    explicit_hash_key: explicit,
                    data: Bytes::from(number.to_string()),
                }
            })
            .collect();
        let placed = engine.append(&stream, &records).await.unwrap();
        for (record, placed) in records.iter().zip(placed) {
            let data = std::str::from_utf8(&record.data).unwrap();
            acknowledged.push((format!("{} {data}", record.partition_key), placed));
        }
        number += 4;
        put.fetch_add(4, Ordering::Relaxed);
        tokio::task::yield_now().await;
    }
    acknowledged
}

/// Reads the ends of all shards again and again. Whatever anybody ever reads must be acknowledged in the end, there.
async fn peek(engine: Engine, stop: Arc<AtomicBool>) -> HashSet<SequenceNumber> {
    let mut seen = HashSet::new();
    let mut next: HashMap<ShardId, Position> = HashMap::new();
    while !stop.load(Ordering::Relaxed) {
        let stream = engine.control().state().stream("s").unwrap().clone();
        for shard in &stream.shards {
            let from = next.entry(shard.id).or_default();
            let page = engine.read(&stream, shard, *from, ALL).await.unwrap();
            *from = page.next;
            seen.extend(page.records.iter().map(|record| record.sequence_number));
        }
        tokio::task::yield_now().await;
    }
    seen
}

/// Any reshard that is possible now.
async fn reshard(world: &World, random: &mut impl FnMut(u64) -> u64) {
    let stream = world.stream();
    let mut open: Vec<_> = stream.open_shards().cloned().collect();
    open.sort_by_key(|shard| shard.range.start);
    let place = usize::try_from(random(open.len() as u64)).unwrap();
    let shard = &open[place];
    let control = world.engine.control();
    let begun = match random(3) {
        0 if open.len() < 12 => {
            let key = HashKey(shard.range.start.0 + (shard.range.end.0 - shard.range.start.0) / 2);
            control.submit(SplitShard { stream: "s".into(), shard: shard.id, key }).await
        }
        1 => match open.get(place + 1) {
            Some(high) => {
                let merge = MergeShards { stream: "s".into(), shard: shard.id, adjacent: high.id };
                control.submit(merge).await
            }
            None => return,
        },
        _ => {
            let target = u32::try_from(random(10) + 1).unwrap();
            control.submit(UpdateShardCount { stream: "s".into(), target, per_day: None }).await.map(drop)
        }
    };
    if begun.is_ok() {
        world.until_active().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_is_lost_doubled_or_reordered() {
    let seed = entropy::u64();
    println!("seed {seed}");
    let mut choice = seed;
    let mut random = move |end: u64| {
        choice = choice.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (choice >> 33) % end
    };
    let world = World::new(2).await;
    let traffic = Traffic::start(&world.engine);
    for _ in 0..RESHARDS {
        let before = traffic.put.load(Ordering::Relaxed);
        reshard(&world, &mut random).await;
        // Some load between any two of them.
        while traffic.put.load(Ordering::Relaxed) < before + 20 {
            tokio::task::yield_now().await;
        }
    }
    traffic.check(&world).await;
}
