//! The embedded log: one write-ahead log (WAL) with group commit, shared by all shards of a data directory.
//!
//! ```text
//! append ──▶ admission ──▶ queue ──▶ writer thread: encode · write · sync ──▶ publish ──▶ tickets
//!            (a budget of bytes)      one group of all that is queued          │
//!                                                          memory tail, index, tail watches ◀── readers
//! ```
//!
//! What holds:
//! - A ticket resolves to `Ok` after the sync of the group that holds the whole call, and not before.
//! - Readers see what was published, which is durable, and every batch from the disk is checked before it is served.
//! - The writer is the only one who writes to a WAL file in use, and one group is under way at a time.
//! - A torn tail (never acknowledged) is removed at the next start; damage to acknowledged data refuses the start.
//! - A write or sync that fails stops writing for good; a full disk at the change of files does not.
//!
//! What holds today: the WAL keeps everything, so a trim or drop frees memory and index but no disk, and the index has
//! 32 bytes for every batch. Immutable segments, retention and the reuse of WAL files come on top of this: a segment is
//! written from the memory tail, the index forgets what segments hold, and a WAL file whose groups are all in segments
//! gets a new salt and goes to the spares.
//!
//! This crate knows nothing of streams, records' contents, HTTP or the wall clock.

mod caps;
mod directory;
mod embedded;
mod error;
mod failstop;
mod index;
mod memory_tail;
mod options;
mod queue;
mod reader;
mod shard;
mod stats;
mod wal;

#[cfg(test)]
mod tests;

pub use embedded::EmbeddedLog;
pub use error::OpenError;
pub use options::Options;
pub use stats::Stats;
pub use wal::recover::RecoveryReport;

use failstop::FailStop;
use millstream_host::Clock;
use millstream_log::Refused;
use queue::Queue;
use reader::Reader;
use shard::Shards;
use stats::Counters;
use std::sync::Arc;
use tokio::sync::Semaphore;

/// What the writer, the readers and the callers have in common.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) queue: Queue,
    /// Bytes that may still be queued.
    pub(crate) admission: Arc<Semaphore>,
    /// Bytes that one call may have.
    pub(crate) call_bytes: u64,
    pub(crate) shards: Shards,
    pub(crate) reader: Reader,
    pub(crate) failstop: FailStop,
    pub(crate) counters: Counters,
    pub(crate) clock: Arc<dyn Clock>,
}

impl Shared {
    /// Why a call is not taken, if none is.
    pub(crate) fn refusal(&self) -> Option<Refused> {
        let stopped = self.failstop.reason().map(|reason| Refused::Stopped(reason.to_owned()));
        stopped.or_else(|| self.queue.is_closed().then_some(Refused::Closed))
    }

    /// Take no more calls; those that are queued are finished.
    pub(crate) fn close(&self) {
        self.queue.close();
        self.admission.close();
    }
}
