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
