use millstream_types::{Position, Timestamp};
use std::collections::VecDeque;

/// Where a batch is in the WAL: 32 bytes in memory for each batch that is in no segment yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Place {
    pub(crate) first: Position,
    pub(crate) timestamp: Timestamp,
    pub(crate) file: u32,
    /// Of the entry's header, in the file.
    pub(crate) offset: u32,
    /// Bytes of the body.
    pub(crate) length: u32,
    /// Records.
    pub(crate) count: u32,
}

impl Place {
    pub(crate) fn end(&self) -> Position {
        self.first.plus(u64::from(self.count))
    }
}

/// A shard's batches in the WAL, in order: positions are dense, timestamps never fall.
#[derive(Debug, Default)]
pub(crate) struct Index {
    places: VecDeque<Place>,
}

impl Index {
    pub(crate) fn push(&mut self, place: Place) {
        self.places.push_back(place);
    }

    pub(crate) fn first(&self) -> Option<&Place> {
        self.places.front()
    }

    /// The number of the first batch that ends after `position`.
    pub(crate) fn holding(&self, position: Position) -> usize {
        self.places.partition_point(|place| place.end() <= position)
    }

    pub(crate) fn range_from(&self, number: usize) -> impl Iterator<Item = &Place> {
        self.places.range(number.min(self.places.len())..)
    }

    /// The first batch with this timestamp or a later one.
    pub(crate) fn at_or_after(&self, at: Timestamp) -> Option<Position> {
        let number = self.places.partition_point(|place| place.timestamp < at);
        self.places.get(number).map(|place| place.first)
    }

    /// Forget the batches that end at `upto` or before.
    pub(crate) fn trim(&mut self, upto: Position) {
        let gone = self.holding(upto);
        self.places.drain(..gone);
        if self.places.capacity() > 64 && self.places.capacity() / 4 > self.places.len() {
            self.places.shrink_to_fit();
        }
    }
}
