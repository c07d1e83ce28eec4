use crate::{
    AppendError, Appended, Batch, Chunk, Log, ReadError, ReadLimit, Refused, RetentionClass, StoredBatch,
    TailSender, TailWatch, Ticket, ticket,
};
use async_trait::async_trait;
use millstream_types::{LogShard, Position, Timestamp};
use rustc_hash::FxHashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// The reference model: everything in memory, durable at once, as plain as possible. It keeps all until trimmed or
/// dropped, so its memory is its user's to bound.
#[derive(Debug, Default)]
pub struct MemoryLog {
    inner: Mutex<Inner>,
}

#[derive(Debug, Default)]
struct Inner {
    shards: FxHashMap<LogShard, Shard>,
    closed: bool,
}

#[derive(Debug, Default)]
struct Shard {
    batches: Vec<StoredBatch>,
    earliest: Position,
    tail: Position,
    newest: Option<Timestamp>,
    /// Made for the first follower.
    watch: Option<TailSender>,
}

impl MemoryLog {
    pub fn new() -> Self {
        Self::default()
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        // Every critical section leaves the state whole, so a panic elsewhere does not make it unusable.
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Inner {
    fn shard(&mut self, shard: LogShard) -> Result<&mut Shard, ReadError> {
        self.shards.get_mut(&shard).ok_or(ReadError::NoSuchShard(shard))
    }
}

impl Shard {
    fn append(&mut self, mut batch: Batch) -> (Position, Timestamp) {
        batch.timestamp = self.newest.map_or(batch.timestamp, |newest| newest.max(batch.timestamp));
        let (first, timestamp) = (self.tail, batch.timestamp);
        // A batch without records has no place to be found at.
        if batch.count > 0 {
            self.newest = Some(timestamp);
            let stored = StoredBatch { first, batch };
            self.tail = stored.end();
            self.batches.push(stored);
            if let Some(watch) = &self.watch {
                watch.advance(self.tail);
            }
        }
        (first, timestamp)
    }
}

#[async_trait]
impl Log for MemoryLog {
    async fn append(&self, batches: Vec<(LogShard, Batch)>, _max_wait: Duration) -> Result<Ticket, Refused> {
        let mut inner = self.lock();
        if inner.closed {
            return Err(Refused::Closed);
        }
        if let Some((shard, _)) = batches.iter().find(|(shard, _)| !inner.shards.contains_key(shard)) {
            return Err(Refused::NoSuchShard(*shard));
        }
        let mut appended = Vec::with_capacity(batches.len());
        for (shard, batch) in batches {
            if let Some(state) = inner.shards.get_mut(&shard) {
                let (first, timestamp) = state.append(batch);
                appended.push(Appended { shard, first, timestamp });
            }
        }
        let (completion, ticket) = ticket();
        completion.complete(Ok(appended));
        Ok(ticket)
    }

    async fn read(&self, shard: LogShard, from: Position, limit: ReadLimit) -> Result<Chunk, ReadError> {
        let mut inner = self.lock();
        let state = inner.shard(shard)?;
        if from < state.earliest {
            return Err(ReadError::Trimmed { earliest: state.earliest });
        }
        let start = state.batches.partition_point(|stored| stored.end() <= from);
        let (mut records, mut bytes) = (0_usize, 0_usize);
        let batches = state.batches[start..]
            .iter()
            .take_while(|stored| {
                let more = (records < limit.records && bytes < limit.bytes) || records == 0;
                records += stored.batch.count as usize;
                bytes += stored.batch.body.len();
                more
            })
            .cloned()
            .collect();
        Ok(Chunk { batches, tail: state.tail, newest: state.newest })
    }

    fn tail(&self, shard: LogShard) -> Result<TailWatch, ReadError> {
        let mut inner = self.lock();
        let state = inner.shard(shard)?;
        let tail = state.tail;
        Ok(state.watch.get_or_insert_with(|| TailSender::new(tail)).watch())
    }

    async fn seek_time(&self, shard: LogShard, at: Timestamp) -> Result<Position, ReadError> {
        let mut inner = self.lock();
        let state = inner.shard(shard)?;
        let index = state.batches.partition_point(|stored| stored.batch.timestamp < at);
        let found = state.batches.get(index).map_or(state.tail, |stored| stored.first);
        Ok(found.max(state.earliest))
    }

    async fn create(&self, shard: LogShard, _class: RetentionClass) -> Result<(), AppendError> {
        let mut inner = self.lock();
        if inner.closed {
            return Err(Refused::Closed.into());
        }
        inner.shards.entry(shard).or_default();
        Ok(())
    }

    async fn trim(&self, shard: LogShard, before: Position) -> Result<(), AppendError> {
        let mut inner = self.lock();
        if inner.closed {
            return Err(Refused::Closed.into());
        }
        let state = inner.shards.get_mut(&shard).ok_or(Refused::NoSuchShard(shard))?;
        state.earliest = state.earliest.max(before.min(state.tail));
        let gone = state.batches.partition_point(|stored| stored.end() <= state.earliest);
        state.batches.drain(..gone);
        Ok(())
    }

    async fn drop_shard(&self, shard: LogShard) -> Result<(), AppendError> {
        let mut inner = self.lock();
        if inner.closed {
            return Err(Refused::Closed.into());
        }
        inner.shards.remove(&shard);
        Ok(())
    }

    fn stopped(&self) -> Option<String> {
        None
    }

    async fn close(&self) {
        self.lock().closed = true;
    }
}

#[cfg(test)]
mod tests {
    use super::MemoryLog;
    use crate::{Log, contract};
    use std::sync::Arc;

    #[tokio::test]
    async fn memory_log_keeps_the_contract() {
        contract::all(async || Arc::new(MemoryLog::new()) as Arc<dyn Log>).await;
    }
}
