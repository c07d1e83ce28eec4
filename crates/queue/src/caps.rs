//! Limits of a queue: what its clients can make it hold.

use std::time::Duration;

/// A simulation lasts seconds and must come to what a server comes to in days.
const SIMULATED: bool = cfg!(feature = "sim");

/// Records that were received and not acknowledged, dead letters included. SQS has the same.
pub(crate) const OUTSTANDING: usize = 120_000;

/// Requests that wait for their turn, and receivers that wait for a record.
pub(crate) const MAILBOX: usize = 1_024;
pub(crate) const WAITING: usize = 1_024;

/// Requests whose changes are made durable together.
pub(crate) const GROUP: usize = 64;

/// Data and keys of one answer. At least one record comes, however large.
pub(crate) const ANSWER_BYTES: usize = 10 << 20;

/// How long a change waits for room in the log.
pub(crate) const ADMISSION: Duration = Duration::from_secs(5);

/// A snapshot is due after so many changes, if they are more than what it would hold.
pub(crate) const SNAPSHOT_CHANGES: usize = if SIMULATED { 60 } else { 10_000 };

/// Changes in one record of a snapshot.
pub(crate) const SNAPSHOT_PART: usize = if SIMULATED { 7 } else { 1_000 };

/// How much of the journal is read at a time.
pub(crate) const JOURNAL_BYTES: usize = 4 << 20;
pub(crate) const JOURNAL_RECORDS: usize = 10_000;

/// How long to wait before work that failed is tried again.
pub(crate) const RETRY: Duration = Duration::from_secs(1);

/// How long one that measures waits for a queue, which may be waiting for the disk.
pub(crate) const MEASURE: Duration = Duration::from_secs(2);
