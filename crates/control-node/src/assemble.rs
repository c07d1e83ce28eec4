//! From the records of a snapshot to its state.

use crate::encode::{hash_of, sha256};
use crate::history::Mark;
use millstream_control::{
    Entry, EntryError, SNAPSHOT_FORMAT, SnapshotBegin, SnapshotEnd, SnapshotPart, State,
};
use millstream_types::Position;

/// Why a snapshot in the log is not used. None of them is passed over: a state that is not certain is none.
#[derive(Debug, thiserror::Error)]
pub enum SnapshotError {
    #[error("it has format {found}, and this version of Millstream reads format {known}")]
    Format { found: u64, known: u64 },
    #[error(
        "snapshot {found} stands where only a number above {last} can: records are missing or out of order"
    )]
    Number { found: u64, last: u64 },
    #[error(
        "part {part} of snapshot {id} stands where it does not belong: records are missing or out of order"
    )]
    Stray { id: u64, part: u64 },
    #[error("snapshot {id} ends where no such snapshot was begun: records are missing or out of order")]
    StrayEnd { id: u64 },
    #[error("{parts} parts of {bytes} bytes were written, and {found_parts} of {found_bytes} are there")]
    Incomplete { parts: u64, bytes: u64, found_parts: u64, found_bytes: u64 },
    #[error("its SHA-256 is {found} and was {written} when it was written: it is damaged")]
    Damaged { written: String, found: String },
    #[error("its content is {0}")]
    Unreadable(#[from] EntryError),
    #[error("it counts {written} commands before it, and {replayed} are there")]
    Commands { written: u64, replayed: u64 },
    /// Commands mean something else than when the snapshot was made, or were changed since.
    #[error("it is not what the commands before it give: its SHA-256 is {snapshot}, theirs {replayed}")]
    Differs { snapshot: String, replayed: String },
}

impl SnapshotError {
    /// What whoever starts the server can do.
    pub(crate) fn advice(&self) -> &'static str {
        match self {
            Self::Format { .. } | Self::Unreadable(_) => {
                "It was probably written by a newer version of Millstream: start that version"
            }
            _ => {
                "Keep the data directory as it is, and start from a copy of it made earlier, if there is one"
            }
        }
    }
}

/// A snapshot whose last record has not been met yet.
#[derive(Debug)]
pub(crate) struct Pending {
    begin: SnapshotBegin,
    /// Where it begins: the commands before this position are in it.
    pub(crate) position: Position,
    pub(crate) mark: Mark,
    parts: u64,
    content: Vec<u8>,
    /// The state that the commands before it gave; none if they are trimmed.
    replayed: Option<State>,
    /// Commands behind its beginning, which wait for the state that they change.
    pub(crate) held: Vec<(Position, Entry)>,
}

impl Pending {
    pub(crate) fn begin(
        begin: SnapshotBegin,
        position: Position,
        mark: Mark,
        replayed: Option<State>,
    ) -> Result<Self, SnapshotError> {
        if begin.format != SNAPSHOT_FORMAT {
            return Err(SnapshotError::Format { found: begin.format.into(), known: SNAPSHOT_FORMAT.into() });
        }
        Ok(Self { begin, position, mark, parts: 0, content: Vec::new(), replayed, held: Vec::new() })
    }

    pub(crate) fn part(&mut self, part: SnapshotPart, bytes: &[u8]) -> Result<(), SnapshotError> {
        if part.id != self.begin.id || part.number != self.parts {
            return Err(SnapshotError::Stray { id: part.id, part: part.number });
        }
        self.parts += 1;
        self.content.extend_from_slice(bytes);
        Ok(())
    }

    /// All of it is there: the state, which is what the commands before it gave, if they are there.
    pub(crate) fn end(&self, end: &SnapshotEnd) -> Result<State, SnapshotError> {
        if end.id != self.begin.id {
            return Err(SnapshotError::StrayEnd { id: end.id });
        }
        let found_bytes = self.content.len() as u64;
        if (end.parts, end.bytes) != (self.parts, found_bytes) {
            let (parts, bytes, found_parts) = (end.parts, end.bytes, self.parts);
            return Err(SnapshotError::Incomplete { parts, bytes, found_parts, found_bytes });
        }
        let found = sha256(&self.content);
        if found != end.sha256 {
            return Err(SnapshotError::Damaged { written: end.sha256.clone(), found });
        }
        let state = State::from_snapshot(&self.content)?;
        if let Some(replayed) = &self.replayed {
            check_same(&state, replayed)?;
        }
        Ok(state)
    }
}

/// The hashes are of the states as this version encodes them: a version that adds to the state still finds a snapshot of
/// the version before it the same.
fn check_same(snapshot: &State, replayed: &State) -> Result<(), SnapshotError> {
    let (snapshot, replayed) = (hash_of(snapshot)?, hash_of(replayed)?);
    if snapshot == replayed { Ok(()) } else { Err(SnapshotError::Differs { snapshot, replayed }) }
}
