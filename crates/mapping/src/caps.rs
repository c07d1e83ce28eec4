//! Limits of event source mappings, and the times of their retries.

use std::time::Duration;

/// The largest event given to a function, in bytes of JSON: Lambda's limit on a synchronous payload.
pub const EVENT_BYTES: usize = 6_291_556;

/// Data and partition keys read at once. Base64 makes 6 MiB of JSON of 4.5 MiB.
pub const READ_BYTES: usize = 9 << 19;

/// The pause after the first failure of a batch; it doubles with every further one, up to the longest. The pause taken is
/// a random part of it, so that many shards do not retry in step.
pub const FIRST_PAUSE: Duration = Duration::from_millis(500);
pub const LONGEST_PAUSE: Duration = Duration::from_mins(1);

/// The longest pause through which a lane keeps a batch in memory. Through a longer one it keeps only where the batch
/// begins and ends, and reads it again after it: many blocked shards would else hold many megabytes each.
pub const HELD_PAUSE: Duration = Duration::from_secs(1);

/// The pause after all workers were busy.
pub const THROTTLED_PAUSE: Duration = Duration::from_millis(200);

/// The pause after a read or a subscription that failed, or that another subscription took over.
pub const READ_PAUSE: Duration = Duration::from_secs(1);
pub const TAKEN_OVER_PAUSE: Duration = Duration::from_secs(5);

/// The pause after a control command that was not taken, and how often a lane that is over tries its last checkpoint.
pub const CONTROL_PAUSE: Duration = Duration::from_secs(1);
pub const LAST_CHECKPOINT_TRIES: u32 = 5;

/// How long a shutdown waits for invocations under way. What does not end in time is given up, and runs again after the
/// next start.
pub const SHUTDOWN_GRACE: Duration = Duration::from_secs(5);

/// How much of a function's error type is shown and logged, in characters.
pub const ERROR_TYPE_CHARS: usize = 64;

/// How far the fastest of the parallel lanes of a shard may be ahead of the slowest, in records: after a restart, or with
/// another factor, they all begin where the slowest is.
pub const AHEAD: u64 = 100_000;

/// A batch that has this many of the shard's records between its first and where reading stands goes without waiting for
/// more, however few of them are its own.
pub const BATCH_SPAN: u64 = 100_000;

/// The largest page read at once where a lane takes only some of the records.
pub const PAGE_RECORDS: usize = 10_000;

/// How long after its end by the clock a tumbling window is closed for want of a later record. A record's arrival is
/// decided before it is durable.
pub const WINDOW_GRACE: Duration = Duration::from_secs(1);

/// The largest state that a tumbling window goes on with, in bytes of JSON (Developer Guide: 1 MB per shard), and the
/// largest that a function may return at all, for it to fit in the event of the window's end.
pub const STATE_BYTES: usize = 1 << 20;
pub const LARGEST_STATE_BYTES: usize = EVENT_BYTES - (8 << 10);

/// The pause between two changes of what came of last batches being written down.
pub const RESULT_PAUSE: Duration = Duration::from_secs(1);
