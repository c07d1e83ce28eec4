use super::create_mapping::refuse_twin;
use crate::{ControlCommand, Mapping, MappingSettings, MappingState, Refusal, State};
use millstream_types::Timestamp;
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// Change a mapping's settings. It settles when its readers have taken them up.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ChangeMapping {
    pub uuid: String,
    pub settings: MappingSettings,
}

impl ControlCommand for ChangeMapping {
    type Outcome = Arc<Mapping>;

    fn apply(&self, state: &mut State, at: Timestamp) -> Result<Arc<Mapping>, Refusal> {
        let mapping = state.mapping(&self.uuid)?;
        if !mapping.state.is_settled() {
            return Err(Refusal::MappingBusy { uuid: self.uuid.clone(), state: mapping.state });
        }
        refuse_twin(state, &mapping.source, &self.settings.function_arn, Some(&self.uuid))?;
        let mapping = state.change_mapping(&self.uuid)?;
        mapping.state = match (mapping.settings.enabled, self.settings.enabled) {
            (false, true) => MappingState::Enabling,
            (true, false) => MappingState::Disabling,
            (true, true) | (false, false) => MappingState::Updating,
        };
        mapping.settings = self.settings.clone();
        mapping.modified = at;
        Ok(state.mapping(&self.uuid)?.clone())
    }
}
