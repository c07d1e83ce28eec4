use crate::Shared;
use crate::caps;
use crate::flush::{Cut, FlushError, Worker};
use crate::stats::Counters;
use crate::wal::files;
use millstream_host::{disk, threads};
use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

/// How flushing goes: what the writer needs to know of it.
#[derive(Debug, Default)]
pub(crate) struct FlushState {
    inner: Mutex<Inner>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct Inner {
    /// A cut is being brought to segments, or waits for that.
    busy: bool,
    /// Bytes of the WAL, by the writer's count, that segments hold.
    flushed: u64,
    /// In a row.
    failures: u32,
    /// Those of them that time does not heal.
    hard: u32,
    /// When to try again, by the monotonic clock.
    retry: Option<Duration>,
    /// Nobody is there any more who would flush.
    gone: bool,
}

impl FlushState {
    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Bytes of the WAL that segments hold.
    pub(crate) fn flushed(&self) -> u64 {
        self.lock().flushed
    }

    pub(crate) fn is_busy(&self) -> bool {
        self.lock().busy
    }

    /// When the flush that failed is to be tried again, if one did.
    pub(crate) fn retry(&self) -> Option<Duration> {
        self.lock().retry
    }

    fn begin(&self) {
        let mut inner = self.lock();
        inner.busy = !inner.gone;
    }

    pub(crate) fn done(&self, written: u64) {
        let mut inner = self.lock();
        inner.flushed = written;
        if inner.failures > 0 {
            tracing::info!(failures = inner.failures, "flushing works again");
        }
        inner.failures = 0;
        inner.hard = 0;
        inner.retry = None;
    }

    fn end(&self) {
        self.lock().busy = false;
        self.changed.notify_all();
    }

    fn leave(&self) {
        self.lock().gone = true;
        self.end();
    }

    /// Returns how many flushes have failed in a row, and how many of them for a reason that time does not heal.
    fn failed(&self, retry: Duration, passes: bool) -> (u32, u32) {
        let mut inner = self.lock();
        inner.failures += 1;
        inner.retry = Some(retry);
        inner.hard += u32::from(!passes);
        (inner.failures, inner.hard)
    }

    /// Wait until no flush is under way.
    pub(crate) fn wait(&self) {
        let mut inner = self.lock();
        while inner.busy {
            inner = self.changed.wait(inner).unwrap_or_else(PoisonError::into_inner);
        }
    }
}

impl Worker {
    fn run(&mut self, cut: Cut) {
        let shared = Arc::clone(&self.shared);
        let Err(error) = self.flush(cut) else { return };
        let interrupted =
            matches!(&error, FlushError::Disk(error) if error.kind() == io::ErrorKind::Interrupted);
        if interrupted {
            return;
        }
        let passes = match &error {
            FlushError::Disk(error) => files::passes(error),
            FlushError::Read(unread) => unread.passes,
        };
        let (failures, hard) = shared.flush.failed(shared.clock.monotonic() + caps::FLUSH_RETRY, passes);
        Counters::add(&shared.counters.flush_failures, 1);
        if passes {
            // A recycled file of the WAL is better used as room for a segment.
            let is_full = matches!(&error, FlushError::Disk(error) if disk::is_full(error));
            let released = if is_full { self.pool.release(&*self.disk) } else { 0 };
            Counters::subtract(&shared.counters.wal_bytes, released);
            if failures == 1 {
                tracing::warn!(%error, released, "records stay in the WAL: no segment can be written; trying again");
            }
        } else {
            tracing::error!(%error, failures, "writing segments failed; the records stay in the WAL");
            if hard >= caps::FLUSH_FAILURES {
                shared.failstop.stop("writing segments", &error);
            }
        }
    }
}

/// The writer's way to its worker.
#[derive(Debug)]
pub(crate) enum Flusher {
    /// On the caller's thread: for tests that want every disk operation in one order.
    Inline(Box<Worker>),
    Background(Background),
}

#[derive(Debug)]
pub(crate) struct Background {
    shared: Arc<Shared>,
    mailbox: Arc<Mailbox>,
    abort: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

/// What the worker's thread is to do next.
#[derive(Debug, Default)]
struct Mailbox {
    inner: Mutex<Letters>,
    wake: Condvar,
}

#[derive(Debug, Default)]
struct Letters {
    cut: Option<Cut>,
    sweep: bool,
    closed: bool,
}

impl Mailbox {
    fn lock(&self) -> MutexGuard<'_, Letters> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn post(&self, change: impl FnOnce(&mut Letters)) {
        change(&mut self.lock());
        self.wake.notify_one();
    }

    /// Wait for something to do. `None` when there will be nothing more.
    fn take(&self) -> Option<(Option<Cut>, bool)> {
        let mut letters = self.lock();
        loop {
            if letters.closed {
                return None;
            }
            if letters.cut.is_some() || letters.sweep {
                return Some((letters.cut.take(), std::mem::take(&mut letters.sweep)));
            }
            letters = self.wake.wait(letters).unwrap_or_else(PoisonError::into_inner);
        }
    }
}

/// Runs when the thread ends, a panic included: nobody may wait for a flush that never ends.
struct Leave {
    shared: Arc<Shared>,
    expected: Arc<AtomicBool>,
}

impl Drop for Leave {
    fn drop(&mut self) {
        if !self.expected.load(Ordering::Relaxed) {
            self.shared.failstop.stop("flushing", &"its thread ended unexpectedly");
        }
        self.shared.flush.leave();
    }
}

impl Flusher {
    /// # Errors
    /// If the operating system refuses another thread.
    pub(crate) fn background(mut worker: Worker) -> io::Result<Self> {
        let mailbox = Arc::new(Mailbox::default());
        let (shared, abort) = (Arc::clone(&worker.shared), Arc::clone(&worker.abort));
        let inbox = Arc::clone(&mailbox);
        let thread = threads::spawn("log-flush", move || {
            let leave = Leave { shared: Arc::clone(&worker.shared), expected: Arc::clone(&worker.abort) };
            while let Some((cut, _)) = inbox.take() {
                if let Some(cut) = cut {
                    worker.run(cut);
                    leave.shared.flush.end();
                }
                worker.sweep();
            }
        })?;
        Ok(Self::Background(Background { shared, mailbox, abort, thread: Some(thread) }))
    }

    /// Bring a cut to segments; only while no other one is under way.
    pub(crate) fn flush(&mut self, cut: Cut) {
        match self {
            Self::Inline(worker) => {
                worker.run(cut);
                worker.sweep();
            }
            Self::Background(background) => {
                background.shared.flush.begin();
                background.mailbox.post(|letters| letters.cut = Some(cut));
            }
        }
    }

    /// Give back what nothing needs any more.
    pub(crate) fn sweep(&mut self) {
        match self {
            Self::Inline(worker) => worker.sweep(),
            Self::Background(background) => background.mailbox.post(|letters| letters.sweep = true),
        }
    }
}

impl Drop for Background {
    /// Waits for the thread, which looks at `abort` between two pieces: after this nothing writes to the directory.
    fn drop(&mut self) {
        self.abort.store(true, Ordering::Relaxed);
        self.mailbox.post(|letters| letters.closed = true);
        if self.thread.take().is_some_and(|thread| thread.join().is_err()) {
            tracing::error!("the thread that flushes the log panicked");
        }
    }
}
