use crate::caps;
use millstream_control::{ControlCommand, Entry, EntryError, Refusal, State};
use millstream_host::Clock;
use millstream_log::{AppendError, BatchBuilder, Log, Outcome};
use millstream_types::{LogShard, Timestamp};
use std::fmt;
use std::sync::Arc;
use tokio::sync::{mpsc, oneshot, watch};

#[derive(Clone, Debug, thiserror::Error)]
pub enum SubmitError {
    #[error(transparent)]
    Refused(#[from] Refusal),
    #[error(transparent)]
    Log(#[from] AppendError),
    /// The command cannot be written down; nothing was done.
    #[error("the command could not be encoded: {0}")]
    Encoding(String),
    #[error("the control plane is shutting down")]
    Closed,
}

impl SubmitError {
    /// What is known of the command. `Closed` may mean that the answer got lost, so it is unknown.
    pub fn outcome(&self) -> Outcome {
        match self {
            Self::Refused(_) | Self::Encoding(_) => Outcome::NotDone,
            Self::Log(error) => error.outcome(),
            Self::Closed => Outcome::Unknown,
        }
    }
}

/// Where everybody reads the control state and asks for changes. Cheap to clone.
#[derive(Clone, Debug)]
pub struct ControlHandle {
    jobs: mpsc::Sender<Box<dyn Job>>,
    state: watch::Receiver<Arc<State>>,
}

impl ControlHandle {
    /// The newest durable state.
    pub fn state(&self) -> Arc<State> {
        self.state.borrow().clone()
    }

    /// Whether changes are no longer taken, for good.
    pub fn is_closed(&self) -> bool {
        self.jobs.is_closed()
    }

    /// A watch of the durable state, level-triggered.
    pub fn watch(&self) -> watch::Receiver<Arc<State>> {
        self.state.clone()
    }

    /// Have a command applied, and wait until that is durable.
    pub async fn submit<C: ControlCommand>(&self, command: C) -> Result<C::Outcome, SubmitError> {
        let (answer, answered) = oneshot::channel();
        let job = Box::new(Submitted { command, outcome: None, answer });
        self.jobs.send(job).await.map_err(|_gone| SubmitError::Closed)?;
        answered.await.map_err(|_gone| SubmitError::Closed)?
    }
}

/// A command with its typed answer, seen by the node without its type.
trait Job: fmt::Debug + Send {
    /// Apply to the working state. Returns what the log must hold, if anything changed.
    fn apply(&mut self, state: &mut State, at: Timestamp) -> Option<Vec<u8>>;

    /// Answer, now that the group's fate is known.
    fn answer(self: Box<Self>, durable: &Result<(), AppendError>);
}

struct Submitted<C: ControlCommand> {
    command: C,
    outcome: Option<Result<C::Outcome, SubmitError>>,
    answer: oneshot::Sender<Result<C::Outcome, SubmitError>>,
}

impl<C: ControlCommand> fmt::Debug for Submitted<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Submitted").finish_non_exhaustive()
    }
}

impl<C: ControlCommand> Job for Submitted<C> {
    fn apply(&mut self, state: &mut State, at: Timestamp) -> Option<Vec<u8>> {
        let entry = Entry { at, command: self.command.clone().into() };
        let encoded = entry.encode().map_err(|error: EntryError| SubmitError::Encoding(error.to_string()));
        let (outcome, encoded) = match encoded {
            Err(error) => (Err(error), None),
            Ok(bytes) => match self.command.apply(state, at) {
                Ok(outcome) => (Ok(outcome), Some(bytes)),
                Err(refusal) => (Err(refusal.into()), None),
            },
        };
        self.outcome = Some(outcome);
        encoded
    }

    fn answer(self: Box<Self>, durable: &Result<(), AppendError>) {
        let outcome = match durable {
            Ok(()) => self.outcome.unwrap_or(Err(SubmitError::Closed)),
            Err(error) => Err(error.clone().into()),
        };
        // The submitter may have gone away; what it asked for is done all the same.
        drop(self.answer.send(outcome));
    }
}

#[derive(Debug)]
pub(crate) struct Node {
    log: Arc<dyn Log>,
    clock: Arc<dyn Clock>,
    working: State,
    published: watch::Sender<Arc<State>>,
    jobs: mpsc::Receiver<Box<dyn Job>>,
}

impl Node {
    /// Start the task; it ends when the last handle is dropped.
    pub(crate) fn start(log: Arc<dyn Log>, clock: Arc<dyn Clock>, state: State) -> ControlHandle {
        let (jobs_in, jobs) = mpsc::channel(caps::QUEUE);
        let (published, watch) = watch::channel(Arc::new(state.clone()));
        let node = Self { log, clock, working: state, published, jobs };
        tokio::spawn(node.run());
        ControlHandle { jobs: jobs_in, state: watch }
    }

    async fn run(mut self) {
        let mut group = Vec::with_capacity(caps::GROUP);
        while self.jobs.recv_many(&mut group, caps::GROUP).await > 0 {
            let at = self.clock.now();
            let mut batch = BatchBuilder::default();
            for job in &mut group {
                if let Some(bytes) = job.apply(&mut self.working, at) {
                    batch.push(&bytes);
                }
            }
            let changes = !batch.is_empty();
            let durable = if changes { self.make_durable(batch, at).await } else { Ok(()) };
            match &durable {
                Ok(()) if changes => {
                    self.published.send_replace(Arc::new(self.working.clone()));
                }
                Ok(()) => {}
                Err(error) => {
                    tracing::error!(%error, commands = group.len(), "control commands could not be made durable");
                    self.working = State::clone(&self.published.borrow());
                }
            }
            for job in group.drain(..) {
                job.answer(&durable);
            }
            // The commands may be in the log after all. Going on from a state without them could contradict it.
            if durable.is_err_and(|error| error.outcome() == Outcome::Unknown) {
                tracing::error!(
                    "the control plane takes no more changes; start the server again to replay its log"
                );
                return;
            }
        }
    }

    async fn make_durable(&self, batch: BatchBuilder, at: Timestamp) -> Result<(), AppendError> {
        let batches = vec![(LogShard::CONTROL, batch.finish(at))];
        self.log.append(batches, caps::ADMISSION).await?.durable().await?;
        Ok(())
    }
}
