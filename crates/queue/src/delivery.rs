//! The delivery state of a queue, in memory: pure, without clock and I/O.

use crate::change::Change;
use millstream_types::{Position, ShardId, Timestamp};
use std::collections::{BTreeMap, BTreeSet};

/// A record that was received and not acknowledged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Delivery {
    /// How often it was received since it was new or restored.
    pub(crate) count: u32,
    /// How often it was delivered at all: only the receipt of the last delivery counts.
    pub(crate) number: u32,
    pub(crate) visible_at: Timestamp,
    pub(crate) first: Timestamp,
    /// It is a dead letter.
    pub(crate) dead: bool,
}

/// One shard's part.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Lane {
    /// The first position that was never handed out. What is below it and not outstanding is acknowledged.
    pub(crate) next: Position,
    pub(crate) outstanding: BTreeMap<Position, Delivery>,
}

/// Where a record is.
pub(crate) type Place = (ShardId, Position);

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Deliveries {
    pub(crate) lanes: BTreeMap<ShardId, Lane>,
    /// All that is outstanding by when it can be received (again): first what is alive, then dead letters.
    order: BTreeSet<(bool, Timestamp, ShardId, Position)>,
}

impl Deliveries {
    pub(crate) fn outstanding(&self) -> usize {
        self.order.len()
    }

    pub(crate) fn get(&self, (shard, position): Place) -> Option<&Delivery> {
        self.lanes.get(&shard)?.outstanding.get(&position)
    }

    /// Apply a change; what undoes it.
    pub(crate) fn apply(&mut self, change: Change) -> Change {
        match change {
            Change::Set(shard, position, delivery) => {
                let lane = self.lanes.entry(shard).or_default();
                let before = lane.outstanding.insert(position, delivery);
                if let Some(before) = &before {
                    self.order.remove(&(before.dead, before.visible_at, shard, position));
                }
                self.order.insert((delivery.dead, delivery.visible_at, shard, position));
                before.map_or(Change::Remove(shard, position), |before| Change::Set(shard, position, before))
            }
            Change::Remove(shard, position) => {
                let before = self.lanes.get_mut(&shard).and_then(|lane| lane.outstanding.remove(&position));
                match before {
                    Some(before) => {
                        self.order.remove(&(before.dead, before.visible_at, shard, position));
                        Change::Set(shard, position, before)
                    }
                    None => change,
                }
            }
            Change::Next(shard, position) => {
                let lane = self.lanes.entry(shard).or_default();
                let before = std::mem::replace(&mut lane.next, position);
                Change::Next(shard, before)
            }
        }
    }

    /// The outstanding record that can be received since longest, of those alive or of the dead letters.
    pub(crate) fn visible(&self, dead: bool, now: Timestamp, but: &BTreeSet<Place>) -> Option<Place> {
        let start = (dead, Timestamp::ZERO, ShardId(0), Position(0));
        let due = self.order.range(start..).take_while(|(is_dead, at, ..)| *is_dead == dead && *at <= now);
        due.map(|(_, _, shard, position)| (*shard, *position)).find(|place| !but.contains(place))
    }

    /// Whether each outstanding record is a dead letter, and from when it can be received.
    pub(crate) fn times(&self) -> impl Iterator<Item = (bool, Timestamp)> {
        self.order.iter().map(|(dead, at, ..)| (*dead, *at))
    }

    /// When the next record that is not visible yet becomes so.
    pub(crate) fn next_visible(&self, dead: bool) -> Option<Timestamp> {
        let start = (dead, Timestamp::ZERO, ShardId(0), Position(0));
        self.order.range(start..).next().filter(|(is_dead, ..)| *is_dead == dead).map(|(_, at, ..)| *at)
    }

    /// Forget a shard that has expired with all its records.
    /// Says how many were outstanding.
    pub(crate) fn forget(&mut self, shard: ShardId) -> usize {
        let outstanding = self.lanes.remove(&shard).unwrap_or_default().outstanding;
        let count = outstanding.len();
        for (position, delivery) in outstanding {
            self.order.remove(&(delivery.dead, delivery.visible_at, shard, position));
        }
        count
    }

    /// The changes that make this state of an empty one.
    pub(crate) fn changes(&self) -> impl Iterator<Item = Change> {
        self.lanes.iter().flat_map(|(shard, lane)| {
            let set =
                |(position, delivery): (&Position, &Delivery)| Change::Set(*shard, *position, *delivery);
            std::iter::once(Change::Next(*shard, lane.next)).chain(lane.outstanding.iter().map(set))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn delivery(visible_at: u64, dead: bool) -> Delivery {
        let first = Timestamp::from_millis(1);
        Delivery { count: 1, number: 1, visible_at: Timestamp::from_millis(visible_at), first, dead }
    }

    #[test]
    fn what_is_due_comes_in_the_order_of_time_and_the_dead_apart() {
        let mut state = Deliveries::default();
        let place = |position| (ShardId(0), Position(position));
        for (position, at, dead) in [(1, 30, false), (2, 10, false), (3, 5, true), (4, 20, false)] {
            state.apply(Change::Set(ShardId(0), Position(position), delivery(at, dead)));
        }
        let now = Timestamp::from_millis(25);
        let mut seen = BTreeSet::new();
        assert_eq!(state.visible(false, now, &seen), Some(place(2)));
        seen.insert(place(2));
        assert_eq!(state.visible(false, now, &seen), Some(place(4)));
        seen.insert(place(4));
        assert_eq!(state.visible(false, now, &seen), None, "the third is not visible yet");
        assert_eq!(state.visible(true, now, &BTreeSet::new()), Some(place(3)));
        assert_eq!(state.next_visible(false), Some(Timestamp::from_millis(10)));
        assert_eq!(state.next_visible(true), Some(Timestamp::from_millis(5)));
    }

    #[test]
    fn undoing_in_reverse_gives_the_state_before() {
        let mut state = Deliveries::default();
        state.apply(Change::Set(ShardId(0), Position(1), delivery(30, false)));
        state.apply(Change::Next(ShardId(0), Position(2)));
        let before = state.clone();
        let undo: Vec<Change> = [
            Change::Set(ShardId(0), Position(1), delivery(40, true)),
            Change::Remove(ShardId(0), Position(1)),
            Change::Next(ShardId(0), Position(9)),
            Change::Remove(ShardId(0), Position(7)),
        ]
        .into_iter()
        .map(|change| state.apply(change))
        .collect();
        assert_ne!(state, before);
        for change in undo.into_iter().rev() {
            state.apply(change);
        }
        assert_eq!(state, before);
        let mut again = Deliveries::default();
        for change in state.changes() {
            again.apply(change);
        }
        assert_eq!(again, state);
    }
}
