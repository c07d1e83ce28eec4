use millstream_types::{LogShard, Position};

/// What is known of work that failed. Only `NotDone` may be repeated without thought.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Nothing happened and nothing will.
    NotDone,
    /// It may have happened: the log stopped while it was under way.
    Unknown,
}

/// The log did not take the call; nothing of it will ever be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    #[error("the log takes no more bytes right now")]
    Full,
    #[error("the log cannot grow: the disk is full, or the process has no file handles or memory left")]
    NoSpace,
    #[error("{0} does not exist")]
    NoSuchShard(LogShard),
    /// Waiting does not help: one call is one unit of writing, and this one is above the log's limit.
    #[error("one append of {bytes} bytes is above the limit of {limit}")]
    TooLarge { bytes: u64, limit: u64 },
    #[error("the log is closed")]
    Closed,
    #[error("the log has stopped: {0}")]
    Stopped(String),
}

#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AppendError {
    #[error(transparent)]
    Refused(#[from] Refused),
    /// Admitted, then the log stopped before it was known to be durable.
    #[error("the log stopped before the outcome was known: {0}")]
    Unknown(String),
}

impl AppendError {
    pub fn outcome(&self) -> Outcome {
        match self {
            Self::Refused(_) => Outcome::NotDone,
            Self::Unknown(_) => Outcome::Unknown,
        }
    }
}

#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ReadError {
    #[error("{0} does not exist")]
    NoSuchShard(LogShard),
    /// The records there are gone; `earliest` is the first position that can be read.
    #[error("the records are trimmed up to position {earliest}")]
    Trimmed { earliest: Position },
    #[error("damaged data at position {position}: {detail}")]
    Corrupt { position: Position, detail: String },
    #[error("reading failed: {0}")]
    Io(String),
}
