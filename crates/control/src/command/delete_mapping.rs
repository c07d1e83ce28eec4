use crate::{ControlCommand, Mapping, MappingState, Refusal, State};
use millstream_types::Timestamp;
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// Begin to delete a mapping; it goes when its readers have stopped.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DeleteMapping {
    pub uuid: String,
}

impl ControlCommand for DeleteMapping {
    type Outcome = Arc<Mapping>;

    fn apply(&self, state: &mut State, at: Timestamp) -> Result<Arc<Mapping>, Refusal> {
        let mapping = state.change_mapping(&self.uuid)?;
        if mapping.state == MappingState::Deleting {
            return Err(Refusal::MappingBusy { uuid: self.uuid.clone(), state: mapping.state });
        }
        mapping.state = MappingState::Deleting;
        mapping.modified = at;
        Ok(state.mapping(&self.uuid)?.clone())
    }
}
