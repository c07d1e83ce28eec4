//! A log in memory that can hold appends to streams back: before they are stored, or after.

use async_trait::async_trait;
use millstream_log::{
    AppendError, Batch, Chunk, Log, MemoryLog, ReadError, ReadLimit, Refused, RetentionClass, TailWatch,
    Ticket, ticket,
};
use millstream_types::{LogShard, Position, Timestamp};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Hold {
    Nothing,
    /// On their way: neither stored nor answered.
    Appends,
    /// Stored, and not answered.
    Answers,
}

#[derive(Debug)]
pub(crate) struct HeldLog {
    inner: Arc<MemoryLog>,
    hold: watch::Sender<Hold>,
    /// Appends to streams that were begun.
    begun: watch::Sender<u64>,
}

impl Default for HeldLog {
    fn default() -> Self {
        let (hold, begun) = (watch::Sender::new(Hold::Nothing), watch::Sender::new(0));
        Self { inner: Arc::default(), hold, begun }
    }
}

impl HeldLog {
    pub(crate) fn hold(&self, hold: Hold) {
        self.hold.send_replace(hold);
    }

    pub(crate) fn begun(&self) -> watch::Receiver<u64> {
        self.begun.subscribe()
    }
}

#[async_trait]
impl Log for HeldLog {
    async fn append(&self, batches: Vec<(LogShard, Batch)>, max_wait: Duration) -> Result<Ticket, Refused> {
        if batches.iter().any(|(shard, _)| *shard == LogShard::CONTROL) {
            return self.inner.append(batches, max_wait).await;
        }
        let (inner, mut held) = (self.inner.clone(), self.hold.subscribe());
        let (completion, answer) = ticket();
        self.begun.send_modify(|begun| *begun += 1);
        if *held.borrow() == Hold::Answers {
            let stored = inner.append(batches, max_wait).await?;
            tokio::spawn(async move {
                held.wait_for(|hold| *hold == Hold::Nothing).await.expect("the log is still there");
                completion.complete(stored.durable().await);
            });
            return Ok(answer);
        }
        tokio::spawn(async move {
            held.wait_for(|hold| *hold == Hold::Nothing).await.expect("the log is still there");
            let stored = inner.append(batches, max_wait).await;
            completion.complete(match stored {
                Ok(ticket) => ticket.durable().await,
                Err(refused) => Err(refused.into()),
            });
        });
        Ok(answer)
    }

    async fn read(&self, shard: LogShard, from: Position, limit: ReadLimit) -> Result<Chunk, ReadError> {
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
