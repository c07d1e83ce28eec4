use crate::{ControlCommand, EventInvokeConfig, Refusal, State};
use millstream_types::Timestamp;
use serde::{Deserialize, Serialize};

/// Change some of how asynchronous invocations are treated. What is `None` stays as it is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ChangeEventInvokeConfig {
    pub function: String,
    pub qualifier: String,
    pub max_retries: Option<u32>,
    pub max_age_secs: Option<u32>,
    /// Empty for none from now on.
    pub on_success: Option<String>,
    pub on_failure: Option<String>,
}

impl ControlCommand for ChangeEventInvokeConfig {
    type Outcome = EventInvokeConfig;

    fn apply(&self, state: &mut State, at: Timestamp) -> Result<EventInvokeConfig, Refusal> {
        let function = state.function(&self.function)?;
        if !function.published.has_qualifier(&self.qualifier) {
            let (function, version) = (self.function.clone(), self.qualifier.clone());
            return Err(Refusal::NoSuchVersion { function, version });
        }
        let Some(mut config) = function.event_invoke.get(&self.qualifier).cloned() else {
            let (function, qualifier) = (self.function.clone(), self.qualifier.clone());
            return Err(Refusal::NoEventInvokeConfig { function, qualifier });
        };
        config.max_retries = self.max_retries.or(config.max_retries);
        config.max_age_secs = self.max_age_secs.or(config.max_age_secs);
        for (asked, set) in
            [(&self.on_success, &mut config.on_success), (&self.on_failure, &mut config.on_failure)]
        {
            if let Some(asked) = asked {
                *set = (!asked.is_empty()).then(|| asked.clone());
            }
        }
        config.modified = at;
        let function = state.change_function(&self.function)?;
        function.event_invoke.insert(self.qualifier.clone(), config.clone());
        Ok(config)
    }
}
