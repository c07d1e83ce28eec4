//! What is counted of each function, under CloudWatch's names for it.

use crate::caps;
use crate::spec::{FunctionSpec, InvokeError, InvokeReply};
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// The functions that were invoked since the start. At most [`caps::METERED_FUNCTIONS`]; further ones are not counted one by one.
#[derive(Debug, Default)]
pub(crate) struct Meters {
    all: Mutex<BTreeMap<String, Arc<Meter>>>,
    unreserved: AtomicU64,
}

#[derive(Debug, Default)]
struct Meter {
    invocations: AtomicU64,
    errors: AtomicU64,
    throttles: AtomicU64,
    duration_micros: AtomicU64,
    cold_starts: AtomicU64,
    init_micros: AtomicU64,
    running: AtomicU64,
    provisioned: AtomicU64,
    spilled: AtomicU64,
}

/// What was counted of one function since the server started.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FunctionCounts {
    /// Its ARN, without a version.
    pub arn: String,
    /// Invocations that ran, those that failed included.
    pub invocations: u64,
    /// Those that ended in a function error.
    pub errors: u64,
    /// Invocations that were refused: all workers, or all that are reserved for it, were busy.
    pub throttles: u64,
    /// Of all invocations together.
    pub duration: Duration,
    /// Invocations that began a worker, and how long that took, together.
    pub cold_starts: u64,
    pub init: Duration,
    /// Invocations under way.
    pub running: u64,
    /// Invocations that ran on workers kept ready, and those that did not because all of them were busy.
    pub provisioned_invocations: u64,
    pub spillover_invocations: u64,
    /// Workers that are kept ready, and those of them that are busy.
    pub provisioned: u32,
    pub provisioned_running: u32,
}

/// An invocation under way; until it is dropped.
#[derive(Debug)]
pub(crate) struct Running {
    meters: Arc<Meters>,
    meter: Option<Arc<Meter>>,
    unreserved: bool,
}

impl Drop for Running {
    fn drop(&mut self) {
        if let Some(meter) = &self.meter {
            meter.running.fetch_sub(1, Ordering::Relaxed);
        }
        if self.unreserved {
            self.meters.unreserved.fetch_sub(1, Ordering::Relaxed);
        }
    }
}

impl Meters {
    fn all(&self) -> MutexGuard<'_, BTreeMap<String, Arc<Meter>>> {
        self.all.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn of(&self, arn: &str) -> Option<Arc<Meter>> {
        let mut all = self.all();
        if let Some(meter) = all.get(arn) {
            return Some(meter.clone());
        }
        (all.len() < caps::METERED_FUNCTIONS).then(|| all.entry(arn.to_owned()).or_default().clone())
    }

    /// An invocation begins.
    pub(crate) fn begin(self: &Arc<Self>, spec: &FunctionSpec) -> Running {
        let meter = self.of(spec.function_arn());
        if let Some(meter) = &meter {
            meter.running.fetch_add(1, Ordering::Relaxed);
        }
        let unreserved = spec.reserved_concurrency.is_none();
        if unreserved {
            self.unreserved.fetch_add(1, Ordering::Relaxed);
        }
        Running { meters: self.clone(), meter, unreserved }
    }

    /// A function is gone.
    pub(crate) fn forget(&self, arn: &str) {
        self.all().remove(arn);
    }

    /// Of each function, in the order of their ARNs.
    pub(crate) fn counts(&self) -> Vec<FunctionCounts> {
        let micros = |value: &AtomicU64| Duration::from_micros(value.load(Ordering::Relaxed));
        let count = |value: &AtomicU64| value.load(Ordering::Relaxed);
        let counts = |(arn, meter): (&String, &Arc<Meter>)| FunctionCounts {
            arn: arn.clone(),
            invocations: count(&meter.invocations),
            errors: count(&meter.errors),
            throttles: count(&meter.throttles),
            duration: micros(&meter.duration_micros),
            cold_starts: count(&meter.cold_starts),
            init: micros(&meter.init_micros),
            running: count(&meter.running),
            provisioned_invocations: count(&meter.provisioned),
            spillover_invocations: count(&meter.spilled),
            provisioned: 0,
            provisioned_running: 0,
        };
        self.all().iter().map(counts).collect()
    }

    /// Invocations under way of functions without reserved concurrency.
    pub(crate) fn unreserved(&self) -> u64 {
        self.unreserved.load(Ordering::Relaxed)
    }
}

impl Running {
    /// It runs on a worker that was kept ready.
    pub(crate) fn provisioned(&self) {
        if let Some(meter) = &self.meter {
            meter.provisioned.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// None of those was free.
    pub(crate) fn spilled(&self) {
        if let Some(meter) = &self.meter {
            meter.spilled.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// How it ended.
    pub(crate) fn ended(&self, result: &Result<InvokeReply, InvokeError>) {
        let Some(meter) = &self.meter else { return };
        let add = |counter: &AtomicU64, number: u64| counter.fetch_add(number, Ordering::Relaxed);
        let micros = |time: Duration| u64::try_from(time.as_micros()).unwrap_or(u64::MAX);
        match result {
            Ok(reply) => {
                add(&meter.invocations, 1);
                add(&meter.errors, u64::from(reply.function_error.is_some()));
                add(&meter.duration_micros, micros(reply.duration));
                if let Some(init) = reply.init {
                    add(&meter.cold_starts, 1);
                    add(&meter.init_micros, micros(init));
                }
            }
            Err(
                InvokeError::Throttled { .. } | InvokeError::NoMemory | InvokeError::ReservedExhausted { .. },
            ) => {
                add(&meter.throttles, 1);
            }
            // The service's failures are not the function's.
            Err(_) => {}
        }
    }
}
