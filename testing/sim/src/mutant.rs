//! Logs that break their promises, each in one way, to show that the laws catch it.

use crate::random::Random;
use async_trait::async_trait;
use millstream_log::{
    AppendError, Appended, Batch, BatchBuilder, Chunk, Log, ReadError, ReadLimit, Refused, RetentionClass,
    StoredBatch, TailWatch, Ticket, ticket,
};
use millstream_types::{LogShard, Position, Timestamp};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// What the log does wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Mutation {
    /// It acknowledges before anything is durable.
    AcknowledgeEarly,
    /// Readers see what is not durable yet.
    ShowEarly,
    /// Now and then a record of a call is left out, and its neighbour stands there twice.
    Drop,
    /// Now and then two records of a call change places.
    Swap,
    /// Now and then a call is written twice.
    Twice,
    /// Now and then a page of a read is passed over.
    Skip,
    /// Now and then a call is acknowledged and never written.
    Forget,
    /// The disk takes a sync for done without doing it. This one is the disk's fault, see `disk.rs`.
    Unsynced,
}

/// A log with a fault.
#[derive(Debug)]
pub(crate) struct Mutant {
    log: Arc<dyn Log>,
    mutation: Mutation,
    /// Only the journals of queues and of events suffer.
    journals: bool,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    random: Random,
    /// Batches that were handed over, by shard, with the positions that they will have.
    ahead: BTreeMap<LogShard, Vec<StoredBatch>>,
}

/// One call in so many goes wrong.
const ODDS: u64 = 8;

impl Mutant {
    pub(crate) fn new(log: Arc<dyn Log>, mutation: Mutation, journals: bool, random: Random) -> Self {
        Self { log, mutation, journals, state: Mutex::new(State { random, ahead: BTreeMap::new() }) }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn strikes(&self) -> bool {
        self.lock().random.below(ODDS) == 0
    }

    /// Note where the batches will be, if nothing goes wrong.
    fn expect(&self, batches: &[(LogShard, Batch)]) -> Vec<Appended> {
        let mut state = self.lock();
        let expected = batches.iter().map(|(shard, batch)| {
            let tail = self.log.tail(*shard).map_or(Position::ZERO, |tail| tail.current());
            let ahead = state.ahead.entry(*shard).or_default();
            ahead.retain(|stored| stored.end() > tail);
            let first = ahead.last().map_or(tail, StoredBatch::end);
            ahead.push(StoredBatch { first, batch: batch.clone() });
            Appended { shard: *shard, first, timestamp: batch.timestamp }
        });
        expected.collect()
    }
}

/// Records of journals say their format first; clients' records here do not.
fn is_journal(batch: &Batch) -> bool {
    let stored = StoredBatch { first: Position::ZERO, batch: batch.clone() };
    stored.records().next().is_some_and(|(_, record)| record.starts_with(b"{\"format\":"))
}

/// The batch with its records as `change` leaves them.
fn changed(batch: &Batch, change: impl FnOnce(&mut Vec<bytes::Bytes>)) -> Batch {
    let stored = StoredBatch { first: Position::ZERO, batch: batch.clone() };
    let mut records: Vec<_> = stored.records().map(|(_, record)| record).collect();
    change(&mut records);
    let mut builder = BatchBuilder::default();
    for record in &records {
        builder.push(record);
    }
    builder.finish(batch.timestamp)
}

#[async_trait]
impl Log for Mutant {
    async fn append(&self, batches: Vec<(LogShard, Batch)>, max_wait: Duration) -> Result<Ticket, Refused> {
        // What the server needs to stand up at all is left alone.
        let spared = |shard, batch| shard == LogShard::CONTROL || (self.journals && !is_journal(batch));
        if batches.iter().any(|(shard, batch)| spared(*shard, batch)) {
            return self.log.append(batches, max_wait).await;
        }
        match self.mutation {
            Mutation::AcknowledgeEarly => {
                let expected = self.expect(&batches);
                drop(self.log.append(batches, max_wait).await?);
                let (completion, early) = ticket();
                completion.complete(Ok(expected));
                Ok(early)
            }
            Mutation::Forget if self.strikes() => {
                let expected = self.expect(&batches);
                let (completion, ticket) = ticket();
                completion.complete(Ok(expected));
                Ok(ticket)
            }
            Mutation::ShowEarly => {
                self.expect(&batches);
                self.log.append(batches, max_wait).await
            }
            Mutation::Drop | Mutation::Swap if self.strikes() => {
                let drops = self.mutation == Mutation::Drop;
                let batches = batches.into_iter().map(|(shard, batch)| {
                    let batch = changed(&batch, |records| match records.as_mut_slice() {
                        [first, second, ..] if drops => second.clone_from(first),
                        [first, .., last] => std::mem::swap(first, last),
                        _ => {}
                    });
                    (shard, batch)
                });
                self.log.append(batches.collect(), max_wait).await
            }
            Mutation::Twice if self.strikes() => {
                drop(self.log.append(batches.clone(), max_wait).await?);
                self.log.append(batches, max_wait).await
            }
            Mutation::Drop
            | Mutation::Swap
            | Mutation::Twice
            | Mutation::Skip
            | Mutation::Forget
            | Mutation::Unsynced => self.log.append(batches, max_wait).await,
        }
    }

    async fn read(&self, shard: LogShard, from: Position, limit: ReadLimit) -> Result<Chunk, ReadError> {
        let mut chunk = self.log.read(shard, from, limit).await?;
        let journal = chunk.batches.first().is_some_and(|stored| is_journal(&stored.batch));
        let control = shard == LogShard::CONTROL || (self.journals && !journal);
        if self.mutation == Mutation::Skip && !control && chunk.batches.len() > 1 && self.strikes() {
            chunk.batches.remove(0);
        }
        if self.mutation == Mutation::ShowEarly && !control && from >= chunk.tail {
            let state = self.lock();
            let ahead = state.ahead.get(&shard).into_iter().flatten();
            chunk.batches = ahead.filter(|stored| stored.end() > from).cloned().collect();
            chunk.tail = chunk.batches.last().map_or(chunk.tail, StoredBatch::end);
        }
        Ok(chunk)
    }

    fn tail(&self, shard: LogShard) -> Result<TailWatch, ReadError> {
        self.log.tail(shard)
    }

    async fn seek_time(&self, shard: LogShard, at: Timestamp) -> Result<Position, ReadError> {
        self.log.seek_time(shard, at).await
    }

    async fn create(&self, shard: LogShard, class: RetentionClass) -> Result<(), AppendError> {
        self.log.create(shard, class).await
    }

    async fn trim(&self, shard: LogShard, before: Position) -> Result<(), AppendError> {
        self.log.trim(shard, before).await
    }

    async fn drop_shard(&self, shard: LogShard) -> Result<(), AppendError> {
        self.log.drop_shard(shard).await
    }

    fn stopped(&self) -> Option<String> {
        self.log.stopped()
    }

    async fn close(&self) {
        self.log.close().await;
    }
}
