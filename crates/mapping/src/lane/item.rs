//! What a lane handles: the records of its shard, or the user records that a producer put together into one.

use millstream_aggregation::{Aggregate, NotAggregated, UserRecord, UserRecords};
use millstream_engine::Record;
use millstream_types::Position;
use std::ops::Deref;

/// Where an item is: user records of one record come one after the other.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Place {
    pub(super) position: Position,
    part: u32,
}

impl Place {
    pub(super) const START: Self = Self::of(Position::ZERO);

    /// The begin of a record.
    pub(super) const fn of(position: Position) -> Self {
        Self { position, part: 0 }
    }

    /// Before which position all records are that have something before this place.
    pub(super) fn covering(self) -> Position {
        if self.part == 0 { self.position } else { self.position.next() }
    }
}

/// A record, or one of those inside an aggregated one. It is a [`Record`] in all that a function sees: a user record has
/// the position, the sequence number and the arrival of the one that it is in, and its own partition key and data.
#[derive(Clone, Debug)]
pub(super) struct Item {
    record: Record,
    part: Option<Box<Part>>,
}

/// What a user record has more.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Part {
    /// Its sub-sequence number, from 0.
    pub(super) index: u32,
    pub(super) explicit_hash_key: Option<String>,
    /// None after it is this lane's own.
    is_last: bool,
}

impl Deref for Item {
    type Target = Record;

    fn deref(&self) -> &Record {
        &self.record
    }
}

impl From<Record> for Item {
    fn from(record: Record) -> Self {
        Self { record, part: None }
    }
}

impl Item {
    pub(super) fn part(&self) -> Option<&Part> {
        self.part.as_deref()
    }

    pub(super) fn place(&self) -> Place {
        Place { position: self.record.position, part: self.part.as_ref().map_or(0, |part| part.index) }
    }

    /// Where what comes next begins.
    pub(super) fn end(&self) -> Place {
        match &self.part {
            None => Place::of(self.record.position.next()),
            Some(part) => Place { position: self.record.position, part: part.index.saturating_add(1) },
        }
    }

    /// Before which position all is processed once this item is. An aggregated record is when the last of it is.
    pub(super) fn done(&self) -> Position {
        match &self.part {
            Some(part) if !part.is_last => self.record.position,
            Some(_) | None => self.record.position.next(),
        }
    }
}

/// An aggregated record that is being taken apart.
#[derive(Debug)]
pub(super) struct Parts {
    record: Record,
    users: UserRecords,
    index: u32,
}

impl Parts {
    /// A record's parts; the record itself if it is not aggregated, or not well-formed.
    pub(super) fn of(record: Record) -> Result<Self, Item> {
        match Aggregate::read(&record.data) {
            Ok(aggregate) => Ok(Self { record, users: aggregate.into_iter(), index: 0 }),
            Err(NotAggregated::Plain) => Err(record.into()),
            Err(why) => {
                let number = record.sequence_number;
                tracing::debug!(%number, %why, "a record that looks aggregated is delivered as it is");
                Err(record.into())
            }
        }
    }

    /// The next part that `chosen` says is wanted.
    pub(super) fn next(&mut self, mut chosen: impl FnMut(&Record) -> bool) -> Option<Item> {
        loop {
            let UserRecord { partition_key, explicit_hash_key, data } = self.users.next()?;
            let index = self.index;
            self.index = index.saturating_add(1);
            let record = Record { partition_key, data, ..self.outer() };
            if chosen(&record) {
                let part = Part { index, explicit_hash_key, is_last: false };
                return Some(Item { record, part: Some(Box::new(part)) });
            }
        }
    }

    /// The aggregated record, but for its data.
    fn outer(&self) -> Record {
        let Record { position, sequence_number, arrival, encrypted, .. } = self.record;
        Record {
            position,
            sequence_number,
            partition_key: String::new(),
            data: bytes::Bytes::new(),
            arrival,
            encrypted,
        }
    }
}

/// Takes apart what is aggregated, in order, and holds one item more than it gives out, so that the last part of a record
/// is known as such.
#[derive(Debug, Default)]
pub(super) struct Apart {
    open: Option<Parts>,
    held: Option<Item>,
}

impl Apart {
    /// The next item of the open record; `None` if there is none left.
    pub(super) fn next(&mut self, mut chosen: impl FnMut(&Record) -> bool) -> Option<Item> {
        let parts = self.open.as_mut()?;
        let mut item = self.held.take().or_else(|| parts.next(&mut chosen));
        self.held = item.as_ref().and_then(|_| parts.next(&mut chosen));
        if self.held.is_none() {
            self.open = None;
            if let Some(part) = item.as_mut().and_then(|item| item.part.as_mut()) {
                part.is_last = true;
            }
        }
        item
    }

    /// Open a record. One that is not aggregated comes back.
    pub(super) fn open(&mut self, record: Record) -> Option<Item> {
        match Parts::of(record) {
            Ok(parts) => {
                self.open = Some(parts);
                None
            }
            Err(whole) => Some(whole),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use bytes::Bytes;
    use millstream_aggregation::Aggregator;
    use millstream_types::{SequenceNumber, ShardId, Timestamp};

    fn record(data: Bytes) -> Record {
        Record {
            position: Position(5),
            sequence_number: SequenceNumber::of_record(ShardId(0), Position(5)),
            partition_key: "a".into(),
            data,
            arrival: Timestamp::from_millis(7),
            encrypted: false,
        }
    }

    #[test]
    fn an_aggregated_record_is_done_when_its_last_wanted_part_is() {
        let mut aggregator = Aggregator::new(usize::MAX);
        for key in ["x", "y", "x", "y"] {
            assert!(aggregator.add(key, Some("7"), key.as_bytes()));
        }
        let mut apart = Apart::default();
        assert!(apart.open(record(aggregator.finish())).is_none());
        let mut wanted = |record: &Record| record.partition_key == "x";
        let items: Vec<_> = std::iter::from_fn(|| apart.next(&mut wanted)).collect();
        let shown = items.iter().map(|item| (item.part().unwrap().index, item.done().0, &item.data[..]));
        assert_eq!(shown.collect::<Vec<_>>(), [(0, 5, &b"x"[..]), (2, 6, b"x")]);
        assert!(items[0].place() < items[0].end() && items[0].end() < items[1].place());
        assert!(items[1].end() < Place::of(Position(6)) && items[0].place() == Place::of(Position(5)));
        assert_eq!((items[0].end().covering().0, Place::of(Position(5)).covering().0), (6, 5));
        assert_eq!(items[1].part().unwrap().explicit_hash_key.as_deref(), Some("7"));
    }

    #[test]
    fn other_records_stay_whole() {
        let mut broken = Aggregator::new(usize::MAX);
        assert!(broken.add("k", None, b"d"));
        let mut broken = broken.finish().to_vec();
        broken[10] ^= 1;
        for data in [Bytes::new(), "plain".into(), broken.into()] {
            let whole = Apart::default().open(record(data.clone())).unwrap();
            assert_eq!((whole.data.clone(), whole.part(), whole.done().0), (data, None, 6));
            assert_eq!(whole.end(), Place::of(Position(6)));
        }
    }
}
