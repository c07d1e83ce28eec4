//! Workers that are kept ready: started ahead of invocations, and again when they end.

use crate::caps;
use crate::pool::{Key, key};
use crate::spec::{Booking, FunctionSpec, KeptReady};
use crate::worker::Worker;
use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;
use tokio::sync::Notify;

type Workers = Vec<Box<Worker>>;

/// What is kept for functions.
#[derive(Debug, Default)]
pub(crate) struct Slots {
    all: HashMap<Key, Slot>,
    /// Provisioned invocations by function ARN.
    provisioned: HashMap<String, u32>,
    /// Invocations at once that are kept for some function.
    booked: usize,
}

/// The workers that are kept ready for one version.
#[derive(Debug)]
pub(crate) struct Slot {
    spec: Arc<FunctionSpec>,
    wanted: u32,
    since: u64,
    seats: Arc<Seats>,
    idle: Workers,
    /// All were ready since they were asked for.
    reached: bool,
    failed: Option<Failed>,
}

#[derive(Debug)]
struct Failed {
    why: String,
    times: u32,
    again_at: Duration,
}

#[derive(Debug)]
struct Seats {
    /// Workers that are ready or being started.
    held: AtomicU32,
    ready: AtomicU32,
    wake: Arc<Notify>,
}

/// A worker's place among those that are kept ready; until it is dropped.
#[derive(Debug)]
pub(crate) struct Seat {
    seats: Arc<Seats>,
    is_ready: bool,
}

impl Seat {
    pub(crate) fn ready(mut self) -> Self {
        self.is_ready = true;
        self.seats.ready.fetch_add(1, Ordering::Relaxed);
        self
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        if self.is_ready {
            self.seats.ready.fetch_sub(1, Ordering::Relaxed);
        }
        self.seats.held.fetch_sub(1, Ordering::Relaxed);
        self.seats.wake.notify_one();
    }
}

/// Workers to be started.
#[derive(Debug)]
pub(crate) struct Missing {
    pub spec: Arc<FunctionSpec>,
    pub seats: Vec<Seat>,
}

/// How many workers are kept ready for a version.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ProvisionedCount {
    /// What was asked for, and since when ([`KeptReady::since`]).
    pub wanted: u32,
    pub since: u64,
    /// Workers that are started up, the busy ones included.
    pub allocated: u32,
    /// Those of them that are idle.
    pub available: u32,
    /// Whether all were ready since they were asked for.
    pub reached: bool,
    /// Why the last start failed, until one succeeds.
    pub failed: Option<String>,
}

impl Slot {
    fn new(kept: KeptReady, wake: &Arc<Notify>) -> Self {
        let seats = Seats { held: AtomicU32::new(0), ready: AtomicU32::new(0), wake: Arc::clone(wake) };
        Self {
            spec: kept.spec,
            wanted: kept.executions,
            since: kept.since,
            seats: Arc::new(seats),
            idle: Vec::new(),
            reached: false,
            failed: None,
        }
    }

    /// The worker that was used last.
    pub(crate) fn take(&mut self) -> Option<Box<Worker>> {
        while let Some(worker) = self.idle.pop() {
            if worker.is_alive() {
                return Some(worker);
            }
        }
        None
    }

    fn held(&self) -> u32 {
        self.seats.held.load(Ordering::Relaxed)
    }

    fn count(&self) -> ProvisionedCount {
        ProvisionedCount {
            wanted: self.wanted,
            since: self.since,
            allocated: self.seats.ready.load(Ordering::Relaxed),
            available: u32::try_from(self.idle.len()).unwrap_or(u32::MAX),
            reached: self.reached,
            failed: self.failed.as_ref().map(|failed| failed.why.clone()),
        }
    }
}

impl Slots {
    /// The new state of things. Returns workers that are not kept any more, to be dropped elsewhere.
    pub(crate) fn book(&mut self, bookings: Vec<Booking>, wake: &Arc<Notify>) -> Workers {
        let mut before = std::mem::take(&mut self.all);
        self.provisioned.clear();
        self.booked = 0;
        let mut ended = Vec::new();
        for booking in bookings {
            let provisioned: u32 = booking.provisioned.iter().map(|kept| kept.executions).sum();
            self.booked += booking.reserved.unwrap_or(provisioned) as usize;
            for kept in booking.provisioned {
                let of = key(&kept.spec);
                let same = before.remove(&of).filter(|slot| slot.spec.revision == kept.spec.revision);
                let mut slot = same.unwrap_or_else(|| Slot::new(kept.clone(), wake));
                if slot.since != kept.since {
                    slot.failed = None;
                }
                slot.reached &= kept.executions <= slot.wanted;
                (slot.wanted, slot.since, slot.spec) = (kept.executions, kept.since, kept.spec);
                let over = slot.held().saturating_sub(slot.wanted) as usize;
                ended.extend(slot.idle.drain(..over.min(slot.idle.len())));
                self.all.insert(of, slot);
            }
            self.provisioned.insert(booking.function_arn, provisioned);
        }
        ended.extend(before.into_values().flat_map(|slot| slot.idle));
        ended
    }

    /// Of one version, if the revision is the one that is kept.
    pub(crate) fn of(&mut self, spec: &FunctionSpec) -> Option<&mut Slot> {
        if self.all.is_empty() {
            return None;
        }
        self.all.get_mut(&key(spec)).filter(|slot| slot.spec.revision == spec.revision)
    }

    pub(crate) fn provisioned(&self, function_arn: &str) -> u32 {
        self.provisioned.get(function_arn).copied().unwrap_or_default()
    }

    pub(crate) fn booked(&self) -> usize {
        self.booked
    }

    pub(crate) fn idle(&self) -> usize {
        self.all.values().map(|slot| slot.idle.len()).sum()
    }

    pub(crate) fn count(&self, function_arn: &str, version: &str) -> ProvisionedCount {
        let of = (function_arn.to_owned(), version.to_owned());
        self.all.get(&of).map(Slot::count).unwrap_or_default()
    }

    /// Workers allocated and in use, by function ARN.
    pub(crate) fn utilisation(&self) -> HashMap<String, (u32, u32)> {
        let mut all: HashMap<String, (u32, u32)> = HashMap::new();
        for ((arn, _), slot) in &self.all {
            let count = slot.count();
            let sum = all.entry(arn.clone()).or_default();
            sum.0 += count.allocated;
            sum.1 += count.allocated.saturating_sub(count.available);
        }
        all
    }

    /// Keep a worker ready again; back if there are enough, or its time is over.
    pub(crate) fn put(&mut self, worker: Box<Worker>) -> Option<Box<Worker>> {
        let slot = self.all.get_mut(&key(&worker.spec));
        let ours =
            slot.zip(worker.seat.as_ref()).filter(|(slot, seat)| Arc::ptr_eq(&slot.seats, &seat.seats));
        let Some((slot, _)) = ours else { return Some(worker) };
        if slot.held() > slot.wanted || !worker.is_alive() {
            return Some(worker);
        }
        slot.idle.push(worker);
        if slot.seats.ready.load(Ordering::Relaxed) >= slot.wanted {
            slot.reached = true;
        }
        None
    }

    /// A worker for a seat was started, or why not.
    pub(crate) fn started(&mut self, spec: &FunctionSpec, why: Option<String>, now: Duration) {
        let Some(slot) = self.of(spec) else { return };
        slot.failed = why.map(|why| {
            let times = slot.failed.as_ref().map_or(0, |failed| failed.times) + 1;
            let pause = caps::PROVISIONED_RETRY.saturating_mul(1 << times.min(6));
            Failed { why, times, again_at: now + pause.min(caps::PROVISIONED_RETRY_MOST) }
        });
    }

    pub(crate) fn retire(&mut self, function_arn: &str) -> Vec<Slot> {
        self.all.extract_if(|(arn, _), _| arn == function_arn).map(|(_, slot)| slot).collect()
    }

    /// The workers that have ended, to be dropped elsewhere.
    pub(crate) fn ended(&mut self) -> Workers {
        let slots = self.all.values_mut();
        slots.flat_map(|slot| slot.idle.extract_if(.., |worker| !worker.is_alive())).collect()
    }

    /// What has to be started now, and how long until there may be more.
    pub(crate) fn missing(&self, now: Duration) -> (Vec<Missing>, Option<Duration>) {
        let mut later: Option<Duration> = None;
        let mut all = Vec::new();
        for slot in self.all.values() {
            let mut number = slot.wanted.saturating_sub(slot.held());
            if let Some(failed) = slot.failed.as_ref().filter(|_| number > 0) {
                let pause = failed.again_at.saturating_sub(now);
                if pause > Duration::ZERO {
                    later = Some(later.map_or(pause, |later| later.min(pause)));
                    continue;
                }
                // One shows whether it works now.
                number = 1;
            }
            let seat = || {
                slot.seats.held.fetch_add(1, Ordering::Relaxed);
                Seat { seats: Arc::clone(&slot.seats), is_ready: false }
            };
            if number > 0 {
                let seats = (0..number).map(|_| seat()).collect();
                all.push(Missing { spec: Arc::clone(&slot.spec), seats });
            }
        }
        (all, later)
    }
}
