use millstream_control::{ControlCommand, Entry, EntryError, Refusal, State};
use millstream_log::{AppendError, Outcome};
use millstream_types::Timestamp;
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
    pub(crate) fn new(jobs: mpsc::Sender<Box<dyn Job>>, state: watch::Receiver<Arc<State>>) -> Self {
        Self { jobs, state }
    }

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
pub(crate) trait Job: fmt::Debug + Send {
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
