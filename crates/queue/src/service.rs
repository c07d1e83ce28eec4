use crate::actor::{Actor, Job};
use crate::caps;
use crate::measure::Measured;
use crate::receipt::{Kind, Receipt};
use crate::supervisor;
use bytes::Bytes;
use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use millstream_engine::{Engine, EngineError};
use millstream_log::AppendError;
use millstream_types::{SequenceNumber, Timestamp};
use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::{mpsc, oneshot};

/// All queues of the server. Cheap to clone; they stop when the last handle is dropped.
#[derive(Clone, Debug)]
pub struct Queues {
    open: Arc<Open>,
}

/// The queues that deliver, by their id.
#[derive(Debug, Default)]
pub(crate) struct Open(Mutex<HashMap<String, mpsc::Sender<Job>>>);

impl Open {
    fn all(&self) -> MutexGuard<'_, HashMap<String, mpsc::Sender<Job>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn has(&self, id: &str) -> bool {
        self.all().get(id).is_some_and(|jobs| !jobs.is_closed())
    }

    /// Let a queue deliver.
    pub(crate) fn insert(&self, id: &str, actor: impl FnOnce(mpsc::Receiver<Job>) -> Actor) {
        let (jobs, receiver) = mpsc::channel(caps::MAILBOX);
        self.all().insert(id.to_owned(), jobs);
        tokio::spawn(actor(receiver).run());
    }

    pub(crate) fn retain(&self, keep: impl Fn(&str) -> bool) {
        self.all().retain(|id, _| keep(id));
    }
}

/// Why a queue does not answer.
#[derive(Clone, Debug, thiserror::Error)]
pub enum QueueError {
    /// It is being made or deleted, or the server is starting or ending.
    #[error("the queue does not deliver at the moment")]
    NotOpen,
    #[error("{0} requests to the queue wait already")]
    Busy(usize),
    #[error("{0} records were received and not acknowledged, which is as many as a queue holds")]
    TooManyOutstanding(usize),
    #[error(transparent)]
    Engine(#[from] EngineError),
    #[error(transparent)]
    Append(#[from] AppendError),
}

/// What to receive.
#[derive(Clone, Copy, Debug)]
pub struct Receive {
    pub kind: Kind,
    /// Records at most, from 1.
    pub limit: usize,
    /// How long they are hidden from others; `None` for what the queue is set to.
    pub visibility_secs: Option<u32>,
    /// How long to wait for one if there is none.
    pub wait: Duration,
}

/// A record, received.
#[derive(Clone, Debug)]
pub struct Delivered {
    pub handle: String,
    pub sequence_number: SequenceNumber,
    pub partition_key: String,
    pub data: Bytes,
    pub arrival: Timestamp,
    pub first_received: Timestamp,
    /// This delivery included.
    pub receive_count: u32,
}

/// What to do with a record that was received.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum What {
    /// Never deliver it again.
    Acknowledge,
    /// Hide it for so long from now.
    Hide { secs: u32 },
    /// A dead letter is a record as any again.
    Restore,
}

#[derive(Clone, Debug)]
pub struct Settlement {
    pub handle: String,
    pub what: What,
}

/// Why nothing was done with a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SettleError {
    #[error("the receipt handle is not one of this queue's")]
    Forged,
    /// It is of another delivery than the last.
    #[error("the record was received again since, with another receipt handle")]
    Stale,
    #[error("the record was acknowledged, or the stream does not keep it any more")]
    Gone,
}

impl Queues {
    /// Start to follow the control state. Call within a Tokio runtime.
    pub fn start(engine: Engine) -> Self {
        let open = Arc::new(Open::default());
        tokio::spawn(supervisor::run(engine, Arc::downgrade(&open)));
        Self { open }
    }

    /// Receive records. Those returned are hidden from others, which is durable by then.
    ///
    /// # Errors
    /// See [`QueueError`]. Nothing was received then, but for `Append` with an unknown outcome, when some may be hidden.
    pub async fn receive(&self, id: &str, receive: Receive) -> Result<Vec<Delivered>, QueueError> {
        let (reply, answer) = oneshot::channel();
        self.send(id, Job::Receive(receive, reply))?;
        answer.await.map_err(|_gone| QueueError::NotOpen)?
    }

    /// Acknowledge, hide or restore records; what came of each, in order, durable.
    ///
    /// # Errors
    /// See [`QueueError`]: nothing was done then, or nobody knows.
    pub async fn settle(
        &self,
        id: &str,
        kind: Kind,
        settlements: Vec<Settlement>,
    ) -> Result<Vec<Result<(), SettleError>>, QueueError> {
        let (reply, answer) = oneshot::channel();
        self.send(id, Job::Settle(kind, settlements, reply))?;
        answer.await.map_err(|_gone| QueueError::NotOpen)?
    }

    /// What is measured of the queues that deliver, by their id. One that does not answer soon is left out.
    pub async fn measure(&self) -> Vec<(String, Measured)> {
        let open: Vec<_> = self.open.all().iter().map(|(id, jobs)| (id.clone(), jobs.clone())).collect();
        let answers = open.into_iter().map(|(id, jobs)| async move {
            let (reply, answer) = oneshot::channel();
            jobs.try_send(Job::Measure(reply)).ok()?;
            Some((id, answer.await.ok()?))
        });
        let mut answers: FuturesUnordered<_> = answers.collect();
        let mut measured = Vec::new();
        let all = async {
            while let Some(answer) = answers.next().await {
                measured.extend(answer);
            }
        };
        if tokio::time::timeout(caps::MEASURE, all).await.is_err() {
            tracing::warn!("a queue is too busy to be measured");
        }
        measured
    }

    fn send(&self, id: &str, job: Job) -> Result<(), QueueError> {
        let jobs = self.open.all().get(id).cloned().ok_or(QueueError::NotOpen)?;
        jobs.try_send(job).map_err(|error| match error {
            mpsc::error::TrySendError::Full(_) => QueueError::Busy(caps::MAILBOX),
            mpsc::error::TrySendError::Closed(_) => QueueError::NotOpen,
        })
    }
}

impl Receipt {
    pub(crate) fn is_of(&self, kind: Kind) -> bool {
        self.kind == kind
    }
}
