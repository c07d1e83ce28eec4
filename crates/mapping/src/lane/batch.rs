//! Which records go together.

use super::event::{EMPTY, Envelope};
use super::read::Reading;
use crate::caps;
use millstream_control::MappingSettings;
use millstream_engine::{PageLimit, Record};
use millstream_types::{Position, Timestamp};
use std::time::Duration;
use tokio::time::Instant;

/// Records for one invocation: never none, never of two shards.
#[derive(Debug)]
pub(super) struct Batch {
    pub(super) records: Vec<Record>,
}

impl Batch {
    /// Where the shard goes on after it.
    pub(super) fn end(&self) -> Option<Position> {
        self.records.last().map(|record| record.position.next())
    }

    /// Take the records away that are older than `oldest`. They are the first ones.
    pub(super) fn drop_expired(&mut self, oldest: Timestamp) -> Vec<Record> {
        let expired = self.records.partition_point(|record| record.arrival < oldest);
        self.records.drain(..expired).collect()
    }
}

/// A batch in the making.
#[derive(Debug)]
pub(super) struct Forming {
    records: Vec<Record>,
    size: usize,
    /// The next record does not fit any more.
    full: bool,
    max_records: usize,
    window: Duration,
    /// When the window ends, once it has begun with the first record.
    ends: Option<Instant>,
}

impl Forming {
    pub(super) fn new(settings: &MappingSettings) -> Self {
        Self {
            records: Vec::new(),
            size: EMPTY,
            full: false,
            max_records: usize::try_from(settings.batch_size).unwrap_or(usize::MAX).max(1),
            window: Duration::from_secs(settings.window_secs.into()),
            ends: None,
        }
    }

    /// Take as much as fits of what is pending.
    pub(super) fn take(&mut self, reading: &mut Reading, envelope: &Envelope) {
        loop {
            if self.records.len() >= self.max_records {
                self.full = true;
                return;
            }
            let (size, first) = (self.size, self.records.is_empty());
            let fits = |record: &Record| first || size + envelope.size(record) <= caps::EVENT_BYTES;
            let Some(record) = reading.take(fits) else { break };
            self.size += envelope.size(&record);
            self.records.push(record);
        }
        self.full = reading.has_pending();
        if !self.records.is_empty() && self.ends.is_none() && !self.window.is_zero() {
            self.ends = Some(Instant::now() + self.window);
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.records.is_empty()
    }

    /// Whether the batch should go without waiting any longer.
    pub(super) fn is_ready(&self, reading: &Reading) -> bool {
        !self.is_empty() && (self.full || reading.ended() || (self.window.is_zero() && !reading.has_more()))
    }

    /// When it should go at the latest.
    pub(super) fn ends(&self) -> Option<Instant> {
        self.ends
    }

    /// What the next page may hold: no more than the batch can take.
    pub(super) fn room(&self) -> PageLimit {
        PageLimit {
            records: self.max_records.saturating_sub(self.records.len()).max(1),
            bytes: (caps::EVENT_BYTES.saturating_sub(self.size) / 4 * 3).clamp(1, caps::READ_BYTES),
        }
    }

    /// The arrival of its first record.
    pub(super) fn oldest(&self) -> Option<Timestamp> {
        self.records.first().map(|record| record.arrival)
    }

    pub(super) fn finish(self) -> Batch {
        Batch { records: self.records }
    }
}
