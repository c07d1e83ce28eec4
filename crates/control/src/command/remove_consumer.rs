use crate::{ConsumerStatus, ControlCommand, Refusal, State};
use millstream_types::Timestamp;
use serde::{Deserialize, Serialize};

/// The consumer's subscriptions have ended: forget it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RemoveConsumer {
    pub stream: String,
    pub consumer: String,
}

impl ControlCommand for RemoveConsumer {
    type Outcome = ();

    fn apply(&self, state: &mut State, _at: Timestamp) -> Result<(), Refusal> {
        // One registered anew under the name in between is not meant.
        if state.consumer(&self.stream, &self.consumer)?.status == ConsumerStatus::Deleting {
            state.change_stream(&self.stream)?.consumers.remove(&self.consumer);
        }
        Ok(())
    }
}
