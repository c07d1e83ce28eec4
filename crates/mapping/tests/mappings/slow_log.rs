//! A log whose control shard takes its time, as a disk does, and which outlives the server that writes it.

use async_trait::async_trait;
use millstream_log::{
    AppendError, Batch, Chunk, Log, MemoryLog, ReadError, ReadLimit, Refused, RetentionClass, TailWatch,
    Ticket,
};
use millstream_types::{LogShard, Position, Timestamp};
use std::future::pending;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;
use tokio::time::sleep;

#[derive(Debug, Default)]
pub(crate) struct SlowLog {
    inner: Arc<MemoryLog>,
    /// The server was killed: it writes nothing any more.
    is_dead: AtomicBool,
    /// How long an append of control commands takes, in milliseconds.
    pub(crate) millis: AtomicU64,
    /// Appends of control commands so far.
    pub(crate) appends: AtomicU64,
    /// Reads of records so far.
    pub(crate) reads: AtomicU64,
}

impl SlowLog {
    /// What is written stays, and the next server has it. Whoever waits for this one waits for ever.
    pub(crate) fn killed(&self) -> Self {
        self.is_dead.store(true, Ordering::SeqCst);
        Self { inner: Arc::clone(&self.inner), ..Self::default() }
    }
}

#[async_trait]
impl Log for SlowLog {
    async fn append(&self, batches: Vec<(LogShard, Batch)>, max_wait: Duration) -> Result<Ticket, Refused> {
        if self.is_dead.load(Ordering::SeqCst) {
            pending::<()>().await;
        }
        if batches.iter().any(|(shard, _)| *shard == LogShard::CONTROL) {
            self.appends.fetch_add(1, Ordering::SeqCst);
            sleep(Duration::from_millis(self.millis.load(Ordering::SeqCst))).await;
        }
        self.inner.append(batches, max_wait).await
    }

    async fn read(&self, shard: LogShard, from: Position, limit: ReadLimit) -> Result<Chunk, ReadError> {
        if shard != LogShard::CONTROL {
            self.reads.fetch_add(1, Ordering::SeqCst);
        }
        self.inner.read(shard, from, limit).await
    }

    fn tail(&self, shard: LogShard) -> Result<TailWatch, ReadError> {
        self.inner.tail(shard)
    }

    async fn seek_time(&self, shard: LogShard, at: Timestamp) -> Result<Position, ReadError> {
        self.inner.seek_time(shard, at).await
    }

    async fn create(&self, shard: LogShard, class: RetentionClass) -> Result<(), AppendError> {
        self.inner.create(shard, class).await
    }

    async fn trim(&self, shard: LogShard, before: Position) -> Result<(), AppendError> {
        self.inner.trim(shard, before).await
    }

    async fn drop_shard(&self, shard: LogShard) -> Result<(), AppendError> {
        self.inner.drop_shard(shard).await
    }

    fn stopped(&self) -> Option<String> {
        self.inner.stopped()
    }

    async fn close(&self) {
        self.inner.close().await;
    }
}
