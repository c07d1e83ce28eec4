//! Every limit of this crate.

use std::time::Duration;

/// Idle connections kept to one endpoint.
pub const IDLE_CONNECTIONS: usize = 64;
/// An endpoint must take a connection within this.
pub const CONNECT: Duration = Duration::from_secs(5);
/// How much of an unexpected answer an error shows, in characters.
pub const SHOWN_CHARS: usize = 200;
/// Regions of AWS to which clients are kept.
pub const REGIONS: usize = 64;
/// AWS may take this much longer than the function's own time, to start it.
pub const AWS_GRACE: Duration = Duration::from_secs(12);
