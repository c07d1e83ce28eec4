use crate::{ConsumerStatus, ControlCommand, Refusal, State};
use millstream_types::Timestamp;
use serde::{Deserialize, Serialize};

/// Begin to take a consumer away; its subscriptions end.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DeregisterConsumer {
    pub stream: String,
    pub consumer: String,
}

impl ControlCommand for DeregisterConsumer {
    type Outcome = ();

    fn apply(&self, state: &mut State, _at: Timestamp) -> Result<(), Refusal> {
        state.consumer(&self.stream, &self.consumer)?;
        let stream = state.change_stream(&self.stream)?;
        if let Some(consumer) = stream.consumers.get_mut(&self.consumer) {
            consumer.status = ConsumerStatus::Deleting;
        }
        Ok(())
    }
}
