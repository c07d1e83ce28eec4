//! The service that the rest of the house talks to.

use crate::caps;
use crate::code::CodeStore;
use crate::launcher::Launcher;
use crate::meter::FunctionCounts;
use crate::options::Options;
use crate::pool::Pool;
use crate::protection::Protection;
use crate::provisioned::ProvisionedCount;
use crate::run::House;
use crate::runtimes::{FoundRuntime, Runtime, RuntimeMissing};
use crate::sandbox::{Isolation, IsolationUnavailable};
use crate::spec::{Booking, FunctionSpec, Invocation, InvokeError, InvokeReply};
use crate::starting::keep_ready;
use crate::streaming::{Sink, Streaming, flat};
use millstream_host::entropy;
use std::io;
use std::sync::{Arc, Weak};
use std::time::Duration;
use tokio::sync::Semaphore;
use tokio::task::JoinHandle;

/// Runs functions. Cheap to clone; when the last clone is dropped all workers end.
#[derive(Clone, Debug)]
pub struct Functions {
    house: Arc<House>,
}

/// How many workers there are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WorkerCount {
    pub busy: usize,
    pub idle: usize,
    pub limit: usize,
}

impl Functions {
    /// Start the service. It starts also where functions cannot be isolated: then [`Functions::isolation`] says why,
    /// and every invocation is refused.
    pub async fn start(code: CodeStore, options: Options) -> io::Result<Self> {
        let pool = Pool::new(options.max_workers, options.idle_expiry, Arc::clone(&options.clock));
        let expiry = options.idle_expiry;
        let launcher = Arc::new(Launcher::prepare(code, options).await?);
        let handed_on = Semaphore::new(caps::MAX_ELSEWHERE);
        let starts = Semaphore::new(starts_at_once());
        let house = Arc::new(House { launcher, pool, handed_on, meters: Arc::default(), starts });
        tokio::spawn(keep_ready(Arc::downgrade(&house), Arc::clone(&house.pool.wake)));
        tokio::spawn(expire_idle(Arc::downgrade(&house), expiry));
        Ok(Self { house })
    }

    /// The store with the functions' code.
    pub fn code(&self) -> &CodeStore {
        &self.house.launcher.code
    }

    /// How functions are isolated, or why they cannot be and what to do about it.
    pub fn isolation(&self) -> Result<Isolation, IsolationUnavailable> {
        self.house.launcher.protection.isolation.clone()
    }

    /// What keeps functions apart and within their limits here.
    pub fn protection(&self) -> &Protection {
        &self.house.launcher.protection
    }

    /// Run a function. A function that fails is an `Ok` with [`InvokeReply::function_error`].
    ///
    /// The invocation goes on to its end if the returned future is dropped, as on AWS.
    pub async fn invoke(
        &self,
        spec: Arc<FunctionSpec>,
        call: Invocation,
    ) -> Result<InvokeReply, InvokeError> {
        flat(self.begin(drawn(spec), call, None)?.await)
    }

    /// As [`Functions::invoke`], for a caller that takes the response in pieces while the function writes it. Returns
    /// when the response begins, or the invocation ends without one. A reader that is slow holds the function up, whose
    /// time goes on.
    pub async fn invoke_streaming(
        &self,
        spec: Arc<FunctionSpec>,
        call: Invocation,
    ) -> Result<Streaming, InvokeError> {
        let spec = drawn(spec);
        let version = spec.version.clone();
        let (sink, source) = Sink::new();
        let running = self.begin(spec, call, Some(sink))?;
        Streaming::start(version, source, running).await
    }

    fn begin(
        &self,
        spec: Arc<FunctionSpec>,
        call: Invocation,
        sink: Option<Arc<Sink>>,
    ) -> Result<JoinHandle<Result<InvokeReply, InvokeError>>, InvokeError> {
        let (size, limit) = (call.payload.len(), caps::MAX_PAYLOAD_BYTES);
        if size > limit {
            return Err(InvokeError::PayloadTooLarge { size, limit });
        }
        let house = Arc::clone(&self.house);
        let running = house.meters.begin(&spec);
        Ok(tokio::spawn(async move {
            let result = house.run(spec, call, sink, &running).await;
            running.ended(&result);
            result
        }))
    }

    /// Do what can be done before the first invocation: compile a component, or see whether a function may run where it
    /// says.
    pub async fn prepare(&self, spec: &FunctionSpec) -> Result<(), InvokeError> {
        match &spec.elsewhere {
            Some(uri) => self.check_elsewhere(uri).map_err(|why| InvokeError::ElsewhereFailed {
                at: uri.clone(),
                why,
                reached: false,
            }),
            None if spec.runtime == Runtime::ProvidedWasm => {
                self.house.launcher.compile(spec).await.map(drop)
            }
            None => Ok(()),
        }
    }

    /// Whether functions may run at `uri`; if not, why, and what to do about it.
    pub fn check_elsewhere(&self, uri: &str) -> Result<(), String> {
        self.house.launcher.options.elsewhere.check(uri)
    }

    /// Whether this machine has what a runtime needs.
    pub async fn check_runtime(&self, runtime: Runtime) -> Result<(), RuntimeMissing> {
        self.house.launcher.runtimes.find(runtime).await.map(drop)
    }

    /// The runtimes that this machine has. Asks every interpreter, so it takes a moment.
    pub async fn available_runtimes(&self) -> Vec<FoundRuntime> {
        self.house.launcher.runtimes.all().await
    }

    /// A function is gone: end its workers, the busy ones after their invocation.
    pub fn retire(&self, arn: &str) {
        self.house.pool.retire(arn);
        self.house.meters.forget(arn);
    }

    /// Keep invocations, and workers, for functions from now on; for those that are not named, none.
    pub fn book(&self, bookings: Vec<Booking>) {
        self.house.pool.book(bookings);
    }

    /// The workers that are kept ready for a version of a function.
    pub fn provisioned(&self, function_arn: &str, version: &str) -> ProvisionedCount {
        self.house.pool.slots(|slots, _| slots.count(function_arn, version))
    }

    /// What was counted of each function since the start, by ARN.
    pub fn counts(&self) -> Vec<FunctionCounts> {
        let mut counts = self.house.meters.counts();
        let used = self.house.pool.slots(|slots, _| slots.utilisation());
        for count in &mut counts {
            (count.provisioned, count.provisioned_running) =
                used.get(&count.arn).copied().unwrap_or_default();
        }
        counts
    }

    /// Invocations under way of functions that have no concurrency reserved.
    pub fn unreserved_running(&self) -> u64 {
        self.house.meters.unreserved()
    }

    pub fn workers(&self) -> WorkerCount {
        let (idle, all) = self.house.pool.counts();
        WorkerCount { busy: all.saturating_sub(idle), idle, limit: self.house.pool.limit }
    }

    /// Refuse further invocations, end all workers and wait until they have ended. Invocations at hand are lost.
    pub async fn shutdown(&self) {
        self.house.pool.close();
        self.house.launcher.end_all().await;
    }
}

/// Starts that have their turn together.
fn starts_at_once() -> usize {
    let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    (cores * caps::STARTS_PER_CORE).max(caps::STARTS_AT_LEAST)
}

/// The version that takes this invocation.
fn drawn(spec: Arc<FunctionSpec>) -> Arc<FunctionSpec> {
    match &spec.shared_with {
        Some(share) if entropy::u64() % 1_000_000_000 < u64::from(share.billionths) => {
            Arc::clone(&share.spec)
        }
        Some(_) | None => spec,
    }
}

/// Look after idle workers until the service is gone.
async fn expire_idle(house: Weak<House>, expiry: Duration) {
    let pause = (expiry / 10).clamp(Duration::from_millis(10), Duration::from_secs(30));
    loop {
        tokio::time::sleep(pause).await;
        let Some(house) = house.upgrade() else { return };
        house.pool.expire();
    }
}
