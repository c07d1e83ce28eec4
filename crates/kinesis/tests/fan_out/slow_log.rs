//! A log in memory that takes its time, for records and for what the control plane writes.

use async_trait::async_trait;
use millstream_log::{
    AppendError, Batch, Chunk, Completion, Log, MemoryLog, ReadError, ReadLimit, Refused, RetentionClass,
    TailWatch, Ticket, ticket,
};
use millstream_types::{LogShard, Position, Timestamp};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use tokio::sync::mpsc;

type Batches = Vec<(LogShard, Batch)>;

/// Appends in the order in which they came.
#[derive(Debug)]
struct Lane {
    queue: mpsc::Sender<(Batches, Duration, Completion)>,
    takes: Arc<AtomicU64>,
}

impl Lane {
    fn new(log: Arc<MemoryLog>) -> Self {
        let (queue, mut jobs) = mpsc::channel::<(Batches, Duration, Completion)>(10_000);
        let takes = Arc::new(AtomicU64::new(0));
        let delay = takes.clone();
        tokio::spawn(async move {
            let mut some = Vec::new();
            while jobs.recv_many(&mut some, 100).await > 0 {
                let millis = delay.load(Ordering::SeqCst);
                if millis > 0 {
                    tokio::time::sleep(Duration::from_millis(millis)).await;
                }
                for (batches, max_wait, completion) in some.drain(..) {
                    completion.complete(match log.append(batches, max_wait).await {
                        Ok(ticket) => ticket.durable().await,
                        Err(refused) => Err(refused.into()),
                    });
                }
            }
        });
        Self { queue, takes }
    }

    async fn append(&self, batches: Batches, max_wait: Duration) -> Ticket {
        let (completion, answer) = ticket();
        self.queue.send((batches, max_wait, completion)).await.expect("the lane outlives its log");
        answer
    }
}

#[derive(Debug)]
pub(crate) struct SlowLog {
    inner: Arc<MemoryLog>,
    records: Lane,
    control: Lane,
}

impl SlowLog {
    pub(crate) fn new() -> Self {
        let inner: Arc<MemoryLog> = Arc::default();
        let (records, control) = (Lane::new(inner.clone()), Lane::new(inner.clone()));
        Self { inner, records, control }
    }

    /// How long appends take from now on, in milliseconds.
    pub(crate) fn takes(&self, records: u64, control: u64) {
        self.records.takes.store(records, Ordering::SeqCst);
        self.control.takes.store(control, Ordering::SeqCst);
    }
}

#[async_trait]
impl Log for SlowLog {
    async fn append(&self, batches: Batches, max_wait: Duration) -> Result<Ticket, Refused> {
        let of_control = batches.iter().any(|(shard, _)| *shard == LogShard::CONTROL);
        let lane = if of_control { &self.control } else { &self.records };
        Ok(lane.append(batches, max_wait).await)
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
