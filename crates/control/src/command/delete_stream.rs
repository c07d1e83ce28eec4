use crate::{ControlCommand, Refusal, State, StreamStatus};
use millstream_types::Timestamp;
use serde::{Deserialize, Serialize};

/// Begin to delete a stream. One with consumers is refused unless `enforce_consumer_deletion`, one
/// with queues always.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DeleteStream {
    pub name: String,
    pub enforce_consumer_deletion: bool,
}

impl ControlCommand for DeleteStream {
    type Outcome = ();

    fn apply(&self, state: &mut State, _at: Timestamp) -> Result<(), Refusal> {
        let queues = state.queues_of(&self.name).count();
        let stream = state.change_stream(&self.name)?;
        if stream.status == StreamStatus::Deleting {
            return Err(Refusal::StreamBusy { name: self.name.clone(), status: stream.status });
        }
        if !stream.consumers.is_empty() && !self.enforce_consumer_deletion {
            return Err(Refusal::StreamHasConsumers {
                stream: self.name.clone(),
                count: stream.consumers.len(),
            });
        }
        if queues > 0 {
            return Err(Refusal::StreamHasQueues { stream: self.name.clone(), count: queues });
        }
        stream.status = StreamStatus::Deleting;
        Ok(())
    }
}
