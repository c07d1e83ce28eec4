use crate::caps;
use crate::encode::Encoder;
use crate::handle::{ControlHandle, Job};
use crate::history::{History, Mark, SnapshotPolicy};
use crate::replay::Replayed;
use millstream_control::{SNAPSHOT_FORMAT, SnapshotBegin, SnapshotRecord, State};
use millstream_host::Clock;
use millstream_log::{AppendError, Batch, BatchBuilder, Log, Outcome};
use millstream_types::{LogShard, Position};
use std::ops::ControlFlow;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{mpsc, watch};

#[derive(Debug)]
pub(crate) struct Node {
    log: Arc<dyn Log>,
    clock: Arc<dyn Clock>,
    policy: SnapshotPolicy,
    working: State,
    published: watch::Sender<Arc<State>>,
    jobs: mpsc::Receiver<Box<dyn Job>>,
    history: History,
    snapshot: Option<Writing>,
}

/// A snapshot on its way into the log. Commands go on meanwhile, between its records.
#[derive(Debug)]
struct Writing {
    /// Where it begins.
    position: Position,
    mark: Mark,
    encoder: Encoder,
}

impl Node {
    /// Start the task; it ends when the last handle is dropped.
    pub(crate) fn start(
        log: Arc<dyn Log>,
        clock: Arc<dyn Clock>,
        policy: SnapshotPolicy,
        replayed: Replayed,
    ) -> ControlHandle {
        let Replayed { state, history, .. } = replayed;
        let (jobs_in, jobs) = mpsc::channel(caps::QUEUE);
        let (published, watch) = watch::channel(Arc::new(state.clone()));
        let node = Self { log, clock, policy, working: state, published, jobs, history, snapshot: None };
        tokio::spawn(node.run());
        ControlHandle::new(jobs_in, watch)
    }

    async fn run(mut self) {
        let mut group = Vec::with_capacity(caps::GROUP);
        while self.turn(&mut group).await.is_continue() {}
    }

    /// One group of commands, one record of a snapshot, or one of each: neither waits for the other's end.
    async fn turn(&mut self, group: &mut Vec<Box<dyn Job>>) -> ControlFlow<()> {
        if self.snapshot.is_none() && self.history.is_due(&self.policy) {
            self.begin_snapshot().await?;
        }
        let received = tokio::select! {
            biased;
            count = self.jobs.recv_many(group, caps::GROUP) => count,
            // Also a log that is never waited for leaves room for those who have commands.
            () = tokio::task::yield_now(), if self.snapshot.is_some() => return self.piece().await,
        };
        if received == 0 {
            return ControlFlow::Break(());
        }
        self.commands(group).await?;
        self.piece().await
    }

    async fn commands(&mut self, group: &mut Vec<Box<dyn Job>>) -> ControlFlow<()> {
        let at = self.clock.now();
        let mut batch = BatchBuilder::default();
        let mut history = self.history;
        for job in &mut *group {
            if let Some(bytes) = job.apply(&mut self.working, at) {
                batch.push(&bytes);
                history.command(bytes.len());
            }
        }
        let changes = !batch.is_empty();
        let durable = if changes {
            self.make_durable(batch.finish(at), caps::ADMISSION).await.map(drop)
        } else {
            Ok(())
        };
        match &durable {
            Ok(()) if changes => {
                self.history = history;
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
        match durable {
            Ok(()) => ControlFlow::Continue(()),
            Err(error) => go_on(&error),
        }
    }

    /// Note in the log that the state as it is here will follow, and keep it: what it shares costs nothing.
    async fn begin_snapshot(&mut self) -> ControlFlow<()> {
        let at = self.clock.now();
        let mark = self.history.now();
        let id = self.history.last_id + 1;
        let begin = SnapshotBegin { id, format: SNAPSHOT_FORMAT, at, commands: mark.commands };
        let record = match SnapshotRecord::Begin(begin).encode() {
            Ok(record) => record,
            Err(error) => {
                self.give_up(&error);
                return ControlFlow::Continue(());
            }
        };
        match self.make_durable(Batch::single(at, &record), caps::SNAPSHOT_ADMISSION).await {
            Err(error) => {
                self.give_up(&error);
                go_on(&error)
            }
            Ok(position) => {
                self.history.last_id = id;
                let encoder = Encoder::new(&self.working, id, self.policy.part_bytes);
                self.snapshot = Some(Writing { position, mark, encoder });
                ControlFlow::Continue(())
            }
        }
    }

    /// Write the next record of the snapshot, if there is one; with the last one durable, trim what it stands for.
    async fn piece(&mut self) -> ControlFlow<()> {
        let Some(writing) = &mut self.snapshot else { return ControlFlow::Continue(()) };
        let (position, mark) = (writing.position, writing.mark);
        let piece = match writing.encoder.next_piece(self.clock.now()) {
            Ok(piece) => piece,
            Err(error) => {
                self.give_up(&error);
                return ControlFlow::Continue(());
            }
        };
        if let Err(error) = self.make_durable(piece.batch, caps::SNAPSHOT_ADMISSION).await {
            self.give_up(&error);
            return go_on(&error);
        }
        let Some(bytes) = piece.end else { return ControlFlow::Continue(()) };
        self.snapshot = None;
        self.history.covered(mark, bytes);
        tracing::info!(id = self.history.last_id, commands = mark.commands, bytes, "control snapshot");
        // Only room is lost if it fails: the next snapshot, or the next start, trims this too.
        if let Err(error) = self.log.trim(LogShard::CONTROL, position).await {
            tracing::warn!(%error, "the control log could not be trimmed");
        }
        ControlFlow::Continue(())
    }

    /// What is in the log of it stays there and is passed over.
    fn give_up(&mut self, why: &dyn std::fmt::Display) {
        tracing::warn!(%why, "a snapshot of the control state was given up, and will be tried again");
        self.snapshot = None;
        self.history.put_off(&self.policy);
    }

    /// The position of the batch's first record.
    async fn make_durable(&self, batch: Batch, wait: Duration) -> Result<Position, AppendError> {
        let ticket = self.log.append(vec![(LogShard::CONTROL, batch)], wait).await?;
        match ticket.durable().await?.first() {
            Some(appended) => Ok(appended.first),
            None => Err(AppendError::Unknown("the log does not say where it put a batch".into())),
        }
    }
}

/// A record whose fate is unknown may be in the log after all. Going on from a state without it could contradict it.
fn go_on(error: &AppendError) -> ControlFlow<()> {
    if error.outcome() == Outcome::NotDone {
        return ControlFlow::Continue(());
    }
    tracing::error!("the control plane takes no more changes; start the server again to replay its log");
    ControlFlow::Break(())
}
