use crate::caps;
use millstream_control::Checkpoint;
use millstream_control_node::{ControlHandle, SubmitError};
use millstream_log::{AppendError, Refused};
use millstream_types::{LogShard, Position};
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::sleep;

/// Makes a lane's progress durable beside its work: at most one command is under way, and what was reached meanwhile goes
/// with the next one.
#[derive(Debug)]
pub(super) struct Checkpointer {
    reached: watch::Sender<Position>,
    task: JoinHandle<()>,
}

impl Checkpointer {
    pub(super) fn start(control: ControlHandle, mapping: String, shard: LogShard, from: Position) -> Self {
        let (reached, positions) = watch::channel(from);
        let task = tokio::spawn(run(control, mapping, shard, positions));
        Self { reached, task }
    }

    /// Everything before `position` is processed or expired. Does not wait.
    pub(super) fn advance(&self, position: Position) {
        self.reached.send_replace(position);
    }

    /// Wait until the last position is durable, or cannot become so; then the batch comes again, as it may.
    pub(super) async fn finish(self) {
        drop(self.reached);
        if let Err(error) = self.task.await {
            tracing::error!(%error, "a checkpoint task failed");
        }
    }
}

async fn run(
    control: ControlHandle,
    mapping: String,
    shard: LogShard,
    mut positions: watch::Receiver<Position>,
) {
    // `changed` gives a value that was not seen even after the lane is gone, so the last one is never missed.
    while positions.changed().await.is_ok() {
        let mut tries_left = caps::LAST_CHECKPOINT_TRIES;
        loop {
            let position = *positions.borrow_and_update();
            let command = Checkpoint { mapping: mapping.clone(), shard, position };
            let Err(error) = control.submit(command).await else { break };
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
