use crate::{ControlCommand, Refusal, State};
use millstream_types::Timestamp;
use serde::{Deserialize, Serialize};

/// Forget an alias. One that is not there is forgotten too.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DeleteAlias {
    pub function: String,
    pub name: String,
}

impl ControlCommand for DeleteAlias {
    type Outcome = ();

    fn apply(&self, state: &mut State, _at: Timestamp) -> Result<(), Refusal> {
        let function = state.change_function(&self.function)?;
        if function.published.aliases.remove(&self.name).is_some() {
            function.policies.remove(&self.name);
            function.urls.remove(&self.name);
        }
        function.event_invoke.remove(&self.name);
        function.provisioned.remove(&self.name);
        Ok(())
    }
}
