use crate::caps;
use crate::wal::entry;
use millstream_log::{Batch, Completion, RetentionClass};
use millstream_types::{LogShard, Position};
use std::collections::VecDeque;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::OwnedSemaphorePermit;

/// What the writer is asked to do.
#[derive(Clone, Debug)]
pub(crate) enum Work {
    Append(Vec<(LogShard, Batch)>),
    Create(LogShard, RetentionClass),
    Trim(LogShard, Position),
    Drop(LogShard),
}

impl Work {
    /// The bytes it takes in a group.
    pub(crate) fn encoded_len(&self) -> u64 {
        match self {
            Self::Append(batches) => {
                batches.iter().map(|(_, batch)| (entry::HEADER + batch.body.len()) as u64).sum()
            }
            Self::Create(..) | Self::Trim(..) | Self::Drop(..) => entry::HEADER as u64,
        }
    }

    /// What it takes of the admission budget.
    pub(crate) fn cost(&self) -> u64 {
        self.encoded_len() + caps::CALL_OVERHEAD
    }
}

#[derive(Debug)]
pub(crate) struct Command {
    pub(crate) work: Work,
    pub(crate) completion: Completion,
    /// Its share of the admission budget, given back when the command is dropped.
    pub(crate) permit: Option<OwnedSemaphorePermit>,
}

/// What the writer found in the queue.
#[derive(Debug)]
pub(crate) enum Taken {
    Work(Vec<Command>),
    /// Nothing came for the time given.
    Idle,
    /// Closed, and empty.
    Closed,
}

/// Commands on their way to the writer. The admission semaphore bounds it, in bytes.
#[derive(Debug, Default)]
pub(crate) struct Queue {
    inner: Mutex<Inner>,
    wake: Condvar,
    /// For a writer without a thread.
    #[cfg(feature = "driven")]
    pub(crate) pushed: tokio::sync::Notify,
}

#[derive(Debug, Default)]
struct Inner {
    commands: VecDeque<Command>,
    closed: bool,
}

impl Queue {
    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Gives the command back if the queue is closed.
    pub(crate) fn push(&self, command: Command) -> Result<(), Command> {
        let mut inner = self.lock();
        if inner.closed {
            return Err(command);
        }
        inner.commands.push_back(command);
        drop(inner);
        self.wake();
        Ok(())
    }

    /// No more commands; those that are there are still taken.
    pub(crate) fn close(&self) {
        self.lock().closed = true;
        self.wake();
    }

    fn wake(&self) {
        self.wake.notify_one();
        #[cfg(feature = "driven")]
        self.pushed.notify_one();
    }

    pub(crate) fn is_closed(&self) -> bool {
        self.lock().closed
    }

    #[cfg(feature = "driven")]
    pub(crate) fn is_empty(&self) -> bool {
        self.lock().commands.is_empty()
    }

    /// Wait for commands and take as many as fit into `bytes` (at least one).
    pub(crate) fn take(&self, bytes: u64, idle: Option<Duration>) -> Taken {
        let mut inner = self.lock();
        loop {
            if !inner.commands.is_empty() {
                return Taken::Work(inner.take(bytes));
            }
            if inner.closed {
                return Taken::Closed;
            }
            inner = match idle {
                None => self.wake.wait(inner).unwrap_or_else(PoisonError::into_inner),
                Some(time) => {
                    let (inner, waited) =
                        self.wake.wait_timeout(inner, time).unwrap_or_else(PoisonError::into_inner);
                    if waited.timed_out() && inner.commands.is_empty() && !inner.closed {
                        return Taken::Idle;
                    }
                    inner
                }
            };
        }
    }
}

impl Inner {
    fn take(&mut self, bytes: u64) -> Vec<Command> {
        let mut sum = 0;
        let fit = self.commands.iter().take_while(|command| {
            sum += command.work.encoded_len();
            sum <= bytes
        });
        let count = fit.count().max(1);
        self.commands.drain(..count).collect()
    }
}
