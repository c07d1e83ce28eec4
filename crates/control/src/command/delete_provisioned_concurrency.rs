use crate::{ControlCommand, Refusal, State};
use millstream_types::Timestamp;
use serde::{Deserialize, Serialize};

/// Keep no workers ready for a version or an alias any more. If none were, none are.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DeleteProvisionedConcurrency {
    pub function: String,
    pub qualifier: String,
}

impl ControlCommand for DeleteProvisionedConcurrency {
    type Outcome = ();

    fn apply(&self, state: &mut State, _at: Timestamp) -> Result<(), Refusal> {
        state.change_function(&self.function)?.provisioned.remove(&self.qualifier);
        Ok(())
    }
}
