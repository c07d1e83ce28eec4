//! Limits of the control node.

use std::time::Duration;

/// Commands waiting to be applied; a submitter waits for room beyond it.
pub const QUEUE: usize = 1_024;

/// Commands made durable with one sync.
pub const GROUP: usize = 256;

/// How long a group waits for room in the log.
pub const ADMISSION: Duration = Duration::from_secs(10);

/// One read of the log during replay.
pub const REPLAY_BYTES: usize = 4 << 20;

/// A snapshot is due when so many commands, or so many bytes of them, came since the last.
pub const SNAPSHOT_COMMANDS: u64 = 10_000;
pub const SNAPSHOT_BYTES: u64 = 4 << 20;

/// Bytes of the state in one record of a snapshot. While it is encoded and written, commands wait.
pub const SNAPSHOT_PART: usize = 256 << 10;

/// How long a record of a snapshot waits for room in the log, and commands behind it. Without room the snapshot is
/// given up and tried again later.
pub const SNAPSHOT_ADMISSION: Duration = Duration::from_secs(1);

/// A snapshot that was given up is tried again after one such fraction of the commands that make one due.
pub const SNAPSHOT_RETRY: u64 = 10;
