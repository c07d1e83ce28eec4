//! Limits of asynchronous invocations, and the times of their retries.

use std::time::Duration;

/// A simulation lasts minutes and must come to what a server comes to in days.
const SIMULATED: bool = cfg!(feature = "sim");

/// Events that wait for one function, and for all of the server together. AWS has no such limits that are written down: its
/// queue is not one machine's.
pub const EVENTS_PER_FUNCTION: usize = 50_000;
pub const EVENTS: usize = 100_000;

/// What they hold on disk, payloads with what is known of them, in bytes.
pub const BYTES_PER_FUNCTION: u64 = 256 << 20;
pub const BYTES: u64 = 512 << 20;

/// Answers of functions that wait for a destination to take them, in bytes. An answer for which there is no room is told once,
/// at once, and not kept.
pub const ANSWER_BYTES: u64 = 256 << 20;

/// Invocation records that are on their way at once, and those to one destination.
pub const TELLING: usize = 64;
pub const TELLING_ONE: usize = 8;

/// The pauses after a function failed with an event, the last for all further ones (Developer Guide, "How Lambda handles
/// errors and retries with asynchronous invocation").
pub const FAILED_PAUSES: [Duration; 2] = [Duration::from_mins(1), Duration::from_mins(2)];

/// The pause after an event could not be given to its function at all; it doubles up to the longest (as above).
pub const FIRST_PAUSE: Duration = Duration::from_secs(1);
pub const LONGEST_PAUSE: Duration = Duration::from_mins(5);

/// How long a function's other events wait after one of them found no room.
pub const CLOSED: Duration = Duration::from_secs(1);

/// How long a destination is tried, with the pauses above in between. AWS does not say how long it tries.
pub const TOLD_WITHIN: Duration = Duration::from_hours(6);

/// The largest invocation records that services take, in bytes. What is larger is told without the payloads.
pub const SQS_RECORD: usize = 1 << 20;
pub const SNS_RECORD: usize = 256 << 10;
pub const BUS_RECORD: usize = 256 << 10;
pub const FUNCTION_RECORD: usize = 1 << 20;

/// `ErrorMessage` of a dead letter, in bytes.
pub const MESSAGE_BYTES: usize = 1 << 10;

/// How long an event waits for room in the log.
pub const ADMISSION: Duration = Duration::from_secs(5);

/// How much of the journal is read at a time.
pub const READ_BYTES: usize = 8 << 20;
pub const READ_RECORDS: usize = 10_000;

/// The journal is cleaned when it holds so much more than twice what waits, in bytes and in records, and trimmed when so much
/// of it has come to its end.
pub const GARBAGE_BYTES: u64 = 64 << 20;
pub const GARBAGE_RECORDS: u64 = if SIMULATED { 40 } else { 100_000 };
pub const TRIM_BYTES: u64 = 16 << 20;
pub const TRIM_RECORDS: u64 = if SIMULATED { 10 } else { 10_000 };

/// What is written anew at a time when the journal is cleaned.
pub const MOVED_BYTES: u64 = 4 << 20;
pub const MOVED_EVENTS: usize = if SIMULATED { 3 } else { 1_000 };

/// How closely it is known how much of the journal lies behind a position.
pub const MARK_BYTES: u64 = 1 << 20;

/// How long to wait before work that failed is tried again: what could not be written down, and a journal that could not be
/// opened.
pub const RETRY: Duration = Duration::from_secs(1);

/// How long a shutdown waits for what is under way. What does not end in time runs again after the next start.
pub const SHUTDOWN_GRACE: Duration = Duration::from_secs(5);
