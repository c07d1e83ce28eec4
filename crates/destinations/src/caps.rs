//! Limits on what is sent out.

use std::time::Duration;

/// How long one request may take, answer included. The sender tries again.
pub const REQUEST: Duration = Duration::from_secs(15);

/// How much of an answer is read, in bytes: enough to show what went wrong.
pub const ANSWER_BYTES: usize = 4 << 10;

/// How much of an answer is shown, in characters.
pub const SHOWN_CHARS: usize = 300;

/// Connections kept to one endpoint while nothing is sent.
pub const IDLE_CONNECTIONS: usize = 4;
