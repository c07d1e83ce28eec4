//! A log that a killed server writes to no more, and that refuses for a while.

use async_trait::async_trait;
use millstream_log::{
    AppendError, Batch, Chunk, Log, MemoryLog, ReadError, ReadLimit, Refused, RetentionClass, TailWatch,
    Ticket,
};
use millstream_types::{LogShard, Position, Timestamp};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::Duration;

#[derive(Debug, Default)]
pub(crate) struct MortalLog {
    inner: Arc<MemoryLog>,
    dead: AtomicBool,
    /// How many of the next appends to other shards than the control plane's are refused.
    pub(crate) refusals: AtomicU32,
    /// How many of the next reads of other shards than the control plane's fail.
    pub(crate) unreadable: AtomicU32,
}

impl MortalLog {
    /// What the next server finds.
    pub(crate) fn successor(&self) -> Arc<Self> {
        Arc::new(Self { inner: self.inner.clone(), ..Self::default() })
    }

    pub(crate) fn kill(&self) {
        self.dead.store(true, Ordering::SeqCst);
    }

    fn alive(&self) -> Result<(), Refused> {
        if self.dead.load(Ordering::SeqCst) { Err(Refused::Stopped("killed".into())) } else { Ok(()) }
    }
}

#[async_trait]
impl Log for MortalLog {
    async fn append(&self, batches: Vec<(LogShard, Batch)>, max_wait: Duration) -> Result<Ticket, Refused> {
        self.alive()?;
        let own = batches.iter().any(|(shard, _)| *shard != LogShard::CONTROL);
        let less = |left: u32| left.checked_sub(1);
        if own && self.refusals.fetch_update(Ordering::SeqCst, Ordering::SeqCst, less).is_ok() {
            return Err(Refused::Full);
        }
        self.inner.append(batches, max_wait).await
    }

    async fn read(&self, shard: LogShard, from: Position, limit: ReadLimit) -> Result<Chunk, ReadError> {
        let less = |left: u32| left.checked_sub(1);
        let own = shard != LogShard::CONTROL;
        if own && self.unreadable.fetch_update(Ordering::SeqCst, Ordering::SeqCst, less).is_ok() {
            return Err(ReadError::Io("as asked".into()));
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
        self.alive()?;
        self.inner.create(shard, class).await
    }

    async fn trim(&self, shard: LogShard, before: Position) -> Result<(), AppendError> {
        self.alive()?;
        self.inner.trim(shard, before).await
    }

    async fn drop_shard(&self, shard: LogShard) -> Result<(), AppendError> {
        self.alive()?;
        self.inner.drop_shard(shard).await
    }

    fn stopped(&self) -> Option<String> {
        self.alive().err().map(|error| error.to_string())
    }

    async fn close(&self) {}
}
