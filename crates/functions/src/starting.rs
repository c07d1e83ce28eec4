//! Starts of workers: for invocations that wait, ahead of those that will, and to be kept ready.

use crate::caps;
use crate::launcher::Initialization;
use crate::outcome::{Exit, Outcome};
use crate::platform::Phase;
use crate::pool::{Handed, Start, Turn};
use crate::provisioned::Seat;
use crate::run::House;
use crate::spec::{FunctionSpec, InvokeError};
use crate::{machine, platform};
use std::future::Future;
use std::pin::pin;
use std::sync::{Arc, Weak};
use std::time::Duration;
use tokio::sync::{Notify, OwnedSemaphorePermit};

/// What `StatusReason` says where a function's own start failed. As recorded on AWS.
const INIT_FAILURE: &str = "FUNCTION_ERROR_INIT_FAILURE";

/// A start under way: whoever waits for it is told, whatever becomes of it.
struct Promise {
    house: Arc<House>,
    spec: Arc<FunctionSpec>,
    handed: Option<Handed>,
}

impl Drop for Promise {
    fn drop(&mut self) {
        let handed = self.handed.take().unwrap_or(Err(InvokeError::Lost));
        self.house.pool.end_start(&self.spec, handed);
    }
}

/// A start that nobody has asked for.
struct Ahead {
    house: Arc<House>,
    spec: Arc<FunctionSpec>,
    handed: Option<Handed>,
}

impl Drop for Ahead {
    fn drop(&mut self) {
        self.house.pool.end_ahead(&self.spec, self.handed.take());
    }
}

impl House {
    /// Start a worker for whoever waits for one when it is its turn.
    pub(crate) fn start_soon(self: &Arc<Self>, spec: &Arc<FunctionSpec>, turn: Turn) {
        let (house, spec) = (Arc::clone(self), Arc::clone(spec));
        tokio::spawn(async move {
            match turn {
                Turn::Wanted => house.start_wanted(spec).await,
                Turn::Crowded => {
                    house.pool.next_room(&spec).await;
                    house.start_wanted(spec).await;
                }
                Turn::Ahead(room) => house.start_ahead(spec, room).await,
            }
        });
    }

    async fn start_wanted(self: Arc<Self>, spec: Arc<FunctionSpec>) {
        // One after another: a hundred at once would take as long, and none would be there early.
        let turn = self.starts.acquire().await;
        let Some(room) = self.pool.begin_start(&spec) else { return };
        let mut promise = Promise { house: Arc::clone(&self), spec: Arc::clone(&spec), handed: None };
        promise.handed = Some(for_a_while(turn, self.start(&spec, room, Initialization::OnDemand)).await);
    }

    async fn start_ahead(self: Arc<Self>, spec: Arc<FunctionSpec>, room: OwnedSemaphorePermit) {
        let mut ahead = Ahead { house: Arc::clone(&self), spec: Arc::clone(&spec), handed: None };
        let turn = self.starts.acquire().await;
        if self.pool.is_burst(&spec) {
            let start = self.start(&spec, room, Initialization::OnDemand);
            ahead.handed = Some(for_a_while(turn, start).await);
        }
    }

    /// A new worker, started up. A start that takes too long is tried once more, then within the function's own time.
    async fn start(
        &self,
        spec: &Arc<FunctionSpec>,
        room: OwnedSemaphorePermit,
        initialization: Initialization,
    ) -> Handed {
        if machine::is_short() {
            return Err(InvokeError::NoMemory);
        }
        let mut worker = Box::new(self.launcher.start(spec, room, initialization).await?);
        let mut outcome = worker.start_up(self.launcher.options.init_timeout).await;
        let mut began = None;
        let mut init = self.clock().monotonic().saturating_sub(worker.launched_at);
        if matches!(outcome, Some(Outcome::TimedOut)) {
            let phase = Phase { spec, initialization, took: init, status: "timeout" };
            for said in platform::init_done(&phase, self.clock().now()) {
                worker.output.add(&said);
            }
            let Some(room) = worker.room.take() else { return Err(InvokeError::Lost) };
            drop(worker);
            worker = Box::new(self.launcher.start(spec, room, initialization).await?);
            began = Some(worker.launched_at);
            outcome = worker.start_up(Duration::from_secs(spec.timeout_secs.into())).await;
            init = self.clock().monotonic().saturating_sub(worker.launched_at);
        }
        if let Some(Outcome::Exited(Exit::NoSandbox { step, why })) = outcome {
            return Err(InvokeError::Spawn { why: format!("could not {step}: {why}") });
        }
        let status = if outcome.is_none() { "success" } else { "error" };
        let phase = Phase { spec, initialization, took: init, status };
        for said in platform::init_done(&phase, self.clock().now()) {
            worker.output.add_untailed(&said);
        }
        worker.output.drain();
        Ok(Start { worker, init: Some(init), began, failed: outcome })
    }

    /// Start what is missing of the workers that are to be kept ready. How long until there may be more to do.
    fn top_up(self: &Arc<Self>) -> Option<Duration> {
        drop(self.pool.slots(|slots, _| slots.ended()));
        let (missing, mut later) = self.pool.slots(|slots, now| slots.missing(now));
        for missing in missing {
            let wanted = u32::try_from(missing.seats.len()).unwrap_or(u32::MAX);
            let rooms = self.pool.rooms(wanted);
            if rooms.len() < missing.seats.len() {
                later =
                    Some(later.map_or(caps::PROVISIONED_RETRY, |later| later.min(caps::PROVISIONED_RETRY)));
            }
            for (seat, room) in missing.seats.into_iter().zip(rooms) {
                tokio::spawn(Arc::clone(self).start_to_keep(Arc::clone(&missing.spec), seat, room));
            }
        }
        later
    }

    async fn start_to_keep(self: Arc<Self>, spec: Arc<FunctionSpec>, seat: Seat, room: OwnedSemaphorePermit) {
        let turn = self.starts.acquire().await;
        let started = for_a_while(turn, self.start(&spec, room, Initialization::Provisioned)).await;
        let why = match &started {
            Ok(Start { failed: None, .. }) => None,
            Ok(_) => Some(INIT_FAILURE.to_owned()),
            Err(InvokeError::ShuttingDown) => return,
            Err(error) => Some(error.to_string()),
        };
        if let Some(why) = &why {
            tracing::warn!(
                why,
                function = spec.arn,
                "a worker that is to be kept ready could not be started"
            );
        }
        self.pool.slots(|slots, now| slots.started(&spec, why, now));
        if let Ok(Start { mut worker, failed: None, .. }) = started {
            worker.seat = Some(seat.ready());
            worker.rest();
            let (mut exit, wake) = (worker.exit.clone(), Arc::clone(&self.pool.wake));
            tokio::spawn(async move {
                // An error means that it is gone, too.
                drop(exit.wait_for(Option::is_some).await);
                wake.notify_one();
            });
            self.pool.put(worker);
        }
    }
}

/// Hold a turn until `work` is done, but not for long: what takes its time must not stop others.
async fn for_a_while<T>(turn: impl Sized, work: impl Future<Output = T>) -> T {
    let mut work = pin!(work);
    if let Ok(done) = tokio::time::timeout(caps::START_TURN, &mut work).await {
        return done;
    }
    drop(turn);
    work.await
}

/// Keep ready what is to be kept ready until the service is gone.
pub(crate) async fn keep_ready(house: Weak<House>, wake: Arc<Notify>) {
    let mut later = None;
    loop {
        match later {
            // Either way it is time to look.
            Some(pause) => drop(tokio::time::timeout(pause, wake.notified()).await),
            None => wake.notified().await,
        }
        let Some(house) = house.upgrade() else { return };
        later = house.top_up();
    }
}
