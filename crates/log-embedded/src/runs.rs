use millstream_types::{Position, Timestamp};
use std::collections::VecDeque;

/// What a segment has of a shard: 24 bytes in memory for each run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Run {
    pub(crate) first: Position,
    /// Of its last batch.
    pub(crate) newest: Timestamp,
    pub(crate) segment: u32,
    /// Records.
    pub(crate) count: u32,
}

impl Run {
    pub(crate) fn end(&self) -> Position {
        self.first.plus(u64::from(self.count))
    }
}

/// A shard's runs in order: positions are dense, timestamps never fall.
#[derive(Clone, Debug, Default)]
pub(crate) struct Runs {
    runs: VecDeque<Run>,
}

impl Runs {
    pub(crate) fn push(&mut self, run: Run) {
        self.runs.push_back(run);
    }

    /// A run found at a start: a repair may have written older ones into newer segments.
    pub(crate) fn insert(&mut self, run: Run) {
        let at = self.runs.partition_point(|other| other.first < run.first);
        self.runs.insert(at, run);
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &Run> {
        self.runs.iter()
    }

    /// The run that has this position.
    pub(crate) fn holding(&self, position: Position) -> Option<Run> {
        let number = self.runs.partition_point(|run| run.end() <= position);
        self.runs.get(number).copied().filter(|run| run.first <= position)
    }

    /// The first run whose last batch has this timestamp or a later one.
    pub(crate) fn at_or_after(&self, at: Timestamp) -> Option<Run> {
        let number = self.runs.partition_point(|run| run.newest < at);
        self.runs.get(number).copied()
    }

    /// Forget the runs that end at `earliest` or before, and say which they were.
    pub(crate) fn trim(&mut self, earliest: Position) -> Vec<Run> {
        let gone = self.runs.partition_point(|run| run.end() <= earliest);
        let gone = self.runs.drain(..gone).collect();
        if self.runs.capacity() > 64 && self.runs.capacity() / 4 > self.runs.len() {
            self.runs.shrink_to_fit();
        }
        gone
    }
}
