//! The log: many ordered sequences of records ("log shards") behind one contract.
//!
//! This is the seam where storage engines change. [`Log`] is the contract, [`MemoryLog`] the reference model, and
//! `contract` (feature `contract`) the suite that every engine passes. The contract has no conditional append and no
//! seal, so that Apache Kafka can stand behind it.
//!
//! Invariants:
//! - A ticket resolves to `Ok` only when every batch of the call is durable.
//! - Positions of a shard are dense and start at 0; a batch's records are adjacent; the batches of one call to one
//!   shard keep their order, and so do calls to one shard from one caller that awaited nothing in between.
//! - A reader sees durable records only.
//! - A batch without records is accepted and leaves nothing behind.
//! - A batch's timestamp is never below an earlier batch's of the same shard: the log raises it if it must.

mod batch;
#[cfg(any(test, feature = "contract"))]
pub mod contract;
mod error;
mod memory;
mod tail;
mod ticket;

pub use batch::{Batch, BatchBuilder, BatchesBuilder, Records, StoredBatch};
pub use error::{AppendError, Outcome, ReadError, Refused};
pub use memory::MemoryLog;
pub use tail::{TailSender, TailWatch};
pub use ticket::{Appended, Completion, Ticket, ticket};

use async_trait::async_trait;
use millstream_types::{LogShard, Position, Timestamp};
use std::fmt::Debug;
use std::time::Duration;

/// What the data is kept for. Engines may group storage by it; it decides nothing by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum RetentionClass {
    /// Kept until dropped: the control plane's own log.
    Forever,
    /// A stream's retention when its shard was created, in hours (24 to 8,760).
    Hours(u32),
}

/// How much one read may return. At least one batch comes back if there is one, however large.
#[derive(Clone, Copy, Debug)]
pub struct ReadLimit {
    pub records: usize,
    pub bytes: usize,
}

/// What a read found: whole batches, the first of which may start before the position asked for (skip its head).
#[derive(Clone, Debug, Default)]
pub struct Chunk {
    pub batches: Vec<StoredBatch>,
    /// The durable tail when the read was made: the position that the next record to become durable will have.
    pub tail: Position,
    /// The timestamp of the newest durable batch, if there is any.
    pub newest: Option<Timestamp>,
}

#[async_trait]
pub trait Log: Debug + Send + Sync + 'static {
    /// Append batches, to one shard or many, all or none. Returns when they are admitted (waiting at most
    /// `max_wait` for room); the ticket resolves when they are durable, with one [`Appended`] per batch in order.
    async fn append(&self, batches: Vec<(LogShard, Batch)>, max_wait: Duration) -> Result<Ticket, Refused>;

    /// Read whole batches from the one that holds `from`. Never waits for data: at the tail it returns none.
    /// A `from` beyond the tail is no error and finds nothing.
    async fn read(&self, shard: LogShard, from: Position, limit: ReadLimit) -> Result<Chunk, ReadError>;

    /// A watch of the durable tail.
    fn tail(&self, shard: LogShard) -> Result<TailWatch, ReadError>;

    /// The position of the first record whose timestamp is at or after `at`; the tail if there is none.
    async fn seek_time(&self, shard: LogShard, at: Timestamp) -> Result<Position, ReadError>;

    /// Make a shard; one that exists is left as it is. Resolves when durable.
    async fn create(&self, shard: LogShard, class: RetentionClass) -> Result<(), AppendError>;

    /// Forget all records before a position. Resolves when durable. Never moves backwards.
    async fn trim(&self, shard: LogShard, before: Position) -> Result<(), AppendError>;

    /// Forget a shard and its records; one that does not exist is no error. Its number is never used again.
    /// Followers see their tail watch end.
    async fn drop_shard(&self, shard: LogShard) -> Result<(), AppendError>;

    /// Why appends are refused for good, if they are (an I/O error stopped the log).
    fn stopped(&self) -> Option<String>;

    /// Finish what is queued, then stop. Appends after it are refused.
    async fn close(&self);
}
