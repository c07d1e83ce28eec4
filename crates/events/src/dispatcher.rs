//! Starts what is due, and keeps the journal short. Level-triggered: each look asks what is due now.

use crate::service::Core;
use crate::{caps, clean, deliver, tell};
use millstream_control::State;
use millstream_mapping::Invoker;
use millstream_types::Timestamp;
use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;
use tokio::task::{self, JoinError, JoinSet};
use tokio::time::{sleep, timeout};

/// What a task does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Run,
    Tell,
    Clean,
}

pub(crate) struct Dispatcher<I> {
    core: Arc<Core>,
    invoker: Arc<I>,
    stop: watch::Receiver<bool>,
    tasks: JoinSet<()>,
    kinds: HashMap<task::Id, Kind>,
    running: usize,
    telling: usize,
    looked_at: Arc<State>,
}

impl<I: Invoker> Dispatcher<I> {
    pub(crate) fn new(core: Arc<Core>, invoker: I, stop: watch::Receiver<bool>) -> Self {
        let looked_at = Arc::new(State::default());
        let (invoker, tasks) = (Arc::new(invoker), JoinSet::new());
        let kinds = HashMap::new();
        Self { core, invoker, stop, tasks, kinds, running: 0, telling: 0, looked_at }
    }

    pub(crate) async fn run(mut self) {
        let core = self.core.clone();
        let mut control = core.engine.control().watch();
        // Nothing waits before there is a journal.
        while control.borrow_and_update().event_journal.is_none() {
            tokio::select! {
                () = asked(&mut self.stop) => return,
                changed = control.changed() => if changed.is_err() { return },
            }
        }
        while let Err(error) = core.journal().await {
            tracing::error!(%error, "events of asynchronous invocations cannot be read; trying again");
            tokio::select! {
                () = asked(&mut self.stop) => return,
                () = sleep(caps::LONGEST_PAUSE) => {}
            }
        }
        loop {
            let state = control.borrow_and_update().clone();
            self.follow(&state).await;
            let wake = self.start_what_is_due(&state);
            tokio::select! {
                biased;
                () = asked(&mut self.stop) => break,
                changed = control.changed() => if changed.is_err() { break },
                Some(ended) = self.tasks.join_next_with_id() => {
                    self.ended(ended);
                    while let Some(ended) = self.tasks.try_join_next_with_id() {
                        self.ended(ended);
                    }
                }
                () = core.news.notified() => {}
                () = until(wake) => {}
            }
        }
        let under_way = async { while self.tasks.join_next().await.is_some() {} };
        if timeout(caps::SHUTDOWN_GRACE, under_way).await.is_err() {
            tracing::info!("events are under way still; they run again after the next start");
        }
        self.tasks.shutdown().await;
    }

    fn ended(&mut self, ended: Result<(task::Id, ()), JoinError>) {
        let id = match ended {
            Ok((id, ())) => id,
            Err(error) => {
                tracing::error!(%error, "the task of an event failed; it runs again after the next start");
                error.id()
            }
        };
        match self.kinds.remove(&id) {
            Some(Kind::Run) => self.running -= 1,
            Some(Kind::Tell) => self.telling -= 1,
            Some(Kind::Clean) | None => {}
        }
    }

    fn spawn(&mut self, kind: Kind, task: impl Future<Output = ()> + Send + 'static) {
        let id = self.tasks.spawn(task).id();
        self.kinds.insert(id, kind);
    }

    /// Let go of functions that are gone, and see whether others may run more at once.
    async fn follow(&mut self, state: &Arc<State>) {
        if state.functions.ptr_eq(&self.looked_at.functions) {
            return;
        }
        self.looked_at = state.clone();
        let is_there = |function: &str| state.functions.contains_key(function);
        let gone = self.core.table.drain(|function| !is_there(function));
        if !gone.is_empty() {
            deliver::drop_all(&self.core, &gone).await;
        }
        self.core.board.retain(is_there);
        self.core.table.look_again();
    }

    /// When something is due next, as far as is known.
    fn start_what_is_due(&mut self, state: &State) -> Option<Duration> {
        // What cannot be written down had better not be done.
        if self.core.engine.stopped().is_some() {
            return Some(caps::LONGEST_PAUSE);
        }
        let core = self.core.clone();
        let now = core.engine.now();
        let limit = self.invoker.limit();
        let room = |function: &str| match state.functions.get(function).and_then(|of| of.reserved_concurrency)
        {
            // The attempt finds out that it is switched off.
            Some(0) | None => limit,
            Some(reserved) => limit.min(reserved as usize),
        };
        while self.running < limit
            && let Some(id) = core.table.next_run(now, room)
        {
            self.running += 1;
            let (core, invoker) = (core.clone(), self.invoker.clone());
            self.spawn(Kind::Run, async move { deliver::deliver(&core, &*invoker, id).await });
        }
        while self.telling < caps::TELLING
            && let Some(id) = core.table.next_tell(now)
        {
            self.telling += 1;
            let core = core.clone();
            self.spawn(Kind::Tell, async move { tell::tell(&core, id).await });
        }
        if let Some(work) = clean::work(&core) {
            let core = core.clone();
            self.spawn(Kind::Clean, async move { clean::clean(&core, work).await });
        }
        let runs = core.table.wake_runs().filter(|_| self.running < limit);
        let tells = core.table.wake_tells().filter(|_| self.telling < caps::TELLING);
        let next: Option<Timestamp> = runs.into_iter().chain(tells).min();
        next.map(|at| Duration::from_millis(at.millis_since(now).max(1)))
    }
}

async fn until(wake: Option<Duration>) {
    match wake {
        Some(wake) => sleep(wake).await,
        None => std::future::pending().await,
    }
}

/// Asked to stop, or nobody is there any more to ask.
async fn asked(stop: &mut watch::Receiver<bool>) {
    if stop.wait_for(|stop| *stop).await.is_err() {
        tracing::debug!("nobody holds the events any more");
    }
}
