//! The workers that wait for work, and the invocations that wait for workers.
//!
//! Each invocation has a place ([`Pool::admit`]) before it has a worker: what is reserved or provisioned for other functions
//! is none of it. So whoever has a place finds room for a worker.

use crate::caps;
use crate::outcome::Outcome;
use crate::provisioned::{Slot, Slots};
use crate::spec::{Booking, FunctionSpec, InvokeError};
use crate::worker::Worker;
use millstream_host::clock::Clock;
use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore, oneshot};

/// What an invocation gets.
#[derive(Debug)]
pub(crate) enum Taken {
    Warm(Box<Worker>),
    /// A worker is to be started.
    Start {
        handed: oneshot::Receiver<Handed>,
        starts: Vec<Turn>,
    },
}

/// What to do about a worker that is to be started.
#[derive(Debug)]
pub(crate) enum Turn {
    /// There is room for it.
    Wanted,
    /// There will be: starts are under way that nobody waits for any more.
    Crowded,
    /// Nobody has asked for it yet.
    Ahead(OwnedSemaphorePermit),
}

/// What came of a start that an invocation waits for; or a worker that came free first.
pub(crate) type Handed = Result<Start, InvokeError>;

/// A worker that was started.
#[derive(Debug)]
pub(crate) struct Start {
    pub worker: Box<Worker>,
    /// How long it took; `None` if the worker was another invocation's before.
    pub init: Option<Duration>,
    /// When the function's own time began, on the monotonic clock, if it was before now.
    pub began: Option<Duration>,
    /// Set if the start itself was the end.
    pub failed: Option<Outcome>,
}

/// Workers and who waits for them, within a limit on all workers.
#[derive(Debug)]
pub(crate) struct Pool {
    room: Arc<Semaphore>,
    pub limit: usize,
    idle_expiry: Duration,
    clock: Arc<dyn Clock>,
    /// Told when provisioned workers may be missing.
    pub wake: Arc<Notify>,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
pub(crate) struct State {
    closed: bool,
    /// The revision of each version that was invoked last.
    current: HashMap<Key, String>,
    /// By version and revision.
    families: HashMap<(Key, String), Family>,
    /// Invocations that run on demand, by function ARN, of functions that have a reserved number of them.
    running: HashMap<String, u32>,
    /// And of all functions that have not.
    unreserved: usize,
    /// Starts that wait for room.
    crowded: usize,
    /// Starts under way that were asked for. Those who did may have another worker by now.
    launched: usize,
    /// Workers on their way that nobody asked for yet.
    ahead: usize,
    pub slots: Slots,
}

/// ARN of the function, and version.
pub(crate) type Key = (String, String);

pub(crate) fn key(spec: &FunctionSpec) -> Key {
    (spec.function_arn().to_owned(), spec.version.clone())
}

/// One of the invocations that may run at once. Gives its place back when it is dropped.
#[derive(Debug)]
pub(crate) struct Place<'a> {
    pool: &'a Pool,
    of: PlaceOf,
}

#[derive(Debug)]
enum PlaceOf {
    /// The worker has its own.
    Nobody,
    Function(String),
    Unreserved,
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        let mut state = self.pool.state();
        match &self.of {
            PlaceOf::Nobody => {}
            PlaceOf::Unreserved => state.unreserved -= 1,
            PlaceOf::Function(arn) => {
                if let Some(running) = state.running.get_mut(arn) {
                    *running -= 1;
                    if *running == 0 {
                        state.running.remove(arn);
                    }
                }
            }
        }
    }
}

/// Where an invocation is to run.
#[derive(Debug)]
pub(crate) struct Admitted<'a> {
    pub place: Place<'a>,
    /// One that was kept ready for it.
    pub provisioned: Option<Box<Worker>>,
    /// All that are kept ready were busy.
    pub spilled: bool,
}

/// The idle workers of one revision of a version, the one used last at the end, and the invocations without one.
#[derive(Debug, Default)]
struct Family {
    idle: VecDeque<Idle>,
    waiting: VecDeque<oneshot::Sender<Handed>>,
    /// Room for those that wait and whose start has not begun. What is more than that is given back at once.
    rooms: Vec<OwnedSemaphorePermit>,
    /// Starts under way, but for those ahead.
    launched: usize,
    /// Starts that nobody has asked for, begun or not.
    ahead: usize,
}

#[derive(Debug)]
pub(crate) struct Idle {
    since: Duration,
    worker: Box<Worker>,
}

impl Family {
    fn is_empty(&self) -> bool {
        self.idle.is_empty() && self.waiting.is_empty() && self.launched + self.ahead == 0
    }

    /// Hand to whoever has waited longest. Back if nobody waits.
    fn hand(&mut self, mut handed: Handed) -> Option<Handed> {
        while let Some(waiting) = self.waiting.pop_front() {
            match waiting.send(handed) {
                Ok(()) => return None,
                Err(back) => handed = back,
            }
        }
        Some(handed)
    }

    /// Give back the room of those that wait no more.
    fn give_back(&mut self) {
        self.rooms.truncate(self.waiting.len().saturating_sub(self.launched));
    }
}

impl Pool {
    pub(crate) fn new(limit: usize, idle_expiry: Duration, clock: Arc<dyn Clock>) -> Self {
        let limit = limit.clamp(1, Semaphore::MAX_PERMITS);
        let room = Arc::new(Semaphore::new(limit));
        Self { room, limit, idle_expiry, clock, wake: Arc::default(), state: Mutex::default() }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What is kept for functions from now on; for those that are not named, nothing.
    pub(crate) fn book(&self, bookings: Vec<Booking>) {
        let ended = self.state().slots.book(bookings, &self.wake);
        // Not under the lock: the end of a worker tells the rest.
        drop(ended);
        self.wake.notify_one();
    }

    /// Look at what is kept ready, or change it.
    pub(crate) fn slots<T>(&self, look: impl FnOnce(&mut Slots, Duration) -> T) -> T {
        let now = self.clock.monotonic();
        look(&mut self.state().slots, now)
    }

    /// A place among the invocations that may run at once, and the worker that was kept ready for it.
    pub(crate) fn admit(&self, spec: &FunctionSpec) -> Result<Admitted<'_>, InvokeError> {
        let mut state = self.state();
        if state.closed {
            return Err(InvokeError::ShuttingDown);
        }
        let place = |of| Place { pool: self, of };
        let slot = state.slots.of(spec);
        let spilled = slot.is_some();
        if let Some(worker) = slot.and_then(Slot::take) {
            return Ok(Admitted { place: place(PlaceOf::Nobody), provisioned: Some(worker), spilled: false });
        }
        let arn = spec.function_arn();
        let of = if let Some(reserved) = spec.reserved_concurrency {
            let running = state.running.get(arn).copied().unwrap_or_default();
            if running >= reserved.saturating_sub(state.slots.provisioned(arn)) {
                return Err(InvokeError::ReservedExhausted { reserved });
            }
            state.running.insert(arn.to_owned(), running + 1);
            PlaceOf::Function(arn.to_owned())
        } else if spec.elsewhere.is_some() {
            // It takes no worker.
            PlaceOf::Nobody
        } else {
            let limit = self.limit.saturating_sub(state.slots.booked());
            if state.unreserved >= limit {
                return Err(InvokeError::Throttled { limit });
            }
            state.unreserved += 1;
            PlaceOf::Unreserved
        };
        Ok(Admitted { place: place(of), provisioned: None, spilled })
    }

    /// The worker of this revision that was used last, or the right to start one. Idle workers of other revisions end.
    pub(crate) fn take(&self, spec: &FunctionSpec) -> Result<Taken, InvokeError> {
        let mut state = self.state();
        let family = state.family_of(spec)?;
        while let Some(Idle { worker, .. }) = family.idle.pop_back() {
            if worker.is_alive() {
                return Ok(Taken::Warm(worker));
            }
        }
        let room = state.make_room(&self.room);
        let mut starts = Vec::new();
        if room.is_some() {
            starts.push(Turn::Wanted);
        } else if state.launched + state.ahead > 0 {
            state.crowded += 1;
            starts.push(Turn::Crowded);
        } else {
            return Err(InvokeError::Throttled { limit: self.limit });
        }
        let (give, handed) = oneshot::channel();
        let family = state.family_of(spec)?;
        family.waiting.push_back(give);
        family.rooms.extend(room);
        if self.room.available_permits() > caps::STARTS_AHEAD
            && self.may_start_ahead(&state, spec)
            && let Ok(room) = Arc::clone(&self.room).try_acquire_owned()
        {
            state.ahead += 1;
            state.family_of(spec)?.ahead += 1;
            starts.push(Turn::Ahead(room));
        }
        Ok(Taken::Start { handed, starts })
    }

    /// Whether so many wait for workers of a function that more will come. It must be allowed to have them.
    fn may_start_ahead(&self, state: &State, spec: &FunctionSpec) -> bool {
        let Some(family) = state.families.get(&(key(spec), spec.revision.clone())) else { return false };
        let within = spec.reserved_concurrency.is_none_or(|reserved| {
            let running = state.running.get(spec.function_arn()).copied().unwrap_or_default();
            let all = running as usize + family.ahead;
            all < reserved.saturating_sub(state.slots.provisioned(spec.function_arn())) as usize
        });
        within
            && state.ahead < caps::STARTS_AHEAD
            && family.waiting.len() >= caps::BURST * (family.ahead + 1)
            && state.unreserved + state.ahead < self.limit.saturating_sub(state.slots.booked())
    }

    /// Wait for the room of a start that was promised some.
    pub(crate) async fn next_room(&self, spec: &FunctionSpec) {
        let room = Arc::clone(&self.room).acquire_owned().await;
        let mut state = self.state();
        state.crowded -= 1;
        // The semaphore is never closed.
        if let (Ok(room), Some(family)) = (room, state.families.get_mut(&(key(spec), spec.revision.clone())))
        {
            family.rooms.push(room);
            family.give_back();
        }
    }

    /// A start has its turn. Its room if it is still needed: workers may have come free meanwhile.
    pub(crate) fn begin_start(&self, spec: &FunctionSpec) -> Option<OwnedSemaphorePermit> {
        let mut state = self.state();
        let family = state.families.get_mut(&(key(spec), spec.revision.clone()))?;
        let room = family.rooms.pop()?;
        if family.launched >= family.waiting.len() {
            return None;
        }
        family.launched += 1;
        state.launched += 1;
        Some(room)
    }

    /// Whether there is still a reason to start ahead.
    pub(crate) fn is_burst(&self, spec: &FunctionSpec) -> bool {
        let state = self.state();
        let family = state.families.get(&(key(spec), spec.revision.clone()));
        family.is_some_and(|family| family.waiting.len() >= caps::BURST)
    }

    /// A start that was begun has come to its end: for the invocation that has waited longest, or kept.
    pub(crate) fn end_start(&self, spec: &FunctionSpec, handed: Handed) {
        let mut state = self.state();
        state.launched -= 1;
        let Some(family) = state.families.get_mut(&(key(spec), spec.revision.clone())) else { return };
        family.launched -= 1;
        let left = family.hand(handed);
        family.give_back();
        drop(state);
        self.keep_started(left);
    }

    /// The same for one ahead. What went wrong with it is nobody's concern.
    pub(crate) fn end_ahead(&self, spec: &FunctionSpec, handed: Option<Handed>) {
        let mut state = self.state();
        state.ahead -= 1;
        if let Some(family) = state.families.get_mut(&(key(spec), spec.revision.clone())) {
            family.ahead -= 1;
        }
        drop(state);
        self.keep_started(handed);
    }

    fn keep_started(&self, handed: Option<Handed>) {
        if let Some(Ok(Start { worker, failed: None, .. })) = handed {
            worker.rest();
            self.put(worker);
        }
    }

    /// A place among all workers, for an invocation that needs none.
    pub(crate) fn room_for_one(&self) -> Result<OwnedSemaphorePermit, InvokeError> {
        let mut state = self.state();
        if state.closed {
            return Err(InvokeError::ShuttingDown);
        }
        state.make_room(&self.room).ok_or(InvokeError::Throttled { limit: self.limit })
    }

    /// Room for workers that are to be kept ready, at most `most`.
    pub(crate) fn rooms(&self, most: u32) -> Vec<OwnedSemaphorePermit> {
        let mut state = self.state();
        (0..most).map_while(|_| state.make_room(&self.room)).collect()
    }

    /// Keep a worker for its function's next invocation, unless it is of a revision that is past.
    pub(crate) fn put(&self, worker: Box<Worker>) {
        let since = self.clock.monotonic();
        let mut state = self.state();
        // What is not kept is dropped after the lock.
        let _over = state.keep(Idle { since, worker });
        drop(state);
    }

    /// End the idle workers of all versions of a function, and those that are busy once they are not.
    pub(crate) fn retire(&self, function_arn: &str) {
        let mut state = self.state();
        state.current.retain(|(arn, _), _| arn != function_arn);
        for ((of, _), family) in &mut state.families {
            if of.0 == function_arn {
                family.idle.clear();
            }
        }
        state.families.retain(|((arn, _), _), family| arn != function_arn || !family.is_empty());
        let slots = state.slots.retire(function_arn);
        drop(state);
        drop(slots);
    }

    /// End what was idle for too long, or has ended by itself.
    pub(crate) fn expire(&self) {
        let now = self.clock.monotonic();
        let mut state = self.state();
        for family in state.families.values_mut() {
            family
                .idle
                .retain(|idle| now.saturating_sub(idle.since) < self.idle_expiry && idle.worker.is_alive());
        }
        state.families.retain(|_, family| !family.is_empty());
    }

    /// End all idle workers and give out none from now on.
    pub(crate) fn close(&self) {
        let mut state = self.state();
        state.closed = true;
        for family in state.families.values_mut() {
            family.idle.clear();
            family.waiting.clear();
            family.rooms.clear();
        }
        let slots = std::mem::take(&mut state.slots);
        drop(state);
        drop(slots);
    }

    pub(crate) fn is_closed(&self) -> bool {
        self.state().closed
    }

    /// Idle workers, and all.
    pub(crate) fn counts(&self) -> (usize, usize) {
        let state = self.state();
        let idle: usize = state.families.values().map(|family| family.idle.len()).sum();
        let idle = idle + state.slots.idle();
        (idle, self.limit.saturating_sub(self.room.available_permits()))
    }
}

impl Drop for Pool {
    fn drop(&mut self) {
        // Whoever keeps workers ready finds that there is nothing left to keep.
        self.wake.notify_one();
    }
}

impl State {
    /// Those of this revision; of others none are kept from now on.
    fn family_of(&mut self, spec: &FunctionSpec) -> Result<&mut Family, InvokeError> {
        if self.closed {
            return Err(InvokeError::ShuttingDown);
        }
        let of = key(spec);
        if self.current.get(&of).is_none_or(|revision| *revision != spec.revision) {
            let before = self.current.insert(of.clone(), spec.revision.clone());
            let before = before.and_then(|before| self.families.get_mut(&(of.clone(), before)));
            if let Some(family) = before {
                family.idle.clear();
            }
        }
        Ok(self.families.entry((of, spec.revision.clone())).or_default())
    }

    /// Room for another worker, if need be in place of the one that has been idle longest.
    fn make_room(&mut self, room: &Arc<Semaphore>) -> Option<OwnedSemaphorePermit> {
        loop {
            if let Ok(permit) = Arc::clone(room).try_acquire_owned() {
                return Some(permit);
            }
            if !self.end_longest_idle() {
                return None;
            }
        }
    }

    /// Whether there was an idle worker to end.
    fn end_longest_idle(&mut self) -> bool {
        let families = self.families.values_mut().filter(|family| !family.idle.is_empty());
        let Some(family) = families.min_by_key(|family| family.idle.front().map(|idle| idle.since)) else {
            return false;
        };
        family.idle.pop_front();
        true
    }

    /// Keep a worker; back if it is not to be kept.
    fn keep(&mut self, mut idle: Idle) -> Option<Idle> {
        if self.closed {
            return Some(idle);
        }
        if idle.worker.seat.is_some() {
            return self.slots.put(idle.worker).map(|worker| Idle { since: idle.since, worker });
        }
        let spec = &idle.worker.spec;
        let of = key(spec);
        if self.current.get(&of).is_none_or(|revision| *revision != spec.revision) {
            return Some(idle);
        }
        let family = self.families.entry((of, spec.revision.clone())).or_default();
        if idle.worker.is_alive() {
            let start = Start { worker: idle.worker, init: None, began: None, failed: None };
            let left = family.hand(Ok(start));
            family.give_back();
            match left {
                Some(Ok(Start { worker, .. })) => idle.worker = worker,
                Some(Err(_)) | None => return None,
            }
        }
        // Somebody with a place waits for room.
        if self.crowded > 0 {
            return Some(idle);
        }
        family.idle.push_back(idle);
        None
    }
}
