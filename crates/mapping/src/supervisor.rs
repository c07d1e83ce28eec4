//! Keeps mappings as the control state says. Level-triggered: each look compares what should be with what is, so nothing
//! is lost by a change that was overtaken or by a restart.

use crate::board::{Board, NOTHING_YET};
use crate::lane;
use crate::plan::{Order, Plan, Reading, Target, is_finished, may_start};
use crate::settle::Job;
use crate::{Destinations, Invoker, caps};
use millstream_control::{Function, Mapping, MappingState, State, Stream};
use millstream_engine::Engine;
use millstream_types::LogShard;
use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use tokio::sync::{Semaphore, watch};
use tokio::task::{self, JoinError, JoinSet};
use tokio::time::{sleep, timeout};

/// What all lanes share.
#[derive(Debug)]
pub(crate) struct Context<I> {
    pub(crate) engine: Engine,
    pub(crate) invoker: I,
    /// One for each invocation that can run.
    pub(crate) turns: Arc<Semaphore>,
    pub(crate) board: Arc<Board>,
    pub(crate) destinations: Arc<dyn Destinations>,
}

pub(crate) struct Supervisor<I> {
    context: Arc<Context<I>>,
    stop: watch::Receiver<bool>,
    mappings: HashMap<String, Tracked>,
    /// Lanes and jobs; `owners` says which is which.
    tasks: JoinSet<()>,
    owners: HashMap<task::Id, Owner>,
    /// The state last looked at, unless something else happened since.
    looked_at: Option<Arc<State>>,
}

/// A mapping's running parts.
#[derive(Debug, Default)]
struct Tracked {
    lanes: HashMap<LogShard, watch::Sender<Order>>,
    /// A job is under way; there is at most one.
    job: bool,
    source_gone: bool,
    /// What the last look found, unless a lane or a job ended since.
    seen: Option<Seen>,
}

#[derive(Clone, Debug)]
enum Owner {
    Lane(String, LogShard),
    Job(String),
}

/// What a mapping's lanes depend on.
#[derive(Clone, Debug)]
struct Seen {
    mapping: Arc<Mapping>,
    stream: Option<Arc<Stream>>,
    function: Option<Arc<Function>>,
}

impl Seen {
    fn of(state: &State, mapping: &Arc<Mapping>) -> Self {
        Self {
            mapping: mapping.clone(),
            stream: state.streams.get(&mapping.source.stream).cloned(),
            function: state.functions.get(&mapping.settings.function).cloned(),
        }
    }

    /// By identity: the control state shares what did not change.
    fn same_as(&self, other: &Self) -> bool {
        fn same<T>(this: Option<&Arc<T>>, that: Option<&Arc<T>>) -> bool {
            match (this, that) {
                (Some(this), Some(that)) => Arc::ptr_eq(this, that),
                (this, that) => this.is_none() && that.is_none(),
            }
        }
        Arc::ptr_eq(&self.mapping, &other.mapping)
            && same(self.stream.as_ref(), other.stream.as_ref())
            && same(self.function.as_ref(), other.function.as_ref())
    }
}

impl<I: Invoker> Supervisor<I> {
    pub(crate) fn new(context: Context<I>, stop: watch::Receiver<bool>) -> Self {
        Self {
            context: Arc::new(context),
            stop,
            mappings: HashMap::new(),
            tasks: JoinSet::new(),
            owners: HashMap::new(),
            looked_at: None,
        }
    }

    pub(crate) async fn run(mut self) {
        let mut control = self.context.engine.control().watch();
        loop {
            let state = control.borrow_and_update().clone();
            self.look(&state);
            tokio::select! {
                biased;
                () = asked(&mut self.stop) => break,
                changed = control.changed() => {
                    if changed.is_err() {
                        break;
                    }
                }
                Some(ended) = self.tasks.join_next_with_id() => {
                    self.ended(ended);
                    while let Some(ended) = self.tasks.try_join_next_with_id() {
                        self.ended(ended);
                    }
                }
            }
        }
        self.shut_down().await;
    }

    fn look(&mut self, state: &Arc<State>) {
        let unchanged = self.looked_at.as_ref().is_some_and(|last| {
            // Checkpoints are most of all changes, and nothing here hangs on them but the end of a lane.
            last.mappings.ptr_eq(&state.mappings)
                && last.streams.ptr_eq(&state.streams)
                && last.functions.ptr_eq(&state.functions)
        });
        if unchanged {
            return;
        }
        self.looked_at = Some(state.clone());
        for mapping in state.mappings.values() {
            let mut tracked = self.mappings.remove(&mapping.uuid).unwrap_or_default();
            let seen = Seen::of(state, mapping);
            if tracked.seen.as_ref().is_none_or(|last| !last.same_as(&seen)) {
                tracked.seen = Some(seen);
                self.context.board.open(mapping);
                self.settle(state, mapping, &mut tracked);
            }
            self.mappings.insert(mapping.uuid.clone(), tracked);
        }
        let board = &self.context.board;
        self.mappings.retain(|uuid, tracked| {
            let exists = state.mappings.contains_key(uuid);
            if !exists {
                stop(tracked);
                board.forget(uuid);
            }
            exists || tracked.job || !tracked.lanes.is_empty()
        });
    }

    /// Take a mapping towards what its state asks for.
    fn settle(&mut self, state: &State, mapping: &Arc<Mapping>, tracked: &mut Tracked) {
        let reading = Reading::of(mapping, state);
        self.show_source(mapping, &reading, tracked);
        match (&reading, mapping.settings.enabled, mapping.state) {
            (
                Reading::Ready(stream),
                true,
                MappingState::Enabled | MappingState::Enabling | MappingState::Updating,
            ) => self.run_lanes(state, mapping, stream, tracked),
            _ => stop(tracked),
        }
        match mapping.state {
            MappingState::Creating => match reading {
                Reading::Ready(stream) => self.start_job(mapping, Job::Activate(Some(stream)), tracked),
                Reading::Gone(_) => self.start_job(mapping, Job::Activate(None), tracked),
                Reading::NotYet => {}
            },
            MappingState::Enabling | MappingState::Updating => self.start_job(mapping, Job::Settle, tracked),
            MappingState::Disabling if tracked.lanes.is_empty() => {
                self.start_job(mapping, Job::Settle, tracked);
            }
            MappingState::Deleting if tracked.lanes.is_empty() => {
                self.start_job(mapping, Job::Remove, tracked);
            }
            // Settled; or lanes still run, and it is looked at again when one ends.
            MappingState::Enabled
            | MappingState::Disabled
            | MappingState::Disabling
            | MappingState::Deleting => {}
        }
    }

    fn show_source(&self, mapping: &Mapping, reading: &Reading, tracked: &mut Tracked) {
        match reading {
            Reading::Gone(why) => {
                if !tracked.source_gone {
                    tracing::warn!(
                        mapping = mapping.uuid,
                        why,
                        "the source of an event source mapping is gone"
                    );
                }
                tracked.source_gone = true;
                self.context.board.problem(&mapping.uuid, why);
            }
            Reading::Ready(_) if tracked.source_gone => {
                tracked.source_gone = false;
                self.context.board.set_result(&mapping.uuid, NOTHING_YET);
            }
            Reading::Ready(_) | Reading::NotYet => {}
        }
    }

    fn run_lanes(
        &mut self,
        state: &State,
        mapping: &Arc<Mapping>,
        stream: &Arc<Stream>,
        tracked: &mut Tracked,
    ) {
        let target = Target::of(mapping, state);
        let logs: HashSet<LogShard> = stream.shards.iter().map(|shard| shard.log).collect();
        for (log, orders) in &tracked.lanes {
            if !logs.contains(log) {
                orders.send_replace(Order::Stop);
            }
        }
        for shard in &stream.shards {
            let plan = || {
                Arc::new(Plan {
                    mapping: mapping.clone(),
                    stream: stream.clone(),
                    shard: shard.clone(),
                    target: target.clone(),
                })
            };
            if let Some(orders) = tracked.lanes.get(&shard.log) {
                give(orders, plan());
            } else if !is_finished(state, mapping, shard) && may_start(state, mapping, stream, shard) {
                // Without a checkpoint the lane starts at the trim horizon, which a read from 0 finds.
                let from = state.checkpoint(&mapping.uuid, shard.log).unwrap_or_default();
                let plan = plan();
                let (orders, taken) = watch::channel(Order::Run(plan.clone()));
                let lanes = lane::run(self.context.clone(), taken, plan, from);
                let owner = Owner::Lane(mapping.uuid.clone(), shard.log);
                self.owners.insert(self.tasks.spawn(lanes).id(), owner);
                tracked.lanes.insert(shard.log, orders);
            }
        }
    }

    fn start_job(&mut self, mapping: &Arc<Mapping>, job: Job, tracked: &mut Tracked) {
        if std::mem::replace(&mut tracked.job, true) {
            return;
        }
        let (context, mapping) = (self.context.clone(), mapping.clone());
        let owner = Owner::Job(mapping.uuid.clone());
        let task = self.tasks.spawn(async move {
            if let Err(error) = job.run(&context.engine, &mapping).await {
                tracing::warn!(mapping = mapping.uuid, ?job, %error, "an event source mapping waits to settle");
                sleep(caps::CONTROL_PAUSE).await;
            }
        });
        self.owners.insert(task.id(), owner);
    }

    /// A lane or job is over: have its mapping looked at again.
    fn ended(&mut self, ended: Result<(task::Id, ()), JoinError>) {
        let id = match &ended {
            Ok((id, ())) => *id,
            Err(error) => error.id(),
        };
        let Some(owner) = self.owners.remove(&id) else { return };
        if let Err(error) = ended {
            tracing::error!(?owner, %error, "part of an event source mapping failed; it starts again");
            // The pause stands in for it, so that it does not fail as fast as it can.
            self.owners.insert(self.tasks.spawn(sleep(caps::CONTROL_PAUSE)).id(), owner);
            return;
        }
        let (Owner::Lane(uuid, _) | Owner::Job(uuid)) = &owner;
        if let Some(tracked) = self.mappings.get_mut(uuid) {
            match owner {
                Owner::Lane(_, shard) => drop(tracked.lanes.remove(&shard)),
                Owner::Job(_) => tracked.job = false,
            }
            tracked.seen = None;
        }
        self.looked_at = None;
    }

    async fn shut_down(mut self) {
        self.mappings.values().for_each(stop);
        let all = async { while self.tasks.join_next().await.is_some() {} };
        if timeout(caps::SHUTDOWN_GRACE, all).await.is_err() {
            tracing::warn!(
                left = self.tasks.len(),
                "invocations of event source mappings are given up; they run again after the next start"
            );
            self.tasks.shutdown().await;
        }
    }
}

/// Until the end is asked for, be it by dropping the last handle.
async fn asked(stop: &mut watch::Receiver<bool>) {
    if stop.wait_for(|stop| *stop).await.is_err() {
        tracing::debug!("nobody holds the event source mappings any more");
    }
}

fn stop(tracked: &Tracked) {
    for orders in tracked.lanes.values() {
        orders.send_replace(Order::Stop);
    }
}

/// Give a shard's lanes their plan, and wake them only if the plan says something new. Lanes that were stopped stay stopped;
/// when they have ended, the next look starts others.
fn give(orders: &watch::Sender<Order>, plan: Arc<Plan>) {
    orders.send_if_modified(|order| match order {
        // As many as there are to be begin where the slowest stood. That is decided here and not by each lane: one that is busy
        // might see only a later plan, which has its number again, and go on alone.
        Order::Run(last) if last.lanes() != plan.lanes() => {
            *order = Order::Stop;
            true
        }
        Order::Run(last) if !last.same_as(&plan) => {
            *order = Order::Run(plan);
            true
        }
        Order::Run(_) | Order::Stop => false,
    });
}
