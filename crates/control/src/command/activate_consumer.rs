use crate::{ConsumerStatus, ControlCommand, Refusal, State};
use millstream_types::Timestamp;
use serde::{Deserialize, Serialize};

/// The consumer may subscribe from now on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ActivateConsumer {
    pub stream: String,
    pub consumer: String,
}

impl ControlCommand for ActivateConsumer {
    type Outcome = ();

    fn apply(&self, state: &mut State, _at: Timestamp) -> Result<(), Refusal> {
        state.consumer(&self.stream, &self.consumer)?;
        let stream = state.change_stream(&self.stream)?;
        if let Some(consumer) = stream.consumers.get_mut(&self.consumer)
            && consumer.status == ConsumerStatus::Creating
        {
            consumer.status = ConsumerStatus::Active;
        }
        Ok(())
    }
}
