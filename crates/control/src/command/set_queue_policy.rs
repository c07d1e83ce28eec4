use crate::{ControlCommand, QueueStatus, Refusal, State};
use millstream_types::Timestamp;
use serde::{Deserialize, Serialize};

/// Give a queue a resource policy, or take it away. It goes with the queue.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SetQueuePolicy {
    pub id: String,
    /// The text as it was given; none to take it away.
    pub policy: Option<String>,
}

impl ControlCommand for SetQueuePolicy {
    /// Whether there was one.
    type Outcome = bool;

    fn apply(&self, state: &mut State, _at: Timestamp) -> Result<bool, Refusal> {
        let queue = state.change_queue(&self.id)?;
        if queue.status == QueueStatus::Deleting {
            return Err(Refusal::QueueBusy { id: self.id.clone(), status: queue.status });
        }
        Ok(std::mem::replace(&mut queue.policy, self.policy.clone()).is_some())
    }
}
