use crate::{
    ControlCommand, Mapping, MappingSettings, MappingState, Refusal, Source, StartingPosition, State, caps,
};
use millstream_types::Timestamp;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::sync::Arc;

/// A new event source mapping, `Creating` until its readers stand.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CreateMapping {
    pub uuid: String,
    pub arn: String,
    pub source: Source,
    pub starting: StartingPosition,
    pub settings: MappingSettings,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub tags: BTreeMap<String, String>,
}

impl ControlCommand for CreateMapping {
    type Outcome = Arc<Mapping>;

    fn apply(&self, state: &mut State, at: Timestamp) -> Result<Arc<Mapping>, Refusal> {
        refuse_twin(state, &self.source, &self.settings.function_arn, None)?;
        if state.mappings.len() >= caps::MAPPINGS {
            return Err(Refusal::Limit { what: "event source mappings", limit: caps::MAPPINGS });
        }
        let mapping = Arc::new(Mapping {
            uuid: self.uuid.clone(),
            arn: self.arn.clone(),
            source: self.source.clone(),
            starting: self.starting,
            settings: self.settings.clone(),
            state: MappingState::Creating,
            modified: at,
            tags: self.tags.clone(),
            last_result: None,
        });
        state.mappings.insert(self.uuid.clone(), mapping.clone());
        Ok(mapping)
    }
}

/// One mapping for a source and a function: a second would deliver everything twice.
pub(super) fn refuse_twin(
    state: &State,
    source: &Source,
    function_arn: &str,
    itself: Option<&str>,
) -> Result<(), Refusal> {
    let mut others = state.mappings.values().filter(|other| itself != Some(other.uuid.as_str()));
    match others.find(|other| other.source == *source && other.settings.function_arn == function_arn) {
        None => Ok(()),
        Some(twin) => Err(Refusal::MappingExists {
            uuid: twin.uuid.clone(),
            source_arn: twin.source.arn().to_owned(),
            function: twin.settings.function.clone(),
        }),
    }
}
