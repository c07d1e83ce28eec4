//! Which records go together.

use super::event::{EMPTY, Envelope};
use super::item::{Item, Place};
use super::read::Reading;
use super::selection::Selection;
use crate::caps;
use millstream_control::MappingSettings;
use millstream_engine::PageLimit;
use millstream_types::{Position, Timestamp};
use std::collections::VecDeque;
use std::time::Duration;
use tokio::time::Instant;

/// What became of a part of a batch so far.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Piece {
    /// Before this place are its records, behind those of the pieces before it.
    end: Place,
    /// Invocations that failed and count as attempts.
    pub(super) failures: u32,
    /// All invocations that it had.
    pub(super) invocations: u32,
}

impl Piece {
    fn new(end: Place) -> Self {
        Self { end, failures: 0, invocations: 0 }
    }
}

/// A batch on its way: never of two shards, its records in order. It may have fallen into pieces, which go one after the
/// other.
#[derive(Debug)]
pub(super) struct Work {
    pub(super) records: Vec<Item>,
    pieces: VecDeque<Piece>,
}

impl Work {
    pub(super) fn new(records: Vec<Item>) -> Self {
        let end = records.last().map(|record| Piece::new(record.end()));
        Self { records, pieces: end.into_iter().collect() }
    }

    /// Where the whole of it ends.
    pub(super) fn end(&self) -> Option<Place> {
        self.pieces.back().map(|piece| piece.end)
    }

    fn front_len(&self) -> usize {
        let end = self.pieces.front().map_or(Place::START, |piece| piece.end);
        self.records.partition_point(|record| record.place() < end)
    }

    /// The piece in turn, and its records. `None` when all is done.
    pub(super) fn front(&mut self) -> Option<(&mut Piece, &[Item])> {
        while !self.pieces.is_empty() && self.front_len() == 0 {
            self.pieces.pop_front();
        }
        let len = self.front_len();
        Some((self.pieces.front_mut()?, &self.records[..len]))
    }

    /// Take the first records away.
    pub(super) fn take(&mut self, count: usize) -> Vec<Item> {
        self.records.drain(..count.min(self.records.len())).collect()
    }

    /// Take the whole piece in turn away.
    pub(super) fn take_front(&mut self) -> Vec<Item> {
        let records = self.take(self.front_len());
        self.pieces.pop_front();
        records
    }

    /// Take what is before `place` away. What is left of the piece is as new: its attempts are counted afresh.
    pub(super) fn take_before(&mut self, place: Place) -> Vec<Item> {
        if let Some(piece) = self.pieces.front_mut() {
            *piece = Piece::new(piece.end);
        }
        self.take(self.records.partition_point(|record| record.place() < place))
    }

    /// How many records are from before `oldest`. They are the first ones.
    pub(super) fn older_than(&self, oldest: Timestamp) -> usize {
        self.records.partition_point(|record| record.arrival < oldest)
    }

    /// Have the piece in turn fall in two behind its first `len` records, which know as much of attempts as before.
    pub(super) fn cut(&mut self, len: usize) {
        let Some(piece) = self.pieces.front().copied() else { return };
        if let Some(at) = self.records.get(len)
            && at.place() < piece.end
        {
            self.pieces.push_front(Piece { end: at.place(), ..piece });
        }
    }

    /// Keep the first `len` records and hand back the others, if the batch is still whole; else cut it there.
    pub(super) fn shorten(&mut self, len: usize) -> Vec<Item> {
        if let [piece] = self.pieces.make_contiguous() {
            let rest = self.records.split_off(len.min(self.records.len()));
            piece.end = rest.first().map_or(piece.end, Item::place);
            return rest;
        }
        self.cut(len);
        Vec::new()
    }

    /// Split the piece in turn in the middle. Both halves are new.
    pub(super) fn bisect(&mut self) {
        let len = self.front_len();
        let Some(piece) = self.pieces.front_mut() else { return };
        *piece = Piece::new(piece.end);
        self.cut(len.div_ceil(2));
    }
}

/// A batch in the making.
#[derive(Debug)]
pub(super) struct Forming {
    records: Vec<Item>,
    size: usize,
    /// The next record does not fit any more.
    full: bool,
    max_records: usize,
    window: Duration,
    /// When the window ends, once it has begun with the first record.
    ends: Option<Instant>,
}

impl Forming {
    /// `around` is what the event has beside its records, in bytes.
    pub(super) fn new(settings: &MappingSettings, around: usize) -> Self {
        Self {
            records: Vec::new(),
            size: EMPTY + around,
            full: false,
            max_records: usize::try_from(settings.batch_size).unwrap_or(usize::MAX).max(1),
            window: Duration::from_secs(settings.window_secs.into()),
            ends: None,
        }
    }

    /// Take as much as fits of what is pending and arrived before `until`.
    pub(super) fn take(
        &mut self,
        reading: &mut Reading,
        (envelope, selection): (&Envelope, &Selection),
        until: Option<Timestamp>,
    ) {
        loop {
            if self.records.len() >= self.max_records {
                self.full = true;
                return;
            }
            let (size, first) = (self.size, self.records.is_empty());
            let fits = |record: &Item| {
                until.is_none_or(|until| record.arrival < until)
                    && (first || size + envelope.size(record) <= caps::EVENT_BYTES)
            };
            let Some(record) = reading.take(selection, fits) else { break };
            self.size += envelope.size(&record);
            self.records.push(record);
        }
        let begin = self.records.first().map_or(Position::ZERO, |record| record.position);
        self.full = reading.has_pending() || reading.next().0.saturating_sub(begin.0) > caps::BATCH_SPAN;
        if !self.records.is_empty() && self.ends.is_none() && !self.window.is_zero() {
            self.ends = Some(Instant::now() + self.window);
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.records.is_empty()
    }

    /// Whether the batch should go without waiting any longer. `held` says that nothing is read for now.
    pub(super) fn is_ready(&self, reading: &Reading, held: bool) -> bool {
        let no_more = held || (self.window.is_zero() && !reading.has_more());
        !self.is_empty() && (self.full || reading.ended() || no_more)
    }

    /// When it should go at the latest.
    pub(super) fn ends(&self) -> Option<Instant> {
        self.ends
    }

    /// What the next page may hold: no more than the batch can take, if all records are its own.
    pub(super) fn room(&self, all_own: bool) -> PageLimit {
        let records = self.max_records.saturating_sub(self.records.len()).max(1);
        PageLimit {
            records: if all_own { records } else { caps::PAGE_RECORDS },
            bytes: (caps::EVENT_BYTES.saturating_sub(self.size) / 4 * 3).clamp(1, caps::READ_BYTES),
        }
    }

    /// The arrival of its first record.
    pub(super) fn oldest(&self) -> Option<Timestamp> {
        self.records.first().map(|record| record.arrival)
    }

    pub(super) fn finish(self) -> Vec<Item> {
        self.records
    }
}
