//! A log that remembers all it ever held, and that can lose power.

use async_trait::async_trait;
use bytes::Bytes;
use millstream_control::{Record, State};
use millstream_log::{
    AppendError, Batch, Chunk, Log, MemoryLog, ReadError, ReadLimit, Refused, RetentionClass, StoredBatch,
    TailWatch, Ticket, ticket,
};
use millstream_types::{LogShard, Position, Timestamp};
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// What becomes of the operation at which the power goes. Nobody hears of either.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Last {
    Lost,
    Done,
}

#[derive(Debug)]
pub(crate) struct CrashLog {
    inner: Arc<MemoryLog>,
    /// Every record ever appended to the control log, also those that are trimmed.
    all: Arc<Mutex<Vec<Bytes>>>,
    power: Mutex<Power>,
}

#[derive(Debug)]
struct Power {
    operations: usize,
    /// The operation at which it goes.
    until: usize,
    last: Last,
    /// Refuse these, counted from the next, as a full disk does.
    refuse: std::ops::Range<usize>,
}

impl CrashLog {
    pub(crate) fn new() -> Arc<Self> {
        Self::over(Arc::new(MemoryLog::new()), Arc::default())
    }

    fn over(inner: Arc<MemoryLog>, all: Arc<Mutex<Vec<Bytes>>>) -> Arc<Self> {
        let power = Power { operations: 0, until: usize::MAX, last: Last::Lost, refuse: 0..0 };
        Arc::new(Self { inner, all, power: Mutex::new(power) })
    }

    /// The same data after a restart.
    pub(crate) fn restarted(&self) -> Arc<Self> {
        Self::over(self.inner.clone(), self.all.clone())
    }

    /// Lose power at the operation after `operations` more.
    pub(crate) fn crash_after(&self, operations: usize, last: Last) {
        let mut power = self.power.lock().unwrap();
        power.until = power.operations + operations;
        power.last = last;
    }

    pub(crate) fn refuse_after(&self, operations: usize, count: usize) {
        let mut power = self.power.lock().unwrap();
        let start = power.operations + operations;
        power.refuse = start..start + count;
    }

    /// Appends and trims so far.
    pub(crate) fn operations(&self) -> usize {
        self.power.lock().unwrap().operations
    }

    /// The first position that can be read.
    pub(crate) async fn earliest(&self) -> u64 {
        match self.inner.read(LogShard::CONTROL, Position::ZERO, ReadLimit { records: 1, bytes: 1 }).await {
            Err(ReadError::Trimmed { earliest }) => earliest.0,
            _ => 0,
        }
    }

    /// The records that can be read.
    pub(crate) async fn records(&self) -> Vec<Bytes> {
        let limit = ReadLimit { records: usize::MAX, bytes: usize::MAX };
        let from = Position(self.earliest().await);
        let chunk = self.inner.read(LogShard::CONTROL, from, limit).await.unwrap();
        chunk.batches.iter().flat_map(StoredBatch::records).map(|(_, record)| record).collect()
    }

    /// Every record ever appended.
    pub(crate) fn all(&self) -> Vec<Bytes> {
        self.all.lock().unwrap().clone()
    }

    /// What all commands give that were ever written, without any snapshot.
    pub(crate) fn full_replay(&self) -> State {
        let mut state = State::default();
        for record in self.all() {
            if let Record::Entry(entry) = Record::decode(&record).unwrap() {
                entry.apply(&mut state).unwrap();
            }
        }
        state
    }

    pub(crate) fn snapshots_ended(&self) -> usize {
        self.all().iter().filter(|record| record.starts_with(br#"{"snapshot":{"end""#)).count()
    }

    /// Write records as they are, one a batch.
    pub(crate) async fn plant(&self, records: &[impl AsRef<[u8]>]) {
        self.create(LogShard::CONTROL, RetentionClass::Forever).await.unwrap();
        for record in records {
            let batch = Batch::single(Timestamp::ZERO, record.as_ref());
            let ticket = self.append(vec![(LogShard::CONTROL, batch)], Duration::ZERO).await.unwrap();
            ticket.durable().await.unwrap();
        }
    }

    /// Whether the next operation is done, and whether it is answered.
    fn next(&self) -> Result<(bool, bool), Refused> {
        let mut power = self.power.lock().unwrap();
        let operation = power.operations;
        power.operations += 1;
        if power.refuse.contains(&operation) {
            return Err(Refused::NoSpace);
        }
        let answered = operation < power.until;
        Ok((answered || (operation == power.until && power.last == Last::Done), answered))
    }
}

#[async_trait]
impl Log for CrashLog {
    async fn append(&self, batches: Vec<(LogShard, Batch)>, wait: Duration) -> Result<Ticket, Refused> {
        let (done, answered) = self.next()?;
        if done {
            let records = batches.iter().flat_map(|(_, batch)| batch.records());
            self.all.lock().unwrap().extend(records);
        }
        let written = if done { Some(self.inner.append(batches, wait).await?) } else { None };
        // A ticket whose other end is gone: the outcome is unknown.
        Ok(written.filter(|_| answered).unwrap_or_else(|| ticket().1))
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
        let (done, answered) = self.next()?;
        if done {
            self.inner.trim(shard, before).await?;
        }
        if answered { Ok(()) } else { Err(AppendError::Unknown("power lost".into())) }
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
