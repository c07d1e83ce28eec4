use crate::{ControlCommand, Refusal, State};
use millstream_types::Timestamp;
use serde::{Deserialize, Serialize};

/// Forget a function. Its mappings stay, as on AWS, and fail until it is made again or they are deleted.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DeleteFunction {
    pub name: String,
}

impl ControlCommand for DeleteFunction {
    type Outcome = ();

    fn apply(&self, state: &mut State, _at: Timestamp) -> Result<(), Refusal> {
        state.function(&self.name)?;
        state.functions.remove(&self.name);
        Ok(())
    }
}
