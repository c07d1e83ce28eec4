use crate::{ControlCommand, Refusal, State};
use millstream_types::Timestamp;
use serde::{Deserialize, Serialize};

/// Treat asynchronous invocations of a function, a version or an alias as Lambda does where nothing is set.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DeleteEventInvokeConfig {
    pub function: String,
    pub qualifier: String,
}

impl ControlCommand for DeleteEventInvokeConfig {
    type Outcome = ();

    fn apply(&self, state: &mut State, _at: Timestamp) -> Result<(), Refusal> {
        if !state.function(&self.function)?.event_invoke.contains_key(&self.qualifier) {
            let (function, qualifier) = (self.function.clone(), self.qualifier.clone());
            return Err(Refusal::NoEventInvokeConfig { function, qualifier });
        }
        state.change_function(&self.function)?.event_invoke.remove(&self.qualifier);
        Ok(())
    }
}
