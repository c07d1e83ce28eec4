//! What waits for the thread that writes: bounded, and never waited for by who adds to it.

use super::StoreError;
use crate::caps;
use millstream_types::Timestamp;
use std::collections::{BTreeMap, VecDeque};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::oneshot;

pub(super) type Done = oneshot::Sender<Result<(), StoreError>>;

#[derive(Debug)]
pub(super) struct Line {
    pub(super) key: String,
    pub(super) stream: String,
    pub(super) at: Timestamp,
    pub(super) text: String,
}

#[derive(Debug)]
pub(super) struct Put {
    pub(super) key: String,
    pub(super) stream: String,
    pub(super) events: Vec<(Timestamp, String)>,
    pub(super) done: Done,
}

/// A change of a group.
#[derive(Debug)]
pub(super) enum Ask {
    CreateGroup { tags: BTreeMap<String, String> },
    DeleteGroup,
    SetRetention { days: Option<u32> },
    CreateStream { name: String },
    DeleteStream { name: String },
}

#[derive(Debug)]
pub(super) enum Job {
    Line(Line),
    Put(Put),
    Ask {
        key: String,
        what: Ask,
        done: Done,
    },
    /// Answered when everything before it is written.
    Barrier(Done),
}

impl Job {
    fn bytes(&self) -> usize {
        match self {
            Self::Line(line) => line.key.len() + line.stream.len() + line.text.len() + 64,
            Self::Put(put) => put.events.iter().map(|(_, text)| text.len() + 32).sum(),
            Self::Ask { .. } | Self::Barrier(_) => 0,
        }
    }
}

#[derive(Debug, Default)]
pub(super) struct Queue {
    waiting: Mutex<Waiting>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct Waiting {
    jobs: VecDeque<Job>,
    bytes: usize,
    requests: usize,
    closed: bool,
}

impl Queue {
    fn waiting(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn push(&self, job: Job) -> Result<(), StoreError> {
        let mut waiting = self.waiting();
        if waiting.closed {
            return Err(StoreError::Closed);
        }
        let (bytes, request) = (job.bytes(), usize::from(!matches!(job, Job::Line(_))));
        if waiting.bytes + bytes > caps::QUEUE_BYTES || waiting.requests + request > caps::QUEUE_REQUESTS {
            return Err(StoreError::Busy);
        }
        waiting.bytes += bytes;
        waiting.requests += request;
        let idle = waiting.jobs.is_empty();
        waiting.jobs.push_back(job);
        drop(waiting);
        if idle {
            self.changed.notify_one();
        }
        Ok(())
    }

    /// All that waits, once something does or the time is over; whether the queue is closed and empty after it.
    pub(super) fn take(&self, within: Duration) -> (VecDeque<Job>, bool) {
        let waiting = self.waiting();
        let idle = |waiting: &mut Waiting| waiting.jobs.is_empty() && !waiting.closed;
        let waited = self.changed.wait_timeout_while(waiting, within, idle);
        let (mut waiting, _) = waited.unwrap_or_else(PoisonError::into_inner);
        (waiting.bytes, waiting.requests) = (0, 0);
        (std::mem::take(&mut waiting.jobs), waiting.closed)
    }

    pub(super) fn close(&self) {
        self.waiting().closed = true;
        self.changed.notify_one();
    }
}
