use crate::{ControlCommand, Refusal, State, StreamStatus};
use millstream_types::Timestamp;
use serde::{Deserialize, Serialize};

/// The stream's log shards are there. A stream that is being deleted meanwhile stays so.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ActivateStream {
    pub name: String,
}

impl ControlCommand for ActivateStream {
    type Outcome = ();

    fn apply(&self, state: &mut State, _at: Timestamp) -> Result<(), Refusal> {
        let stream = state.change_stream(&self.name)?;
        if stream.status == StreamStatus::Creating {
            stream.status = StreamStatus::Active;
        }
        Ok(())
    }
}
