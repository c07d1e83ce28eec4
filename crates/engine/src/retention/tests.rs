use super::*;
use crate::NewRecord;
use async_trait::async_trait;
use bytes::Bytes;
use millstream_control::{CreateStream, StreamMode, StreamStatus};
use millstream_host::clock::ManualClock;
use millstream_log::{Batch, Chunk, Log, MemoryLog, RetentionClass, TailWatch, Ticket};
use millstream_types::HashKey;
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

const HOUR: u64 = 3_600_000;

/// Counts what a sweep asks of it, but for the control log.
#[derive(Debug, Default)]
struct CountingLog {
    inner: MemoryLog,
    looks: AtomicUsize,
    trims: AtomicUsize,
}

impl CountingLog {
    /// Reads and searches, and trims, since the last question.
    fn counts(&self) -> (usize, usize) {
        (self.looks.swap(0, Ordering::SeqCst), self.trims.swap(0, Ordering::SeqCst))
    }
}

#[async_trait]
impl Log for CountingLog {
    async fn append(&self, batches: Vec<(LogShard, Batch)>, max_wait: Duration) -> Result<Ticket, Refused> {
        self.inner.append(batches, max_wait).await
    }

    async fn read(&self, shard: LogShard, from: Position, limit: ReadLimit) -> Result<Chunk, ReadError> {
        self.looks.fetch_add(1, Ordering::SeqCst);
        self.inner.read(shard, from, limit).await
    }

    fn tail(&self, shard: LogShard) -> Result<TailWatch, ReadError> {
        self.inner.tail(shard)
    }

    async fn seek_time(&self, shard: LogShard, at: Timestamp) -> Result<Position, ReadError> {
        self.looks.fetch_add(1, Ordering::SeqCst);
        self.inner.seek_time(shard, at).await
    }

    async fn create(&self, shard: LogShard, class: RetentionClass) -> Result<(), AppendError> {
        self.inner.create(shard, class).await
    }

    async fn trim(&self, shard: LogShard, before: Position) -> Result<(), AppendError> {
        self.trims.fetch_add(1, Ordering::SeqCst);
        self.inner.trim(shard, before).await
    }

    async fn drop_shard(&self, shard: LogShard) -> Result<(), AppendError> {
        self.inner.drop_shard(shard).await
    }

    fn stopped(&self) -> Option<String> {
        None
    }

    async fn close(&self) {
        self.inner.close().await;
    }
}

struct World {
    log: Arc<CountingLog>,
    clock: Arc<ManualClock>,
    engine: Engine,
    stream: Arc<Stream>,
}

impl World {
    async fn new(shards: u32) -> Self {
        let clock = ManualClock::at(Timestamp::from_millis(1_700_000_000_000));
        let log = Arc::new(CountingLog::default());
        let control = millstream_control_node::open(log.clone(), clock.clone()).await.unwrap();
        let engine = Engine::new(log.clone(), control, clock.clone());
        tokio::spawn(engine.clone().run_lifecycle(Duration::ZERO));
        let create = CreateStream {
            name: "s".into(),
            arn: "arn".into(),
            shards,
            mode: StreamMode::Provisioned,
            max_record_kib: 1_024,
            tags: BTreeMap::new(),
        };
        engine.control().submit(create).await.unwrap();
        let mut watch = engine.control().watch();
        let active = |state: &Arc<State>| state.streams["s"].status == StreamStatus::Active;
        let stream = watch.wait_for(active).await.unwrap().streams["s"].clone();
        let world = Self { log, clock, engine, stream };
        world.log.counts();
        world
    }

    /// A record in each of the first `shards` shards.
    async fn put(&self, shards: usize) {
        let record = |shard: &Shard| NewRecord {
            partition_key: "k".into(),
            explicit_hash_key: Some(HashKey(shard.range.start.0)),
            data: Bytes::new(),
        };
        let records: Vec<_> = self.stream.shards[..shards].iter().map(record).collect();
        self.engine.append(&self.stream, &records).await.unwrap();
    }

    async fn sweep(&self, sweeps: &mut Sweeps) -> usize {
        self.engine.trim_expired(sweeps).await.unwrap()
    }
}

#[tokio::test]
async fn what_has_expired_goes_and_nothing_else() {
    let world = World::new(1).await;
    world.put(1).await;
    world.clock.advance_millis(23 * HOUR);
    world.put(1).await;

    let mut sweeps = Sweeps::new();
    assert_eq!(world.sweep(&mut sweeps).await, 0);
    world.clock.advance_millis(2 * HOUR);
    assert_eq!(world.sweep(&mut sweeps).await, 1);
    assert_eq!(world.sweep(&mut sweeps).await, 0, "nothing new has expired");
    let limit = ReadLimit { records: 9, bytes: 999 };
    let shard = world.stream.shards[0].log;
    let old = world.log.read(shard, Position(0), limit).await;
    assert_eq!(old.unwrap_err(), ReadError::Trimmed { earliest: Position(1) });
    assert_eq!(world.log.read(shard, Position(1), limit).await.unwrap().batches.len(), 1);
}

#[tokio::test]
async fn shards_in_which_nothing_can_have_expired_are_left_alone() {
    let world = World::new(100).await;
    let mut sweeps = Sweeps::new();
    world.put(10).await;
    world.clock.advance_millis(23 * HOUR);
    assert_eq!(world.sweep(&mut sweeps).await, 0);
    assert_eq!(world.log.counts(), (0, 0), "a stream younger than its retention");
    world.clock.advance_millis(2 * HOUR);
    world.put(5).await;
    assert_eq!(world.sweep(&mut sweeps).await, 10);
    let (looks, trims) = world.log.counts();
    assert_eq!(trims, 10);
    assert!(looks <= 40, "{looks} looks at 10 shards");
    // Five shards hold a new record, five hold nothing any more, ninety never did.
    world.sweep(&mut sweeps).await;
    world.sweep(&mut sweeps).await;
    world.log.counts();
    for _ in 0..20 {
        world.clock.advance_millis(HOUR);
        assert_eq!(world.sweep(&mut sweeps).await, 0);
    }
    assert_eq!(world.log.counts(), (0, 0), "it is known when the oldest of them came");
    world.clock.advance_millis(5 * HOUR);
    assert_eq!(world.sweep(&mut sweeps).await, 5);
    // As after a restart: what was trimmed is seen, and not trimmed again.
    let mut sweeps = Sweeps::new();
    world.log.counts();
    assert_eq!(world.sweep(&mut sweeps).await, 0);
    assert_eq!(world.log.counts().1, 0);
    world.log.counts();
    assert_eq!(world.sweep(&mut sweeps).await, 0);
    assert_eq!(world.log.counts(), (0, 0));
}

#[tokio::test]
async fn a_shard_that_is_written_all_the_time_is_trimmed_all_the_time() {
    let world = World::new(1).await;
    let mut sweeps = Sweeps::new();
    let mut trimmed = 0;
    for _ in 0..60 {
        world.put(1).await;
        world.clock.advance_millis(HOUR);
        trimmed += world.sweep(&mut sweeps).await;
    }
    assert_eq!(trimmed, 36, "one record an hour, each kept for 24");
    let (looks, trims) = world.log.counts();
    assert_eq!(trims, 36);
    assert!(looks <= 2 * 36 + 4, "{looks} looks");
}
