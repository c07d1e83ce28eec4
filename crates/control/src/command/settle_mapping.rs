use crate::{ControlCommand, MappingState, Refusal, State};
use millstream_types::Timestamp;
use serde::{Deserialize, Serialize};

/// The mapping's readers run as its settings say.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SettleMapping {
    pub uuid: String,
}

impl ControlCommand for SettleMapping {
    type Outcome = ();

    fn apply(&self, state: &mut State, _at: Timestamp) -> Result<(), Refusal> {
        let mapping = state.change_mapping(&self.uuid)?;
        if matches!(mapping.state, MappingState::Enabling | MappingState::Disabling | MappingState::Updating)
        {
            mapping.state =
                if mapping.settings.enabled { MappingState::Enabled } else { MappingState::Disabled };
        }
        Ok(())
    }
}
