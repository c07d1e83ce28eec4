use crate::embedded::{Core, EmbeddedLog};
use crate::error::OpenError;
use crate::options::Options;
use crate::queue::Taken;
use crate::wal::recover::RecoveryReport;
use crate::wal::thread::Finish;
use crate::wal::writer::Writer;
use millstream_host::Clock;
use millstream_host::disk::DiskLock;
use std::sync::Arc;
use std::time::Duration;

/// The writer of a log without threads: a simulation says when it writes, and everything it does to the disk happens
/// then and there, flushes included. Dropping it is the end of the log.
#[derive(Debug)]
pub struct Driver {
    writer: Writer,
    finish: Finish,
    _lock: Arc<dyn DiskLock>,
}

impl EmbeddedLog {
    /// Open a log whose writer is the caller's to drive. Its reads happen where they are asked for.
    ///
    /// # Errors
    /// See [`OpenError`].
    pub fn open_driven(
        options: &Options,
        clock: Arc<dyn Clock>,
    ) -> Result<(Self, Driver, RecoveryReport), OpenError> {
        let (Core { shared, writer, lock }, report) = Core::open(options, false, clock)?;
        let (finish, ended) = Finish::new(Arc::clone(&shared));
        let log = Self::assemble(shared, Arc::clone(&lock), ended, true);
        Ok((log, Driver { writer, finish, _lock: lock }, report))
    }
}

impl Driver {
    /// Wait until something is to be written. `false` when the log was closed and nothing is left: drop the driver then.
    pub async fn ready(&mut self) -> bool {
        let queue = &self.finish.shared.queue;
        loop {
            // A notification that came before this call is not lost: one is kept.
            if !queue.is_empty() {
                return true;
            }
            if queue.is_closed() {
                return false;
            }
            queue.pushed.notified().await;
        }
    }

    /// Write what is queued as one group, complete its tickets, and do what else is due.
    pub fn step(&mut self) {
        let bytes = self.writer.group_bytes();
        match self.finish.shared.queue.take(bytes, Some(Duration::ZERO)) {
            Taken::Work(commands) => self.writer.commit(commands),
            Taken::Idle | Taken::Closed => self.writer.mark(),
        }
        self.writer.tend();
    }
}
