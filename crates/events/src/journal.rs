//! Events on disk: a log shard for all functions. See `docs/formats/events.md`.

use crate::caps;
use crate::entry::{Entry, EntryError, Whole};
use crate::event::{Event, Progress};
use bytes::Bytes;
use millstream_log::{AppendError, BatchBuilder, Log, ReadError, ReadLimit};
use millstream_types::{LogShard, Position, Timestamp};
use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

#[derive(Debug, thiserror::Error)]
pub(crate) enum JournalError {
    #[error(transparent)]
    Read(#[from] ReadError),
    #[error(transparent)]
    Entry(#[from] EntryError),
    #[error("the journal of events has no event at position {0}")]
    NoEvent(Position),
}

#[derive(Debug)]
pub(crate) struct Journal {
    log: Arc<dyn Log>,
    shard: LogShard,
}

/// What waits, without payloads, and what is known of the journal.
#[derive(Debug, Default)]
pub(crate) struct Restored {
    pub(crate) events: BTreeMap<u64, Kept>,
    pub(crate) next_id: u64,
    pub(crate) extent: Extent,
}

#[derive(Debug)]
pub(crate) struct Kept {
    pub(crate) event: Event,
    pub(crate) progress: Progress,
    pub(crate) due: Timestamp,
    /// Of its newest whole record.
    pub(crate) position: Position,
    /// Of that record.
    pub(crate) bytes: u64,
    pub(crate) response: u64,
}

impl Journal {
    /// Read a journal from where it was trimmed.
    pub(crate) async fn open(log: Arc<dyn Log>, shard: LogShard) -> Result<(Self, Restored), JournalError> {
        let journal = Self { log, shard };
        let mut restored = Restored::default();
        let limit = ReadLimit { records: caps::READ_RECORDS, bytes: caps::READ_BYTES };
        let mut from = Position(0);
        loop {
            let chunk = match journal.log.read(shard, from, limit).await {
                Err(ReadError::Trimmed { earliest }) if earliest > from => {
                    from = earliest;
                    restored.extent = Extent::from(earliest);
                    continue;
                }
                chunk => chunk?,
            };
            for stored in &chunk.batches {
                for (position, bytes) in stored.records() {
                    if position < from {
                        continue;
                    }
                    restored.apply(position, &bytes)?;
                    from = position.next();
                }
            }
            if from >= chunk.tail {
                return Ok((journal, restored));
            }
        }
    }

    /// Make records durable, all or none; where the first is.
    pub(crate) async fn append(&self, records: &[Vec<u8>], at: Timestamp) -> Result<Position, AppendError> {
        let bytes = records.iter().map(|record| record.len() + BatchBuilder::OVERHEAD).sum();
        let mut batch = BatchBuilder::with_capacity(bytes);
        for record in records {
            batch.push(record);
        }
        let ticket = self.log.append(vec![(self.shard, batch.finish(at))], caps::ADMISSION).await?;
        match ticket.durable().await?.first() {
            Some(appended) => Ok(appended.first),
            None => Err(AppendError::Unknown("the log does not say where it put a batch".into())),
        }
    }

    /// An event with its payload.
    pub(crate) async fn read(&self, position: Position) -> Result<Whole, JournalError> {
        let limit = ReadLimit { records: 1, bytes: 1 };
        let chunk = self.log.read(self.shard, position, limit).await?;
        let records = chunk.batches.iter().flat_map(millstream_log::StoredBatch::records);
        let record = records.into_iter().find(|(at, _)| *at == position);
        let (_, record) = record.ok_or(JournalError::NoEvent(position))?;
        match Entry::decode(&record)? {
            Entry::Whole(whole) => Ok(*whole),
            Entry::Failed { .. } | Entry::Done(_) => Err(JournalError::NoEvent(position)),
        }
    }

    /// Forget what is before a position.
    pub(crate) async fn trim(&self, before: Position) -> Result<(), AppendError> {
        self.log.trim(self.shard, before).await
    }
}

impl Restored {
    fn apply(&mut self, position: Position, record: &Bytes) -> Result<(), JournalError> {
        let bytes = record.len() as u64;
        self.extent.appended(position, 1, bytes);
        match Entry::decode(record)? {
            Entry::Whole(whole) => {
                let Whole { event, failed, due, outcome, response, .. } = *whole;
                self.seen(event.id);
                let progress = Progress { failed, outcome, ..Progress::default() };
                let response = response.len() as u64;
                self.events.insert(event.id, Kept { event, progress, due, position, bytes, response });
            }
            Entry::Failed { id, failed, due } => {
                self.seen(id);
                if let Some(kept) = self.events.get_mut(&id) {
                    kept.progress.failed = failed;
                    kept.due = due;
                }
            }
            Entry::Done(ids) => {
                for id in ids {
                    self.seen(id);
                    self.events.remove(&id);
                }
            }
        }
        Ok(())
    }

    fn seen(&mut self, id: u64) {
        self.next_id = self.next_id.max(id + 1);
    }
}

/// How much of the journal there is.
#[derive(Debug, Default)]
pub(crate) struct Extent {
    first: Position,
    tail: Position,
    /// All that was ever counted, before the tail and before the first.
    counted: u64,
    forgotten: u64,
    /// What was counted before some positions.
    marks: VecDeque<(Position, u64)>,
}

impl Extent {
    pub(crate) fn from(first: Position) -> Self {
        Self { first, tail: first, ..Self::default() }
    }

    pub(crate) fn appended(&mut self, first: Position, records: u64, bytes: u64) {
        let last_mark = self.marks.back().map_or(self.forgotten, |(_, counted)| *counted);
        if self.counted - last_mark >= caps::MARK_BYTES {
            self.marks.push_back((self.tail, self.counted));
        }
        // Appends of several calls may be told of in another order than they were made.
        self.tail = self.tail.max(first.plus(records));
        self.counted += bytes;
    }

    pub(crate) fn trimmed(&mut self, before: Position) {
        self.first = self.first.max(before);
        if self.first >= self.tail {
            self.forgotten = self.counted;
            self.marks.clear();
        }
        while let Some((_, counted)) = self.marks.front().filter(|(at, _)| *at <= self.first).copied() {
            self.forgotten = counted;
            self.marks.pop_front();
        }
    }

    pub(crate) fn first(&self) -> Position {
        self.first
    }

    pub(crate) fn tail(&self) -> Position {
        self.tail
    }

    pub(crate) fn bytes(&self) -> u64 {
        self.counted - self.forgotten
    }

    pub(crate) fn records(&self) -> u64 {
        self.tail.0 - self.first.0
    }

    /// Of what is before a position, at least so much.
    pub(crate) fn bytes_before(&self, position: Position) -> u64 {
        let before = self.marks.iter().rev().find(|(at, _)| *at <= position);
        let counted =
            if position >= self.tail { Some(self.counted) } else { before.map(|(_, counted)| *counted) };
        counted.map_or(0, |counted| counted - self.forgotten)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_extent_is_known_to_a_mark() {
        let mut extent = Extent::from(Position(5));
        for number in 0..10_u64 {
            extent.appended(Position(5 + number), 1, caps::MARK_BYTES / 2);
        }
        assert_eq!((extent.records(), extent.bytes()), (10, 5 * caps::MARK_BYTES));
        assert_eq!(extent.bytes_before(Position(5)), 0);
        assert_eq!(extent.bytes_before(Position(8)), caps::MARK_BYTES);
        assert_eq!(extent.bytes_before(extent.tail()), extent.bytes());
        extent.trimmed(Position(9));
        assert_eq!(
            (extent.first(), extent.records(), extent.bytes()),
            (Position(9), 6, 3 * caps::MARK_BYTES)
        );
        extent.trimmed(Position(15));
        assert_eq!((extent.records(), extent.bytes()), (0, 0));
        extent.appended(Position(15), 2, 7);
        assert_eq!((extent.records(), extent.bytes()), (2, 7));
    }
}
