//! One worker: a process that takes one invocation at a time.

use crate::api::{Answer, Api, Next, Started};
use crate::caps;
use crate::groups::Group;
use crate::memory::Sampler;
use crate::outcome::{Exit, Outcome};
use crate::output::Output;
use crate::provisioned::Seat;
use crate::sandbox::{Ending, Launched, Report};
use crate::spec::FunctionSpec;
use crate::streaming::Sink;
use nix::sys::signal::Signal;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{OwnedSemaphorePermit, oneshot, watch};
use tokio::task::AbortHandle;

/// A started worker. Dropping it ends its processes.
#[derive(Debug)]
pub(crate) struct Worker {
    pub spec: Arc<FunctionSpec>,
    pub api: Arc<Api>,
    pub output: Arc<Output>,
    pub memory: Arc<Sampler>,
    pub exit: watch::Receiver<Option<Exit>>,
    pub on_start: Option<oneshot::Receiver<Started>>,
    /// On the monotonic clock.
    pub launched_at: Duration,
    pub ending: Ending,
    pub group: Option<Arc<Group>>,
    pub tasks: Vec<AbortHandle>,
    /// The worker's place among all workers.
    pub room: Option<OwnedSemaphorePermit>,
    /// Set if it is kept ready whether or not it is used.
    pub seat: Option<Seat>,
}

impl Drop for Worker {
    fn drop(&mut self) {
        self.ending.end();
        for task in &self.tasks {
            task.abort();
        }
    }
}

impl Worker {
    pub(crate) fn is_alive(&self) -> bool {
        self.exit.borrow().is_none() && !self.memory.is_over()
    }

    /// The worker has nothing to do for now.
    pub(crate) fn rest(&self) {
        self.memory.set_busy(false);
    }

    /// Wait until the runtime asks for its first invocation. `None` means that it did; otherwise how it failed.
    pub(crate) async fn start_up(&mut self, within: Duration) -> Option<Outcome> {
        let on_start = self.on_start.take()?;
        let started = async {
            match on_start.await {
                Ok(Started::Ready) => None,
                Ok(Started::InitError(body)) => Some(Outcome::InitError(body)),
                Err(_) => Some(Outcome::Exited(Exit::Ended)),
            }
        };
        let failed = race(started, &mut self.exit, within, self.memory.exceeded()).await;
        if failed.is_none()
            && let Some(group) = &self.group
        {
            group.limit_cpu();
        }
        failed
    }

    /// Run one invocation. `None` if the runtime ended without having fetched it: then it may go to another worker.
    pub(crate) async fn invoke(
        &mut self,
        next: Next,
        sink: Option<Arc<Sink>>,
        within: Duration,
    ) -> Option<Outcome> {
        self.memory.set_busy(true);
        let mut on_answer = self.api.hand(next, sink);
        let answered = async {
            Some(match (&mut on_answer).await {
                Ok(Answer::Response(body)) => Outcome::Response(body),
                Ok(Answer::Error(body)) => Outcome::Error(body),
                Ok(Answer::TooLarge) => Outcome::TooLarge,
                Ok(Answer::Streamed) => Outcome::Streamed,
                Ok(Answer::StreamTooLarge) => Outcome::StreamTooLarge,
                Ok(Answer::Truncated) => {
                    tokio::time::sleep(caps::TRUNCATED_GRACE).await;
                    Outcome::Truncated
                }
                Err(_) => Outcome::Exited(Exit::Ended),
            })
        };
        let outcome = race(answered, &mut self.exit, within, self.memory.exceeded()).await;
        match outcome {
            Some(Outcome::Exited(_) | Outcome::OutOfMemory) if !self.api.was_fetched() => return None,
            // What the process wrote before its end may not have been read yet.
            Some(Outcome::Exited(_) | Outcome::OutOfMemory) if self.api.is_streaming() => {
                drop(tokio::time::timeout(caps::TRUNCATED_GRACE, on_answer).await);
            }
            _ => {}
        }
        outcome
    }

    /// The highest memory use so far, in MiB.
    pub(crate) async fn max_memory_mb(&self) -> u32 {
        self.memory.latest_peak_mb().await
    }
}

/// Whichever comes first: what is hoped for, the memory limit, the worker's end, the time limit. What is hoped for wins
/// over what happened at the same moment, and the memory limit over the end that it brings.
async fn race(
    hoped: impl Future<Output = Option<Outcome>>,
    exit: &mut watch::Receiver<Option<Exit>>,
    within: Duration,
    out_of_memory: impl Future<Output = ()>,
) -> Option<Outcome> {
    let ended = async {
        match exit.wait_for(Option::is_some).await {
            Ok(exit) => exit.clone().unwrap_or(Exit::Ended),
            Err(_) => Exit::Ended,
        }
    };
    tokio::select! {
        biased;
        outcome = hoped => outcome,
        () = out_of_memory => Some(Outcome::OutOfMemory),
        exit = ended => Some(Outcome::Exited(exit)),
        () = tokio::time::sleep(within) => Some(Outcome::TimedOut),
    }
}

/// Follow a sandbox to its end and tell how it ended.
pub(crate) async fn supervise(
    mut launched: Launched,
    tell_exit: watch::Sender<Option<Exit>>,
    has_program: bool,
    group: Option<&Group>,
) {
    let mut cause = None;
    let exit = loop {
        match launched.next_report().await {
            Some(Report::Note { text }) => tracing::debug!("{text}"),
            Some(Report::Landlock { .. }) => {}
            Some(Report::Refused { step, why }) => break Exit::NoSandbox { step, why },
            Some(Report::ExecFailed { .. }) if !has_program => cause = Some(Exit::NoBootstrap),
            Some(Report::ExecFailed { program, why }) => cause = Some(Exit::NotExecutable { program, why }),
            Some(Report::Exited { code: Some(code), .. }) => break cause.unwrap_or(Exit::Code(code)),
            Some(Report::Exited { signal: Some(signal), .. }) => break cause.unwrap_or(Exit::Signal(signal)),
            Some(Report::Exited { .. }) | None => break cause.unwrap_or(Exit::Ended),
        }
    };
    // The kernel ends a control group as a whole, the sandbox's own processes with it.
    let exit = match exit {
        Exit::NoSandbox { .. } | Exit::Ended if group.is_some_and(Group::ran_out_of_memory) => {
            Exit::Signal(Signal::SIGKILL as i32)
        }
        exit => exit,
    };
    tell_exit.send_replace(Some(exit));
    launched.finish().await;
    if let Some(group) = group {
        group.end().await;
    }
}
