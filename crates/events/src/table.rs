//! What waits, in memory: the one place where it is known whose turn it is, how much there is, and where it lies.

use crate::caps;
use crate::event::{Address, Event, Outcome, Progress};
use crate::journal::{Extent, Restored};
use crate::schedule::Schedule;
use millstream_types::{Position, Timestamp};
use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// An event that is not done with.
#[derive(Clone, Debug)]
pub(crate) struct Live {
    pub(crate) event: Arc<Event>,
    pub(crate) progress: Progress,
    pub(crate) due: Timestamp,
    /// Of its newest whole record.
    pub(crate) position: Position,
    /// Of that record.
    bytes: u64,
    /// Of it, the function's answer.
    response: u64,
}

/// No room for one more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Full {
    /// Of this function.
    Function,
    Server,
}

/// Events, and what they hold on disk.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Usage {
    pub(crate) events: usize,
    pub(crate) bytes: u64,
}

impl Usage {
    fn add(&mut self, bytes: u64) {
        self.events += 1;
        self.bytes += bytes;
    }

    fn remove(&mut self, bytes: u64) {
        self.events = self.events.saturating_sub(1);
        self.bytes = self.bytes.saturating_sub(bytes);
    }

    fn has_room(self, bytes: u64, events: usize, most: u64) -> bool {
        self.events < events && self.bytes + bytes <= most
    }
}

#[derive(Debug, Default)]
struct Inner {
    live: HashMap<u64, Live>,
    by_position: BTreeMap<Position, u64>,
    /// By function: those that are to be run.
    runs: Schedule,
    /// By destination: those of which somebody is to be told.
    tells: Schedule,
    used: HashMap<String, Usage>,
    total: Usage,
    /// Answers that wait for a destination, in bytes.
    answers: u64,
    extent: Extent,
    next_id: u64,
    cleaning: bool,
    /// Events that are being written down, by the journal's tail when that began: each comes behind that.
    coming: BTreeMap<Position, usize>,
}

/// Room that was kept for an event, and a hold on the journal, which is not trimmed where the event may be.
#[must_use = "it must be given back"]
#[derive(Debug)]
pub(crate) struct Room {
    bytes: u64,
    behind: Position,
}

#[derive(Debug, Default)]
pub(crate) struct Table(Mutex<Inner>);

/// What to clean the journal of.
#[derive(Debug)]
pub(crate) struct Cleaning {
    /// The oldest events, which are to be written anew. They wait meanwhile.
    pub(crate) moved: Vec<Live>,
}

impl Table {
    /// Each critical section leaves its value whole, so a panic elsewhere does not make it unusable.
    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Begin with what the journal holds.
    pub(crate) fn restore(&self, restored: Restored) {
        let inner = &mut *self.inner();
        inner.next_id = restored.next_id;
        inner.extent = restored.extent;
        for (id, kept) in restored.events {
            inner.used.entry(kept.event.function.clone()).or_default().add(kept.bytes);
            inner.total.add(kept.bytes);
            inner.answers += kept.response;
            let live = Live {
                event: Arc::new(kept.event),
                progress: kept.progress,
                due: kept.due,
                position: kept.position,
                bytes: kept.bytes,
                response: kept.response,
            };
            inner.by_position.insert(live.position, id);
            inner.live.insert(id, live);
            inner.schedule(id);
        }
    }

    pub(crate) fn new_id(&self) -> u64 {
        let mut inner = self.inner();
        inner.next_id += 1;
        inner.next_id - 1
    }

    /// Keep room for an event of a function.
    pub(crate) fn reserve(&self, function: &str, bytes: u64) -> Result<Room, Full> {
        let inner = &mut *self.inner();
        if !inner.total.has_room(bytes, caps::EVENTS, caps::BYTES) {
            return Err(Full::Server);
        }
        let used = inner.used.get(function).copied().unwrap_or_default();
        if !used.has_room(bytes, caps::EVENTS_PER_FUNCTION, caps::BYTES_PER_FUNCTION) {
            return Err(Full::Function);
        }
        inner.used.entry(function.to_owned()).or_default().add(bytes);
        inner.total.add(bytes);
        let behind = inner.extent.tail();
        *inner.coming.entry(behind).or_default() += 1;
        Ok(Room { bytes, behind })
    }

    /// Give room back that was kept.
    pub(crate) fn give_back(&self, function: &str, room: &Room) {
        let mut inner = self.inner();
        inner.let_go(room);
        inner.unuse(function, room.bytes);
    }

    /// An event for which room was kept is durable.
    pub(crate) fn insert(&self, event: Event, position: Position, room: &Room) {
        let inner = &mut *self.inner();
        inner.let_go(room);
        let bytes = room.bytes;
        inner.extent.appended(position, 1, bytes);
        let (id, due) = (event.id, event.accepted);
        let progress = Progress::default();
        let live = Live { event: Arc::new(event), progress, due, position, bytes, response: 0 };
        inner.by_position.insert(position, id);
        inner.live.insert(id, live);
        inner.schedule(id);
    }

    /// Records that are no event's whole are durable.
    pub(crate) fn written(&self, position: Position, bytes: u64) {
        self.inner().extent.appended(position, 1, bytes);
    }

    /// The event whose turn it is to be run. `room`: how many of a function may run at once.
    pub(crate) fn next_run(&self, now: Timestamp, room: impl Fn(&str) -> usize) -> Option<u64> {
        self.inner().runs.next(now, room).map(|(_, id)| id)
    }

    /// The event whose turn it is to be told of.
    pub(crate) fn next_tell(&self, now: Timestamp) -> Option<u64> {
        self.inner().tells.next(now, |_| caps::TELLING_ONE).map(|(_, id)| id)
    }

    pub(crate) fn wake_runs(&self) -> Option<Timestamp> {
        self.inner().runs.wake()
    }

    pub(crate) fn wake_tells(&self) -> Option<Timestamp> {
        self.inner().tells.wake()
    }

    pub(crate) fn get(&self, id: u64) -> Option<Live> {
        self.inner().live.get(&id).cloned()
    }

    /// An event that ran is to run again.
    pub(crate) fn again(&self, id: u64, due: Timestamp, change: impl FnOnce(&mut Progress)) {
        let inner = &mut *self.inner();
        let Some(live) = inner.live.get_mut(&id) else { return };
        live.due = due;
        change(&mut live.progress);
        let key = live.key().to_owned();
        inner.schedule(id);
        inner.of(id).ended(&key);
    }

    /// A function has no room for its events at the moment.
    pub(crate) fn close(&self, function: &str, until: Timestamp) {
        self.inner().runs.close(function, until);
    }

    /// There may be more room for functions than there was.
    pub(crate) fn look_again(&self) {
        self.inner().runs.look_again();
    }

    /// Whether an answer of so many bytes may wait for its destination. It is counted then.
    pub(crate) fn keep_answer(&self, bytes: u64) -> bool {
        let mut inner = self.inner();
        let fits = inner.answers + bytes <= caps::ANSWER_BYTES;
        if fits {
            inner.answers += bytes;
        }
        fits
    }

    /// An event that ran is over, and its new record is durable; `response` bytes of it were counted.
    pub(crate) fn over(&self, id: u64, outcome: Outcome, place: (Position, u64), response: u64) {
        let inner = &mut *self.inner();
        let (position, bytes) = place;
        inner.extent.appended(position, 1, bytes);
        let Some(live) = inner.live.get_mut(&id) else { return };
        let key = live.key().to_owned();
        live.due = outcome.at;
        live.response = response;
        live.progress.outcome = Some(outcome);
        inner.moved(id, position, bytes);
        inner.runs.ended(&key);
        inner.schedule(id);
    }

    /// Not all were told of an event: these are, later.
    pub(crate) fn told_again(&self, id: u64, left: Vec<Address>, due: Timestamp) {
        let inner = &mut *self.inner();
        let Some(live) = inner.live.get_mut(&id) else { return };
        let before = live.key().to_owned();
        live.due = due;
        live.progress.not_told = live.progress.not_told.saturating_add(1);
        if let Some(outcome) = &mut live.progress.outcome {
            outcome.to = left;
        }
        inner.schedule(id);
        inner.tells.ended(&before);
    }

    /// An event that ran, or of which was told, is done with.
    pub(crate) fn done(&self, id: u64) {
        let inner = &mut *self.inner();
        let Some(key) = inner.live.get(&id).map(|live| live.key().to_owned()) else { return };
        inner.of(id).ended(&key);
        inner.remove(id);
    }

    /// Events that were drained are done with.
    pub(crate) fn remove(&self, ids: &[u64]) {
        let mut inner = self.inner();
        for id in ids {
            inner.remove(*id);
        }
    }

    /// The events that wait to be run of functions that are no more.
    pub(crate) fn drain(&self, is_gone: impl Fn(&str) -> bool) -> Vec<u64> {
        let mut inner = self.inner();
        let gone: Vec<Arc<str>> = inner.runs.keys().filter(|key| is_gone(key)).cloned().collect();
        gone.iter().flat_map(|key| inner.runs.drain(key)).collect()
    }

    /// What waits in all.
    pub(crate) fn usage(&self) -> Usage {
        self.inner().total
    }

    /// Up to where the journal holds nothing that is needed, if that is worth forgetting.
    pub(crate) fn to_trim(&self) -> Option<Position> {
        let inner = self.inner();
        let extent = &inner.extent;
        let oldest =
            inner.by_position.first_key_value().map_or_else(|| extent.tail(), |(position, _)| *position);
        let oldest = inner.coming.first_key_value().map_or(oldest, |(behind, _)| oldest.min(*behind));
        let records = oldest.0.saturating_sub(extent.first().0);
        let worth = extent.bytes_before(oldest) >= caps::TRIM_BYTES || records >= caps::TRIM_RECORDS;
        worth.then_some(oldest)
    }

    pub(crate) fn trimmed(&self, before: Position) {
        self.inner().extent.trimmed(before);
    }

    /// The oldest events that wait, taken from their turns, if the journal has become much longer than what waits. There is
    /// one cleaning at a time; [`Table::cleaned`] ends it.
    pub(crate) fn begin_cleaning(&self) -> Option<Cleaning> {
        let inner = &mut *self.inner();
        let records = inner.total.events as u64;
        let long = inner.extent.bytes() > 2 * inner.total.bytes + caps::GARBAGE_BYTES
            || inner.extent.records() > 2 * records + caps::GARBAGE_RECORDS;
        if inner.cleaning || !long {
            return None;
        }
        let mut bytes = 0;
        let mut moved = Vec::new();
        let oldest: Vec<u64> = inner.by_position.values().take(caps::MOVED_EVENTS).copied().collect();
        for id in oldest {
            let Some(live) = inner.live.get(&id).cloned() else { continue };
            bytes += live.bytes;
            if !moved.is_empty() && bytes > caps::MOVED_BYTES {
                break;
            }
            // What runs is done with soon, or written anew. Its record must not come after that.
            if !inner.of(id).take(live.key(), id) {
                break;
            }
            moved.push(live);
        }
        inner.cleaning = !moved.is_empty();
        inner.cleaning.then_some(Cleaning { moved })
    }

    /// What was to be written anew is where `places` say, with so many bytes, or where it was.
    pub(crate) fn put_back(&self, cleaning: Cleaning, places: Option<Vec<(Position, u64)>>) {
        let inner = &mut *self.inner();
        let places = places.unwrap_or_default();
        for (index, live) in cleaning.moved.into_iter().enumerate() {
            if let Some((position, bytes)) = places.get(index).copied() {
                inner.extent.appended(position, 1, bytes);
                inner.moved(live.event.id, position, bytes);
            }
            inner.schedule(live.event.id);
        }
    }

    /// The next cleaning may begin.
    pub(crate) fn cleaned(&self) {
        self.inner().cleaning = false;
    }
}

impl Live {
    /// What it waits under: its function, or who is to be told first.
    fn key(&self) -> &str {
        let first = self.progress.outcome.as_ref().and_then(|outcome| outcome.to.first());
        first.map_or(self.event.function.as_str(), Address::arn)
    }
}

impl Inner {
    /// The turns that an event is in.
    fn of(&mut self, id: u64) -> &mut Schedule {
        let over = self.live.get(&id).is_some_and(|live| live.progress.outcome.is_some());
        if over { &mut self.tells } else { &mut self.runs }
    }

    fn schedule(&mut self, id: u64) {
        let Some(live) = self.live.get(&id) else { return };
        let (key, due) = (live.key().to_owned(), live.due);
        self.of(id).add(&key, id, due);
    }

    /// An event's newest record is elsewhere.
    fn moved(&mut self, id: u64, position: Position, bytes: u64) {
        let Some(live) = self.live.get_mut(&id) else { return };
        let before = std::mem::replace(&mut live.bytes, bytes);
        self.by_position.remove(&std::mem::replace(&mut live.position, position));
        self.by_position.insert(position, id);
        let used = self.used.entry(live.event.function.clone()).or_default();
        used.bytes = (used.bytes + bytes).saturating_sub(before);
        self.total.bytes = (self.total.bytes + bytes).saturating_sub(before);
    }

    fn remove(&mut self, id: u64) {
        let Some(live) = self.live.remove(&id) else { return };
        self.by_position.remove(&live.position);
        self.answers = self.answers.saturating_sub(live.response);
        self.unuse(&live.event.function, live.bytes);
    }

    /// An event is written down, or is not and never will be.
    fn let_go(&mut self, room: &Room) {
        if let Some(count) = self.coming.get_mut(&room.behind) {
            *count -= 1;
            if *count == 0 {
                self.coming.remove(&room.behind);
            }
        }
    }

    fn unuse(&mut self, function: &str, bytes: u64) {
        self.total.remove(bytes);
        if let Some(used) = self.used.get_mut(function) {
            used.remove(bytes);
            if used.events == 0 {
                self.used.remove(function);
            }
        }
    }
}
