use crate::{ControlCommand, MappingState, Refusal, State};
use millstream_types::Timestamp;
use serde::{Deserialize, Serialize};

/// The mapping's readers have stopped: forget it and its checkpoints.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RemoveMapping {
    pub uuid: String,
}

impl ControlCommand for RemoveMapping {
    type Outcome = ();

    fn apply(&self, state: &mut State, _at: Timestamp) -> Result<(), Refusal> {
        let current = state.mapping(&self.uuid)?.state;
        if current != MappingState::Deleting {
            return Err(Refusal::MappingBusy { uuid: self.uuid.clone(), state: current });
        }
        state.mappings.remove(&self.uuid);
        state.checkpoints.remove(&self.uuid);
        Ok(())
    }
}
