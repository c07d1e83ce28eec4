use crate::{ControlCommand, QueueStatus, Refusal, State};
use millstream_types::Timestamp;
use serde::{Deserialize, Serialize};

/// Begin to delete a queue. It delivers nothing any more.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DeleteQueue {
    pub id: String,
}

impl ControlCommand for DeleteQueue {
    type Outcome = ();

    fn apply(&self, state: &mut State, _at: Timestamp) -> Result<(), Refusal> {
        state.change_queue(&self.id)?.status = QueueStatus::Deleting;
        Ok(())
    }
}
