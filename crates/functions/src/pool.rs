//! The workers that wait for work.

use crate::spec::{FunctionSpec, InvokeError};
use crate::worker::Worker;
use millstream_host::clock::Clock;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// What an invocation gets.
#[derive(Debug)]
pub(crate) enum Taken {
    Warm(Box<Worker>),
    /// The right to start a worker.
    Room(OwnedSemaphorePermit),
}

/// Idle workers by function, within a limit on all workers.
#[derive(Debug)]
pub(crate) struct Pool {
    room: Arc<Semaphore>,
    pub limit: usize,
    idle_expiry: Duration,
    clock: Arc<dyn Clock>,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    closed: bool,
    /// By invoked ARN and version.
    families: HashMap<Key, Family>,
    /// Invocations that run, by function ARN, of functions that have a reserved number of them.
    running: HashMap<String, u32>,
}

type Key = (String, String);

fn key(spec: &FunctionSpec) -> Key {
    (spec.arn.clone(), spec.version.clone())
}

/// One of the invocations that are reserved for a function. Gives its place back when it is dropped.
#[derive(Debug)]
pub(crate) struct Reserved<'a> {
    pool: &'a Pool,
    function_arn: String,
}

impl Drop for Reserved<'_> {
    fn drop(&mut self) {
        let mut state = self.pool.state();
        if let Some(running) = state.running.get_mut(&self.function_arn) {
            *running -= 1;
            if *running == 0 {
                state.running.remove(&self.function_arn);
            }
        }
    }
}

/// The idle workers of one version of a function, the one used last at the end.
#[derive(Debug, Default)]
struct Family {
    revision: String,
    idle: Vec<Idle>,
}

#[derive(Debug)]
struct Idle {
    since: Duration,
    worker: Box<Worker>,
}

impl Pool {
    pub(crate) fn new(limit: usize, idle_expiry: Duration, clock: Arc<dyn Clock>) -> Self {
        let limit = limit.clamp(1, Semaphore::MAX_PERMITS);
        Self { room: Arc::new(Semaphore::new(limit)), limit, idle_expiry, clock, state: Mutex::default() }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A place among those that are reserved for a function, if it has such.
    pub(crate) fn reserve(&self, spec: &FunctionSpec) -> Result<Option<Reserved<'_>>, InvokeError> {
        let Some(reserved) = spec.reserved_concurrency else { return Ok(None) };
        let function_arn = spec.function_arn().to_owned();
        let mut state = self.state();
        let running = state.running.get(&function_arn).copied().unwrap_or_default();
        if running >= reserved {
            return Err(InvokeError::ReservedExhausted { reserved });
        }
        state.running.insert(function_arn.clone(), running + 1);
        drop(state);
        Ok(Some(Reserved { pool: self, function_arn }))
    }

    /// The worker of this revision that was used last, or room for a new one. Idle workers of other revisions end.
    pub(crate) fn take(&self, spec: &FunctionSpec) -> Result<Taken, InvokeError> {
        let mut state = self.state();
        if state.closed {
            return Err(InvokeError::ShuttingDown);
        }
        if let Some(family) = state.families.get_mut(&key(spec)) {
            if family.revision != spec.revision {
                family.idle.clear();
                family.revision.clone_from(&spec.revision);
            }
            while let Some(Idle { worker, .. }) = family.idle.pop() {
                if worker.is_alive() {
                    return Ok(Taken::Warm(worker));
                }
            }
        } else {
            let family = Family { revision: spec.revision.clone(), idle: Vec::new() };
            state.families.insert(key(spec), family);
        }
        loop {
            if let Ok(permit) = Arc::clone(&self.room).try_acquire_owned() {
                return Ok(Taken::Room(permit));
            }
            if !state.end_longest_idle() {
                return Err(InvokeError::Throttled { limit: self.limit });
            }
        }
    }

    /// A place among all workers, for an invocation that needs none.
    pub(crate) fn room_for_one(&self, spec: &FunctionSpec) -> Result<OwnedSemaphorePermit, InvokeError> {
        match self.take(spec)? {
            Taken::Room(room) => Ok(room),
            // Components have no workers that could be idle.
            Taken::Warm(_) => Err(InvokeError::Lost),
        }
    }

    /// Keep a worker for its function's next invocation, unless it is of a revision that is past.
    pub(crate) fn put(&self, worker: Box<Worker>) {
        let since = self.clock.monotonic();
        let mut state = self.state();
        if state.closed {
            return;
        }
        if let Some(family) = state.families.get_mut(&key(&worker.spec))
            && family.revision == worker.spec.revision
        {
            family.idle.push(Idle { since, worker });
        }
    }

    /// End the idle workers of all versions of a function, and those that are busy once they are not.
    pub(crate) fn retire(&self, function_arn: &str) {
        let of_it = |arn: &str| {
            arn.strip_prefix(function_arn).is_some_and(|rest| rest.is_empty() || rest.starts_with(':'))
        };
        self.state().families.retain(|(arn, _), _| !of_it(arn));
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
    }

    /// End all idle workers and give out none from now on.
    pub(crate) fn close(&self) {
        let mut state = self.state();
        state.closed = true;
        state.families.clear();
    }

    pub(crate) fn is_closed(&self) -> bool {
        self.state().closed
    }

    /// Idle workers, and all.
    pub(crate) fn counts(&self) -> (usize, usize) {
        let idle = self.state().families.values().map(|family| family.idle.len()).sum();
        (idle, self.limit.saturating_sub(self.room.available_permits()))
    }
}

impl State {
    /// Whether there was an idle worker to end.
    fn end_longest_idle(&mut self) -> bool {
        let families = self.families.values_mut().filter(|family| !family.idle.is_empty());
        let Some(family) = families.min_by_key(|family| family.idle.first().map(|idle| idle.since)) else {
            return false;
        };
        family.idle.remove(0);
        true
    }
}
