use crate::{ControlCommand, EventInvokeConfig, Refusal, State};
use millstream_types::Timestamp;
use serde::{Deserialize, Serialize};

/// Set how asynchronous invocations of a function, a version or an alias are treated, whatever was set before.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PutEventInvokeConfig {
    pub function: String,
    /// `$LATEST`, a version or an alias.
    pub qualifier: String,
    pub max_retries: Option<u32>,
    pub max_age_secs: Option<u32>,
    pub on_success: Option<String>,
    pub on_failure: Option<String>,
}

impl ControlCommand for PutEventInvokeConfig {
    type Outcome = EventInvokeConfig;

    fn apply(&self, state: &mut State, at: Timestamp) -> Result<EventInvokeConfig, Refusal> {
        let function = state.function(&self.function)?;
        if !function.published.has_qualifier(&self.qualifier) {
            let (function, version) = (self.function.clone(), self.qualifier.clone());
            return Err(Refusal::NoSuchVersion { function, version });
        }
        let config = EventInvokeConfig {
            max_retries: self.max_retries,
            max_age_secs: self.max_age_secs,
            on_success: self.on_success.clone(),
            on_failure: self.on_failure.clone(),
            modified: at,
        };
        let function = state.change_function(&self.function)?;
        function.event_invoke.insert(self.qualifier.clone(), config.clone());
        Ok(config)
    }
}
