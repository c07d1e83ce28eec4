use super::writer::Writer;
use crate::Shared;
use crate::queue::Taken;
use millstream_host::threads;
use millstream_log::Refused;
use std::io;
use std::sync::Arc;
use std::sync::mpsc;
use std::time::Duration;
use tokio::sync::watch;

/// The ways to learn that the writer has ended.
#[derive(Debug)]
pub(crate) struct Ended {
    pub(crate) flag: watch::Receiver<bool>,
    /// Disconnects when the thread ends: the way for those who cannot await.
    pub(crate) signal: mpsc::Receiver<()>,
}

/// Runs when the thread ends, however it ends: nobody may wait for a writer that is not there.
#[derive(Debug)]
pub(crate) struct Finish {
    pub(crate) shared: Arc<Shared>,
    flag: watch::Sender<bool>,
    _signal: mpsc::Sender<()>,
}

impl Finish {
    pub(crate) fn new(shared: Arc<Shared>) -> (Self, Ended) {
        let (flag, flag_receiver) = watch::channel(false);
        let (signal, signal_receiver) = mpsc::channel();
        (Self { shared, flag, _signal: signal }, Ended { flag: flag_receiver, signal: signal_receiver })
    }
}

impl Drop for Finish {
    fn drop(&mut self) {
        let expected = self.shared.queue.is_closed();
        if !expected {
            self.shared.failstop.stop("the WAL's writer", &"it ended unexpectedly");
        }
        self.shared.close();
        while let Taken::Work(commands) = self.shared.queue.take(u64::MAX, None) {
            for command in commands {
                command.completion.complete(Err(self.shared.refusal().unwrap_or(Refused::Closed).into()));
            }
        }
        self.flag.send_replace(true);
    }
}

/// Start the writer's thread: take all that is queued, commit it as one group, and again. No timer delays a commit;
/// `idle` only says when a quiet log gets its mark.
///
/// # Errors
/// If the operating system refuses another thread.
pub(crate) fn start(
    writer: Writer,
    shared: Arc<Shared>,
    idle: Duration,
    lock: impl Send + 'static,
) -> io::Result<Ended> {
    let (finish, ended) = Finish::new(shared);
    threads::spawn("wal-writer", move || {
        // Dropped last, after the writer and its files: what it says is then true.
        let finish = finish;
        let lock = lock;
        // Dropped before those two, also when it panics: it waits for its own threads.
        let mut writer = writer;
        writer.tend();
        let queue = &finish.shared.queue;
        let bytes = writer.group_bytes();
        loop {
            match queue.take(bytes, writer.sleep(idle)) {
                Taken::Work(commands) => writer.commit(commands),
                Taken::Idle => writer.mark(),
                Taken::Closed => break,
            }
            writer.tend();
        }
        writer.mark();
        drop(writer);
        drop(lock);
    })?;
    Ok(ended)
}
