use crate::{ControlCommand, Refusal, State};
use millstream_types::Timestamp;
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// Forget a version of a layer; one that does not exist is no error, as on AWS. Functions that use it keep it, and its
/// number is never given again.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DeleteLayerVersion {
    pub name: String,
    pub version: u64,
}

impl ControlCommand for DeleteLayerVersion {
    type Outcome = ();

    fn apply(&self, state: &mut State, _at: Timestamp) -> Result<(), Refusal> {
        if let Some(layer) = state.layers.get_mut(&self.name) {
            Arc::make_mut(layer).versions.remove(&self.version);
        }
        Ok(())
    }
}
