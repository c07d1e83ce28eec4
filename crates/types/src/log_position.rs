use serde::{Deserialize, Serialize};
use std::fmt;

/// One ordered sequence of records in the log. Unique for the life of a data directory: a stream that is deleted and
/// created again gets new ones, so that nothing old is ever read as new.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct LogShard(pub u64);

impl LogShard {
    /// The control plane's own commands.
    pub const CONTROL: Self = Self(0);
}

impl fmt::Display for LogShard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "log-{}", self.0)
    }
}

/// A record's place in its log shard: 0 for the first, dense, assigned by the log.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Position(pub u64);

impl Position {
    pub const ZERO: Self = Self(0);

    #[must_use]
    pub const fn plus(self, records: u64) -> Self {
        Self(self.0 + records)
    }

    #[must_use]
    pub const fn next(self) -> Self {
        self.plus(1)
    }
}

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}
