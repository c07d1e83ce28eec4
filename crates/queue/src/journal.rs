//! The delivery state on disk: a log shard of the queue's own. See `docs/formats/queue.md`.

use crate::caps;
use crate::change::Change;
use crate::delivery::Deliveries;
use millstream_log::{AppendError, Batch, BatchBuilder, Log, ReadError, ReadLimit};
use millstream_types::{LogShard, Position, Timestamp};
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// What this version writes and reads.
const FORMAT: u32 = 1;

/// One record of a journal.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Entry {
    format: u32,
    /// The first record of a snapshot: forget all that came before.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    snapshot: bool,
    changes: Vec<Change>,
}

#[derive(Debug, thiserror::Error)]
pub(crate) enum JournalError {
    #[error(transparent)]
    Read(#[from] ReadError),
    #[error("a record of the journal cannot be read: {0}")]
    Unreadable(#[from] serde_json::Error),
    #[error("a record of the journal has format {0}, which a newer version of Millstream wrote")]
    Format(u32),
}

#[derive(Debug)]
pub(crate) struct Journal {
    log: Arc<dyn Log>,
    shard: LogShard,
    /// Changes since the last snapshot.
    changes: usize,
}

impl Journal {
    /// Read a journal from where it was trimmed.
    pub(crate) async fn open(log: Arc<dyn Log>, shard: LogShard) -> Result<(Self, Deliveries), JournalError> {
        let mut journal = Self { log, shard, changes: 0 };
        let mut state = Deliveries::default();
        let limit = ReadLimit { records: caps::JOURNAL_RECORDS, bytes: caps::JOURNAL_BYTES };
        let mut from = Position(0);
        loop {
            let chunk = match journal.log.read(shard, from, limit).await {
                Err(ReadError::Trimmed { earliest }) if earliest > from => {
                    from = earliest;
                    continue;
                }
                chunk => chunk?,
            };
            for stored in &chunk.batches {
                for (position, bytes) in stored.records() {
                    if position < from {
                        continue;
                    }
                    let entry: Entry = serde_json::from_slice(&bytes)?;
                    if entry.format != FORMAT {
                        return Err(JournalError::Format(entry.format));
                    }
                    if entry.snapshot {
                        state = Deliveries::default();
                        journal.changes = 0;
                    }
                    journal.changes += entry.changes.len();
                    for change in entry.changes {
                        state.apply(change);
                    }
                    from = position.next();
                }
            }
            if from >= chunk.tail {
                return Ok((journal, state));
            }
        }
    }

    /// Make changes durable.
    pub(crate) async fn write(&mut self, changes: Vec<Change>, at: Timestamp) -> Result<(), AppendError> {
        self.changes += changes.len();
        let entry = encode(false, changes)?;
        self.append(Batch::single(at, &entry)).await.map(drop)
    }

    /// Whether the journal has become much longer than its state.
    pub(crate) fn is_snapshot_due(&self, state: &Deliveries) -> bool {
        self.changes > caps::SNAPSHOT_CHANGES && self.changes > 2 * state.outstanding()
    }

    /// Write the state and forget what led to it. One batch, so that there is all of it or nothing.
    pub(crate) async fn snapshot(&mut self, state: &Deliveries, at: Timestamp) -> Result<(), AppendError> {
        let changes: Vec<Change> = state.changes().collect();
        let mut batch = BatchBuilder::default();
        batch.push(&encode(true, Vec::new())?);
        for part in changes.chunks(caps::SNAPSHOT_PART) {
            batch.push(&encode(false, part.to_vec())?);
        }
        let first = self.append(batch.finish(at)).await?;
        self.changes = changes.len();
        self.log.trim(self.shard, first).await
    }

    async fn append(&self, batch: Batch) -> Result<Position, AppendError> {
        let ticket = self.log.append(vec![(self.shard, batch)], caps::ADMISSION).await?;
        match ticket.durable().await?.first() {
            Some(appended) => Ok(appended.first),
            None => Err(AppendError::Unknown("the log does not say where it put a batch".into())),
        }
    }
}

fn encode(snapshot: bool, changes: Vec<Change>) -> Result<Vec<u8>, AppendError> {
    let entry = Entry { format: FORMAT, snapshot, changes };
    serde_json::to_vec(&entry).map_err(|error| AppendError::Unknown(error.to_string()))
}
