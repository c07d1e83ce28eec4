use crate::caps;
use millstream_control::Checkpoint;
use millstream_control_node::{ControlHandle, SubmitError};
use millstream_log::{AppendError, Refused};
use millstream_types::{LogShard, Position};
use std::sync::Arc;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::sleep;

/// Where each of a shard's lanes stands, once it has said so.
type Reached = Vec<Option<Position>>;

/// Everything before it is processed, whichever lane had it. `None` as long as a lane stands where it began.
fn lowest(reached: &Reached) -> Option<Position> {
    reached.iter().copied().min().flatten()
}

/// Makes the progress of a shard's lanes durable beside their work: at most one command is under way, and what was reached
/// meanwhile goes with the next one.
#[derive(Debug)]
pub(super) struct Checkpointer {
    reached: Arc<watch::Sender<Reached>>,
    from: Position,
    task: JoinHandle<()>,
}

/// One lane's place in it.
#[derive(Debug)]
pub(super) struct Progress {
    reached: Arc<watch::Sender<Reached>>,
    from: Position,
    lane: usize,
}

impl Checkpointer {
    pub(super) fn start(
        control: ControlHandle,
        mapping: String,
        shard: LogShard,
        from: Position,
        lanes: u32,
    ) -> Self {
        let (reached, positions) = watch::channel((0..lanes).map(|_| None).collect());
        let task = tokio::spawn(run(control, mapping, shard, positions));
        Self { reached: Arc::new(reached), from, task }
    }

    pub(super) fn lane(&self, number: u32) -> Progress {
        Progress {
            reached: self.reached.clone(),
            from: self.from,
            lane: usize::try_from(number).unwrap_or_default(),
        }
    }

    /// Wait until the last position is durable, or cannot become so; then the batch comes again, as it may. Call it when
    /// the lanes are gone.
    pub(super) async fn finish(self) {
        drop(self.reached);
        if let Err(error) = self.task.await {
            tracing::error!(%error, "a checkpoint task failed");
        }
    }
}

impl Progress {
    /// Everything of the lane before `position` is processed or given up. Does not wait.
    pub(super) fn advance(&self, position: Position) {
        self.reached.send_if_modified(|reached| match reached.get_mut(self.lane) {
            Some(own) if *own < Some(position) => {
                *own = Some(position);
                true
            }
            _ => false,
        });
    }

    /// Whether a lane that reads on at `next` would be too far ahead of the slowest.
    pub(super) fn is_far_ahead(&self, next: Position) -> bool {
        self.is_far(&self.reached.borrow(), next)
    }

    /// Wait until it is not.
    pub(super) async fn room(&self, next: Position) {
        // It cannot be closed: this is one of its senders.
        if let Err(error) = self.reached.subscribe().wait_for(|reached| !self.is_far(reached, next)).await {
            tracing::error!(%error, "the lanes of a shard lost sight of each other");
        }
    }

    fn is_far(&self, reached: &Reached, next: Position) -> bool {
        let slowest = lowest(reached).unwrap_or(self.from);
        reached.len() > 1 && next.0 > slowest.0.saturating_add(caps::AHEAD)
    }
}

async fn run(
    control: ControlHandle,
    mapping: String,
    shard: LogShard,
    mut positions: watch::Receiver<Reached>,
) {
    let mut last = None;
    // `changed` gives a value that was not seen even after the lane is gone, so the last one is never missed.
    while positions.changed().await.is_ok() {
        let mut tries_left = caps::LAST_CHECKPOINT_TRIES;
        loop {
            let reached = lowest(&positions.borrow_and_update());
            let Some(position) = reached.filter(|_| reached > last) else { break };
            let command = Checkpoint { mapping: mapping.clone(), shard, position };
            let Err(error) = control.submit(command).await else {
                last = reached;
                break;
            };
            if is_final(&error) {
                tracing::debug!(mapping, %shard, %error, "no more checkpoints");
                return;
            }
            tracing::warn!(mapping, %shard, %position, %error, "a checkpoint was not taken; trying again");
            // Gone lanes are not served for ever: what is not checkpointed is processed again.
            if positions.has_changed().is_err() {
                tries_left -= 1;
                if tries_left == 0 {
                    return;
                }
            }
            sleep(caps::CONTROL_PAUSE).await;
        }
    }
}

/// Whether no later try can succeed: all that passes is a log without room.
fn is_final(error: &SubmitError) -> bool {
    let passes = matches!(error, SubmitError::Log(AppendError::Refused(Refused::Full | Refused::NoSpace)));
    !passes
}
