use crate::{ControlCommand, QueueStatus, Refusal, State};
use millstream_types::Timestamp;
use serde::{Deserialize, Serialize};

/// A queue's journal is dropped: forget the queue.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RemoveQueue {
    pub id: String,
}

impl ControlCommand for RemoveQueue {
    type Outcome = ();

    fn apply(&self, state: &mut State, _at: Timestamp) -> Result<(), Refusal> {
        let status = state.queue(&self.id)?.status;
        if status != QueueStatus::Deleting {
            return Err(Refusal::QueueBusy { id: self.id.clone(), status });
        }
        state.queues.remove(&self.id);
        Ok(())
    }
}
