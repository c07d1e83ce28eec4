//! A log in memory, control node and engine, whose lifecycle runs when a test says so.

use crate::held_log::HeldLog;
use bytes::Bytes;
use millstream_control::{ControlCommand, CreateStream, SplitShard, State, Stream, StreamMode, StreamStatus};
use millstream_engine::{Engine, NewRecord, Page, PageLimit, Placed, Record, Start};
use millstream_host::clock::ManualClock;
use millstream_types::{HashKey, ShardId, Timestamp};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;
use tokio::task::JoinHandle;
use tokio::time::timeout;

pub(crate) const ALL: PageLimit = PageLimit { records: usize::MAX, bytes: usize::MAX };
pub(crate) const HALF: u128 = 1 << 127;
pub(crate) const HOUR: u64 = 3_600_000;
const LONG: Duration = Duration::from_mins(1);

pub(crate) struct World {
    pub(crate) log: Arc<HeldLog>,
    pub(crate) clock: Arc<ManualClock>,
    pub(crate) engine: Engine,
    lifecycle: Option<JoinHandle<()>>,
}

impl World {
    /// With an active stream `s`. The lifecycle runs.
    pub(crate) async fn new(shards: u32) -> Self {
        Self::with_mode(shards, StreamMode::Provisioned).await
    }

    pub(crate) async fn with_mode(shards: u32, mode: StreamMode) -> Self {
        let clock = ManualClock::at(Timestamp::from_millis(1_700_000_000_000));
        let mut world = Self::on(Arc::default(), clock).await;
        world.run_lifecycle();
        let create = CreateStream {
            name: "s".into(),
            arn: "arn:aws:kinesis:us-east-1:000000000000:stream/s".into(),
            shards,
            mode,
            max_record_kib: 1_024,
            tags: BTreeMap::new(),
        };
        world.submit(create).await;
        world.until_active().await;
        world
    }

    async fn on(log: Arc<HeldLog>, clock: Arc<ManualClock>) -> Self {
        let control = millstream_control_node::open(log.clone(), clock.clone()).await.unwrap();
        let engine = Engine::new(log.clone(), control, clock.clone());
        Self { log, clock, engine, lifecycle: None }
    }

    /// As after a crash: what the log holds is what there is, and no lifecycle runs yet.
    pub(crate) async fn crash(mut self) -> Self {
        self.stop_lifecycle();
        Self::on(self.log, self.clock).await
    }

    pub(crate) fn run_lifecycle(&mut self) {
        self.lifecycle = Some(tokio::spawn(self.engine.clone().run_lifecycle(Duration::ZERO)));
    }

    pub(crate) fn stop_lifecycle(&mut self) {
        if let Some(lifecycle) = self.lifecycle.take() {
            lifecycle.abort();
        }
    }

    pub(crate) fn stream(&self) -> Arc<Stream> {
        self.engine.control().state().stream("s").unwrap().clone()
    }

    pub(crate) async fn submit<C: ControlCommand>(&self, command: C) -> C::Outcome {
        self.engine.control().submit(command).await.unwrap()
    }

    pub(crate) async fn split(&self, shard: u64, key: u128) {
        self.submit(SplitShard { stream: "s".into(), shard: ShardId(shard), key: HashKey(key) }).await;
    }

    pub(crate) async fn until(&self, what: &str, holds: impl Fn(&State) -> bool) {
        let mut watch = self.engine.control().watch();
        let found = timeout(LONG, watch.wait_for(|state| holds(state))).await;
        assert!(found.is_ok_and(|found| found.is_ok()), "never: {what}");
    }

    pub(crate) async fn until_active(&self) {
        self.until("active", |state| {
            state.streams.get("s").is_some_and(|stream| stream.status == StreamStatus::Active)
        })
        .await;
    }

    pub(crate) async fn put(&self, key: &str, hash: u128) -> Placed {
        self.engine.append(&self.stream(), &[record(key, hash)]).await.unwrap()[0]
    }

    pub(crate) async fn page(&self, shard: u64, start: Start) -> Page {
        let stream = self.stream();
        let shard = stream.shard(ShardId(shard)).unwrap();
        let from = self.engine.position(&stream, shard, start).await.unwrap();
        self.engine.read(&stream, shard, from, ALL).await.unwrap()
    }

    /// The keys of a shard's records, from its trim horizon.
    pub(crate) async fn keys(&self, shard: u64) -> Vec<String> {
        let page = self.page(shard, Start::TrimHorizon).await;
        page.records.into_iter().map(|record| record.partition_key).collect()
    }

    /// All records, as a consumer reads them that follows the family tree: no shard before its parents.
    pub(crate) async fn walk(&self) -> Vec<Record> {
        let stream = self.stream();
        let mut records = Vec::new();
        for shard in &stream.shards {
            let mut from = self.engine.position(&stream, shard, Start::TrimHorizon).await.unwrap();
            loop {
                let page = self.engine.read(&stream, shard, from, ALL).await.unwrap();
                from = page.next;
                let done = page.records.is_empty();
                assert!(page.records.iter().all(|record| record.sequence_number.shard() == shard.id));
                records.extend(page.records);
                if done || page.at_end {
                    assert_eq!(page.at_end, !shard.is_open());
                    break;
                }
            }
        }
        records
    }
}

pub(crate) fn record(key: &str, hash: u128) -> NewRecord {
    NewRecord {
        partition_key: key.into(),
        explicit_hash_key: Some(HashKey(hash)),
        data: Bytes::from(format!("data of {key}")),
    }
}
