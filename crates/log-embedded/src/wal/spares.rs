use super::files::{self, KnownFile, Made, Maker};
use millstream_host::disk::Disk;
use millstream_host::threads;
use std::collections::VecDeque;
use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;

/// Files ready to be written next. The background thread prewrites one when asked, so that rotation need not wait.
#[derive(Debug)]
pub(crate) struct Spares {
    /// Left unused by the process before.
    recovered: VecDeque<KnownFile>,
    disk: Arc<dyn Disk>,
    source: Source,
}

#[derive(Debug)]
enum Source {
    /// Made when it is needed: for tests that want every disk operation in one order.
    Inline(Maker),
    Background {
        shared: Arc<Shared>,
        thread: Option<JoinHandle<()>>,
    },
}

#[derive(Debug, Default)]
struct Shared {
    slot: Mutex<Slot>,
    wake: Condvar,
    abort: AtomicBool,
}

#[derive(Debug, Default)]
enum Slot {
    #[default]
    Empty,
    Wanted,
    Ready(Made),
    Failed(io::Error),
    /// The thread ended.
    Gone,
}

/// Runs when the thread ends, a panic included: nobody may wait for a file that is never made.
struct Leave<'a>(&'a Shared);

impl Drop for Leave<'_> {
    fn drop(&mut self) {
        *self.0.lock() = Slot::Gone;
        self.0.wake.notify_all();
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Slot> {
        self.slot.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn wait<'a>(&self, slot: MutexGuard<'a, Slot>) -> MutexGuard<'a, Slot> {
        self.wake.wait(slot).unwrap_or_else(PoisonError::into_inner)
    }

    /// The background thread.
    fn run(&self, mut maker: Maker) {
        let _leave = Leave(self);
        loop {
            let mut slot = self.lock();
            while !matches!(*slot, Slot::Wanted) && !self.abort.load(Ordering::Relaxed) {
                slot = self.wait(slot);
            }
            drop(slot);
            if self.abort.load(Ordering::Relaxed) {
                return;
            }
            let made = maker.make(&self.abort);
            *self.lock() = made.map_or_else(Slot::Failed, Slot::Ready);
            self.wake.notify_all();
        }
    }

    /// Wait for a file. That an earlier attempt found no room says nothing of now: another is made.
    fn take(&self) -> io::Result<Made> {
        let mut slot = self.lock();
        if matches!(&*slot, Slot::Failed(error) if files::passes(error)) {
            *slot = Slot::Empty;
        }
        loop {
            match std::mem::take(&mut *slot) {
                Slot::Ready(file) => return Ok(file),
                Slot::Failed(error) => return Err(error),
                Slot::Gone => {
                    *slot = Slot::Gone;
                    return Err(io::Error::other("the thread that prewrites WAL files ended"));
                }
                Slot::Empty | Slot::Wanted => {
                    *slot = Slot::Wanted;
                    self.wake.notify_all();
                    slot = self.wait(slot);
                }
            }
        }
    }
}

impl Spares {
    /// Files are made on the caller's thread.
    pub(crate) fn inline(recovered: VecDeque<KnownFile>, maker: Maker) -> Self {
        let disk = Arc::clone(&maker.disk);
        Self { recovered, disk, source: Source::Inline(maker) }
    }

    /// # Errors
    /// If the operating system refuses another thread.
    pub(crate) fn background(recovered: VecDeque<KnownFile>, maker: Maker) -> io::Result<Self> {
        let disk = Arc::clone(&maker.disk);
        let shared = Arc::new(Shared::default());
        let runner = Arc::clone(&shared);
        let thread = threads::spawn("wal-prewrite", move || runner.run(maker))?;
        Ok(Self { recovered, disk, source: Source::Background { shared, thread: Some(thread) } })
    }

    /// Whether the thread could not make a file and waits to be asked again.
    #[cfg(test)]
    pub(crate) fn has_failed(&self) -> bool {
        matches!(&self.source, Source::Background { shared, .. } if matches!(*shared.lock(), Slot::Failed(_)))
    }

    /// Have a file made ahead of its time, if none is there.
    pub(crate) fn prepare(&self) {
        if let Source::Background { shared, .. } = &self.source
            && self.recovered.is_empty()
        {
            let mut slot = shared.lock();
            if matches!(*slot, Slot::Empty) {
                *slot = Slot::Wanted;
                shared.wake.notify_all();
            }
        }
    }

    /// The next file; waits while it is being made.
    pub(crate) fn take(&mut self) -> io::Result<Made> {
        if let Some(spare) = self.recovered.front() {
            let file = spare.open(&*self.disk)?;
            self.recovered.pop_front();
            return Ok(Made { file, is_new: false });
        }
        match &mut self.source {
            Source::Inline(maker) => maker.make(&AtomicBool::new(false)),
            Source::Background { shared, .. } => shared.take(),
        }
    }
}

impl Drop for Spares {
    /// Waits for the thread, which looks at `abort` between two pieces: after this nothing writes to the directory.
    fn drop(&mut self) {
        if let Source::Background { shared, thread } = &mut self.source {
            {
                // Under the lock, so that the thread is either before its look at `abort` or asleep.
                let _slot = shared.lock();
                shared.abort.store(true, Ordering::Relaxed);
            }
            shared.wake.notify_all();
            if thread.take().is_some_and(|thread| thread.join().is_err()) {
                tracing::error!("the thread that prewrites WAL files panicked");
            }
        }
    }
}
