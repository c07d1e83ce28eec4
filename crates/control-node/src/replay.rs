use crate::assemble::{Pending, SnapshotError};
use crate::caps;
use crate::handle::ControlHandle;
use crate::history::{History, SnapshotPolicy};
use crate::node::Node;
use millstream_control::{
    Entry, EntryError, Record, SnapshotBegin, SnapshotEnd, SnapshotPart, SnapshotRecord, State,
};
use millstream_host::Clock;
use millstream_log::{AppendError, Chunk, Log, ReadError, ReadLimit, RetentionClass};
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
    #[error(
        "the snapshot of the control state at position {position} of the control log cannot be used: {source}. {}",
        .source.advice()
    )]
    Snapshot { position: Position, source: SnapshotError },
    #[error(
        "the control log begins at position {earliest}, and no whole snapshot of the control state stands there: what \
         exists cannot be known. Keep the data directory as it is, and start from a copy of it made earlier, if there \
         is one"
    )]
    NoSnapshot { earliest: Position },
}

/// Rebuild the state from the log and start the node.
pub async fn open(log: Arc<dyn Log>, clock: Arc<dyn Clock>) -> Result<ControlHandle, OpenError> {
    open_with(log, clock, SnapshotPolicy::default()).await
}

/// As [`open`], with snapshots as `policy` says.
pub async fn open_with(
    log: Arc<dyn Log>,
    clock: Arc<dyn Clock>,
    policy: SnapshotPolicy,
) -> Result<ControlHandle, OpenError> {
    log.create(LogShard::CONTROL, RetentionClass::Forever).await?;
    let replayed = replay(&*log).await?;
    if let Some(before) = replayed.untrimmed {
        tracing::info!(%before, "trimming the control log, which a crash had left undone");
        // Only room is lost if it fails: the next snapshot trims this too.
        if let Err(error) = log.trim(LogShard::CONTROL, before).await {
            tracing::warn!(%error, "the control log could not be trimmed");
        }
    }
    Ok(Node::start(log, clock, policy, replayed))
}

/// What a log gives.
#[derive(Debug)]
pub(crate) struct Replayed {
    pub(crate) state: State,
    pub(crate) history: History,
    /// Everything before this position is in a snapshot, and still there.
    untrimmed: Option<Position>,
}

async fn replay(log: &dyn Log) -> Result<Replayed, OpenError> {
    let limit = ReadLimit { records: usize::MAX, bytes: caps::REPLAY_BYTES };
    let (mut next, mut chunk) = match log.read(LogShard::CONTROL, Position::ZERO, limit).await {
        Err(ReadError::Trimmed { earliest }) => {
            (earliest, log.read(LogShard::CONTROL, earliest, limit).await?)
        }
        found => (Position::ZERO, found?),
    };
    let mut reader = Reader::new(next);
    while !chunk.batches.is_empty() {
        next = reader.chunk(&chunk, next)?;
        chunk = log.read(LogShard::CONTROL, next, limit).await?;
    }
    reader.finish()
}

struct Reader {
    /// The first position that can be read.
    earliest: Position,
    /// None until the first snapshot is whole, if the commands before it are trimmed.
    state: Option<State>,
    history: History,
    pending: Option<Pending>,
    /// Where the newest whole snapshot begins.
    covered: Option<Position>,
}

impl Reader {
    fn new(earliest: Position) -> Self {
        let state = (earliest == Position::ZERO).then(State::default);
        Self { earliest, state, history: History::default(), pending: None, covered: None }
    }

    /// Take in the records from `from` on; the position after the last.
    fn chunk(&mut self, chunk: &Chunk, from: Position) -> Result<Position, OpenError> {
        let mut next = from;
        for (position, bytes) in chunk.batches.iter().flat_map(millstream_log::StoredBatch::records) {
            if position >= from {
                self.record(position, &bytes)?;
                next = position.next();
            }
        }
        Ok(next)
    }

    fn record(&mut self, position: Position, bytes: &[u8]) -> Result<(), OpenError> {
        match Record::decode(bytes).map_err(|source| OpenError::Replay { position, source })? {
            Record::Entry(entry) => self.entry(position, entry, bytes.len()),
            Record::Part(part, content) => self.part(position, part, content),
            Record::Snapshot(SnapshotRecord::Begin(begin)) => self.begin(position, begin),
            Record::Snapshot(SnapshotRecord::End(end)) => self.end(position, &end),
        }
    }

    fn entry(&mut self, position: Position, entry: Entry, bytes: usize) -> Result<(), OpenError> {
        match (&mut self.state, &mut self.pending) {
            (Some(state), _) => {
                entry.apply(state).map_err(|source| OpenError::Replay { position, source })?;
            }
            (None, Some(pending)) => pending.held.push((position, entry)),
            (None, None) => return Err(OpenError::NoSnapshot { earliest: self.earliest }),
        }
        self.history.command(bytes);
        Ok(())
    }

    fn begin(&mut self, position: Position, begin: SnapshotBegin) -> Result<(), OpenError> {
        // Only a whole snapshot lets the log be trimmed, so the first one that can be read is whole.
        if self.state.is_none() && self.pending.is_some() {
            return Err(OpenError::NoSnapshot { earliest: self.earliest });
        }
        let refuse = |source| OpenError::Snapshot { position, source };
        let last = self.history.last_id;
        if begin.id <= last {
            return Err(refuse(SnapshotError::Number { found: begin.id, last }));
        }
        if self.state.is_none() {
            self.history = History::after(begin.commands);
        }
        let replayed = self.history.now().commands;
        if begin.commands != replayed {
            return Err(refuse(SnapshotError::Commands { written: begin.commands, replayed }));
        }
        self.history.last_id = begin.id;
        let (mark, state) = (self.history.now(), self.state.clone());
        // One that was begun before and has no end was given up.
        self.pending = Some(Pending::begin(begin, position, mark, state).map_err(refuse)?);
        Ok(())
    }

    fn part(&mut self, position: Position, part: SnapshotPart, content: &[u8]) -> Result<(), OpenError> {
        let (id, number) = (part.id, part.number);
        let taken = match &mut self.pending {
            Some(pending) => pending.part(part, content),
            None if self.state.is_none() => return Err(OpenError::NoSnapshot { earliest: self.earliest }),
            None => Err(SnapshotError::Stray { id, part: number }),
        };
        taken.map_err(|source| OpenError::Snapshot { position, source })
    }

    fn end(&mut self, position: Position, end: &SnapshotEnd) -> Result<(), OpenError> {
        let Some(pending) = self.pending.take() else {
            if self.state.is_none() {
                return Err(OpenError::NoSnapshot { earliest: self.earliest });
            }
            let source = SnapshotError::StrayEnd { id: end.id };
            return Err(OpenError::Snapshot { position, source });
        };
        let position = pending.position;
        let mut state = pending.end(end).map_err(|source| OpenError::Snapshot { position, source })?;
        if self.state.is_none() {
            for (position, entry) in pending.held {
                entry.apply(&mut state).map_err(|source| OpenError::Replay { position, source })?;
            }
            self.state = Some(state);
        }
        self.history.covered(pending.mark, end.bytes);
        self.covered = Some(position);
        Ok(())
    }

    fn finish(self) -> Result<Replayed, OpenError> {
        let Some(state) = self.state else {
            return Err(OpenError::NoSnapshot { earliest: self.earliest });
        };
        if let Some(pending) = &self.pending {
            tracing::info!(position = %pending.position, "passing over a snapshot that has no end");
        }
        let untrimmed = self.covered.filter(|covered| *covered > self.earliest);
        Ok(Replayed { state, history: self.history, untrimmed })
    }
}
