use crate::{ControlCommand, MappingState, Refusal, State};
use imbl::OrdMap;
use millstream_types::{LogShard, Position, Timestamp};
use serde::{Deserialize, Serialize};

/// A new mapping's readers stand, each where `positions` says: kept, so that "latest" means the same after a restart.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ActivateMapping {
    pub uuid: String,
    pub positions: Vec<(LogShard, Position)>,
}

impl ControlCommand for ActivateMapping {
    type Outcome = ();

    fn apply(&self, state: &mut State, _at: Timestamp) -> Result<(), Refusal> {
        let mapping = state.change_mapping(&self.uuid)?;
        if mapping.state != MappingState::Creating {
            return Ok(());
        }
        mapping.state = if mapping.settings.enabled { MappingState::Enabled } else { MappingState::Disabled };
        let positions: OrdMap<LogShard, Position> = self.positions.iter().copied().collect();
        state.checkpoints.insert(self.uuid.clone(), positions);
        Ok(())
    }
}
