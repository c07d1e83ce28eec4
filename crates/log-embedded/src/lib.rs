//! The embedded log: a write-ahead log (WAL) with group commit, shared by all shards of a data directory, and immutable
//! segments sorted by shard behind it.
//!
//! ```text
//! append ──▶ admission ──▶ queue ──▶ writer thread: encode · write · sync ──▶ publish ──▶ tickets
//!            (a budget of bytes)      one group of all that is queued          │
//!                                                          memory tail, index, tail watches ◀── readers
//!                                                                              │                  │
//!                                      flush thread: segments · checkpoint ◀───┘   segments ◀─────┘
//!                                                    └─▶ WAL files are written anew
//! ```
//!
//! What holds:
//! - A ticket resolves to `Ok` after the sync of the group that holds the whole call, and not before.
//! - Readers see what was published, which is durable, and every batch from the disk is checked before it is served.
//! - The writer is the only one who writes to a WAL file in use, and one group is under way at a time.
//! - A torn tail (never acknowledged) is removed at the next start; damage to acknowledged data refuses the start.
//! - A write or sync of the WAL that fails stops writing for good; a full disk does not.
//! - A WAL file is written anew only after a durable checkpoint says that segments hold what it held. A segment's file
//!   is removed only after a durable checkpoint or WAL entry says that nothing of it is left.
//! - A start replays at most `replay_bytes` of WAL: writing waits for the flush beyond that.
//!
//! Memory: 32 bytes for each batch that is in the WAL only, 24 for each run (what one segment has of one shard), the
//! memory tail, and the footers of segments that are read. An idle shard costs what its name costs.
//!
//! This crate knows nothing of streams, records' contents, HTTP or the wall clock.

mod bytes;
mod caps;
mod checkpoint;
mod directory;
#[cfg(feature = "driven")]
mod driven;
mod embedded;
mod error;
mod failstop;
mod flush;
mod flusher;
#[cfg(feature = "fuzzing")]
pub mod fuzzing;
mod index;
mod inspect;
mod memory_tail;
mod names;
mod open;
mod open_files;
mod options;
mod pieces;
mod queue;
mod reader;
mod repair;
mod runs;
mod segment;
mod shard;
mod stats;
mod wal;

#[cfg(test)]
mod tests;

#[cfg(feature = "driven")]
pub use driven::Driver;
pub use embedded::EmbeddedLog;
pub use error::OpenError;
pub use inspect::report::{Gone, Inspection, Loss, Problem, SegmentReport, ShardReport, WalFileReport};
pub use inspect::{Depth, inspect};
pub use options::Options;
pub use repair::{Repaired, Repairer};
pub use stats::Stats;
pub use wal::recover::RecoveryReport;

use failstop::FailStop;
use flusher::FlushState;
use millstream_host::Clock;
use millstream_log::Refused;
use queue::Queue;
use reader::Reader;
use segment::table::Segments;
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
    pub(crate) segments: Segments,
    pub(crate) flush: FlushState,
    pub(crate) reader: Reader,
    pub(crate) failstop: FailStop,
    pub(crate) counters: Counters,
    pub(crate) clock: Arc<dyn Clock>,
}

impl Shared {
    pub(crate) fn new(options: &Options, segments: Segments, clock: Arc<dyn Clock>) -> Self {
        let admission = usize::try_from(options.admission_bytes).unwrap_or(Semaphore::MAX_PERMITS);
        Self {
            queue: Queue::default(),
            admission: Arc::new(Semaphore::new(admission)),
            call_bytes: options.call_bytes(),
            shards: Shards::default(),
            segments,
            flush: FlushState::default(),
            reader: Reader::new(&options.disk),
            failstop: FailStop::default(),
            counters: Counters::default(),
            clock,
        }
    }

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
