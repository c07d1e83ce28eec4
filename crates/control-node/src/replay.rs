use crate::caps;
use crate::node::{ControlHandle, Node};
use millstream_control::{Entry, EntryError, State};
use millstream_host::Clock;
use millstream_log::{AppendError, Log, ReadError, ReadLimit, RetentionClass};
use millstream_types::{LogShard, Position};
use std::sync::Arc;

#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    #[error("the control log cannot be made: {0}")]
    Create(#[from] AppendError),
    #[error("the control log cannot be read: {0}")]
    Read(#[from] ReadError),
    /// Skipping it would give a state that was never true, so the server does not start.
    #[error(
        "control command {position} cannot be applied: {source}. The data directory was probably written by a newer \
         version of Millstream: start that version"
    )]
    Replay { position: Position, source: EntryError },
}

/// Rebuild the state from the log and start the node.
pub async fn open(log: Arc<dyn Log>, clock: Arc<dyn Clock>) -> Result<ControlHandle, OpenError> {
    log.create(LogShard::CONTROL, RetentionClass::Forever).await?;
    let state = replay(&*log).await?;
    Ok(Node::start(log, clock, state))
}

async fn replay(log: &dyn Log) -> Result<State, OpenError> {
    let limit = ReadLimit { records: usize::MAX, bytes: caps::REPLAY_BYTES };
    let mut state = State::default();
    let mut next = Position::ZERO;
    loop {
        let chunk = log.read(LogShard::CONTROL, next, limit).await?;
        if chunk.batches.is_empty() {
            return Ok(state);
        }
        for (position, record) in chunk.batches.iter().flat_map(millstream_log::StoredBatch::records) {
            Entry::replay(&record, &mut state).map_err(|source| OpenError::Replay { position, source })?;
            next = position.next();
        }
    }
}
