//! Wall-clock time and chance. The application stands outside Millstream's house, so it has its own door to them.

use std::time::{SystemTime, UNIX_EPOCH};

/// Milliseconds since 1970.
#[expect(
    clippy::disallowed_methods,
    reason = "a program of its own: it knows Millstream only through the network"
)]
pub(crate) fn now_ms() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}

/// 64 random bits of the system.
#[expect(
    clippy::disallowed_methods,
    reason = "a program of its own: it knows Millstream only through the network"
)]
pub(crate) fn entropy() -> u64 {
    // Without the system's entropy the clock still tells two runs apart, which is all that is asked of it here.
    getrandom::u64().unwrap_or_else(|_| now_ms().rotate_left(20))
}
