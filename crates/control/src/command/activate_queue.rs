use crate::{ControlCommand, QueueBegin, QueueStatus, Refusal, State};
use millstream_types::Timestamp;
use serde::{Deserialize, Serialize};

/// A new queue's journal is there, and delivery begins where `begin` says: kept, so that "latest" means the same after a
/// restart.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ActivateQueue {
    pub id: String,
    pub begin: QueueBegin,
}

impl ControlCommand for ActivateQueue {
    type Outcome = ();

    fn apply(&self, state: &mut State, _at: Timestamp) -> Result<(), Refusal> {
        let queue = state.change_queue(&self.id)?;
        if queue.status == QueueStatus::Creating {
            queue.status = QueueStatus::Active;
            queue.began = Some(self.begin.clone());
        }
        Ok(())
    }
}
