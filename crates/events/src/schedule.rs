//! Whose turn it is: pure, without clock and I/O.
//!
//! What waits is grouped by a key (a function, a destination). Of the keys that have something due, the one that was served
//! longest ago comes next; within a key, what has been due longest.

use millstream_types::Timestamp;
use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

#[derive(Debug, Default)]
pub(crate) struct Schedule {
    keys: HashMap<Arc<str>, Group>,
    /// Keys with something due, by when they were served.
    ready: BTreeSet<(u64, Arc<str>)>,
    /// Keys that will have something due, by when.
    later: BTreeSet<(Timestamp, Arc<str>)>,
    /// Counts turns.
    turn: u64,
}

#[derive(Debug)]
struct Group {
    waiting: BTreeSet<(Timestamp, u64)>,
    due: HashMap<u64, Timestamp>,
    running: usize,
    /// Nothing of it is due before.
    closed_until: Timestamp,
    served: u64,
    place: Place,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    Nowhere,
    Ready,
    Later(Timestamp),
}

impl Schedule {
    /// Something waits from now on.
    pub(crate) fn add(&mut self, key: &str, id: u64, due: Timestamp) {
        let key = self.key(key);
        let turn = self.turn;
        let group = self.keys.entry(key.clone()).or_insert_with(|| Group {
            waiting: BTreeSet::new(),
            due: HashMap::new(),
            running: 0,
            closed_until: Timestamp::ZERO,
            served: turn,
            place: Place::Nowhere,
        });
        if let Some(before) = group.due.insert(id, due) {
            group.waiting.remove(&(before, id));
        }
        group.waiting.insert((due, id));
        self.place(&key);
    }

    /// Take something out that waits. False if it does not.
    pub(crate) fn take(&mut self, key: &str, id: u64) -> bool {
        let Some(group) = self.keys.get_mut(key) else { return false };
        let Some(due) = group.due.remove(&id) else { return false };
        group.waiting.remove(&(due, id));
        let key = self.key(key);
        self.place(&key);
        true
    }

    /// Take out all that waits under a key.
    pub(crate) fn drain(&mut self, key: &str) -> Vec<u64> {
        let Some(group) = self.keys.get_mut(key) else { return Vec::new() };
        group.due.clear();
        let ids = std::mem::take(&mut group.waiting).into_iter().map(|(_, id)| id).collect();
        let key = self.key(key);
        self.place(&key);
        ids
    }

    /// What is next, which counts as running from now on. `room` is how much of a key may run at once.
    pub(crate) fn next(&mut self, now: Timestamp, room: impl Fn(&str) -> usize) -> Option<(Arc<str>, u64)> {
        while let Some((at, key)) = self.later.first().filter(|(at, _)| *at <= now).cloned() {
            self.later.remove(&(at, key.clone()));
            let Some(group) = self.keys.get_mut(&key) else { continue };
            group.place = Place::Ready;
            self.ready.insert((group.served, key));
        }
        while let Some((_, key)) = self.ready.pop_first() {
            let Some(group) = self.keys.get_mut(&key) else { continue };
            group.place = Place::Nowhere;
            // It is looked at again when one of its own ends, or when the room changes.
            if group.running >= room(&key) {
                continue;
            }
            let Some((due, id)) = group.waiting.first().copied() else { continue };
            if due.max(group.closed_until) > now {
                self.place(&key);
                continue;
            }
            group.waiting.remove(&(due, id));
            group.due.remove(&id);
            group.running += 1;
            self.turn += 1;
            group.served = self.turn;
            self.place(&key);
            return Some((key, id));
        }
        None
    }

    /// Something that was next runs no more.
    pub(crate) fn ended(&mut self, key: &str) {
        if let Some(group) = self.keys.get_mut(key) {
            group.running = group.running.saturating_sub(1);
            let key = self.key(key);
            self.place(&key);
        }
    }

    /// Nothing of a key is due before then.
    pub(crate) fn close(&mut self, key: &str, until: Timestamp) {
        if let Some(group) = self.keys.get_mut(key) {
            group.closed_until = group.closed_until.max(until);
            let key = self.key(key);
            self.place(&key);
        }
    }

    /// There may be more room for any key than there was.
    pub(crate) fn look_again(&mut self) {
        let keys: Vec<Arc<str>> = self.keys.keys().cloned().collect();
        for key in keys {
            self.place(&key);
        }
    }

    /// When to ask again, unless something happens before.
    pub(crate) fn wake(&self) -> Option<Timestamp> {
        if self.ready.is_empty() { self.later.first().map(|(at, _)| *at) } else { Some(Timestamp::ZERO) }
    }

    pub(crate) fn keys(&self) -> impl Iterator<Item = &Arc<str>> {
        self.keys.keys()
    }

    fn key(&self, key: &str) -> Arc<str> {
        self.keys.get_key_value(key).map_or_else(|| Arc::from(key), |(key, _)| key.clone())
    }

    /// Put a key where it belongs. One that has nothing is forgotten.
    fn place(&mut self, key: &Arc<str>) {
        let Some(group) = self.keys.get_mut(key) else { return };
        match group.place {
            Place::Nowhere => {}
            Place::Ready => drop(self.ready.remove(&(group.served, key.clone()))),
            Place::Later(at) => drop(self.later.remove(&(at, key.clone()))),
        }
        match group.waiting.first() {
            Some((due, _)) => {
                let at = (*due).max(group.closed_until);
                group.place = Place::Later(at);
                self.later.insert((at, key.clone()));
            }
            None if group.running == 0 => drop(self.keys.remove(key)),
            None => group.place = Place::Nowhere,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(millis: u64) -> Timestamp {
        Timestamp::from_millis(millis)
    }

    fn all(schedule: &mut Schedule, now: u64, room: usize) -> Vec<(String, u64)> {
        std::iter::from_fn(|| schedule.next(at(now), |_| room))
            .map(|(key, id)| (key.to_string(), id))
            .collect()
    }

    #[test]
    fn keys_take_turns_whatever_they_have() {
        let mut schedule = Schedule::default();
        for id in 0..4 {
            schedule.add("many", id, at(1));
        }
        schedule.add("one", 10, at(1));
        schedule.add("two", 20, at(1));
        schedule.add("two", 21, at(1));
        let order: Vec<String> = all(&mut schedule, 5, 9).into_iter().map(|(key, _)| key).collect();
        assert_eq!(order, ["many", "one", "two", "many", "two", "many", "many"]);
    }

    #[test]
    fn what_is_not_due_waits_and_says_when() {
        let mut schedule = Schedule::default();
        assert_eq!(schedule.wake(), None);
        schedule.add("f", 1, at(100));
        schedule.add("f", 2, at(50));
        assert_eq!(all(&mut schedule, 49, 9), []);
        assert_eq!(schedule.wake(), Some(at(50)));
        assert_eq!(all(&mut schedule, 50, 9), [("f".to_owned(), 2)]);
        assert_eq!(schedule.wake(), Some(at(100)));
        schedule.close("f", at(200));
        assert_eq!(schedule.wake(), Some(at(200)));
        assert_eq!(all(&mut schedule, 199, 9), []);
        assert_eq!(all(&mut schedule, 200, 9), [("f".to_owned(), 1)]);
        assert_eq!(schedule.wake(), None);
    }

    #[test]
    fn no_more_runs_than_there_is_room_for() {
        let mut schedule = Schedule::default();
        for id in 0..5 {
            schedule.add("f", id, at(1));
        }
        assert_eq!(all(&mut schedule, 1, 2).len(), 2);
        assert_eq!(schedule.wake(), None, "nothing comes of waking until one has ended");
        schedule.ended("f");
        assert_eq!(all(&mut schedule, 1, 2), [("f".to_owned(), 2)]);
        schedule.look_again();
        assert_eq!(all(&mut schedule, 1, 3), [("f".to_owned(), 3)]);
    }

    #[test]
    fn nothing_is_kept_of_keys_that_have_nothing() {
        let mut schedule = Schedule::default();
        schedule.add("f", 1, at(1));
        schedule.add("g", 2, at(1));
        assert!(schedule.take("g", 2) && !schedule.take("g", 2) && !schedule.take("h", 1));
        assert_eq!(all(&mut schedule, 1, 1), [("f".to_owned(), 1)]);
        assert_eq!(schedule.keys().count(), 1);
        schedule.ended("f");
        assert_eq!((schedule.keys().count(), schedule.wake()), (0, None));
        schedule.add("f", 3, at(1));
        schedule.add("f", 3, at(9));
        assert_eq!(schedule.drain("f"), [3]);
        assert_eq!(schedule.keys().count(), 0);
    }
}
