use crate::{ControlCommand, Refusal, State, caps};
use millstream_types::Timestamp;
use serde::{Deserialize, Serialize};

/// What came of a mapping's last batch, kept so that it is still known after a restart.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RecordResult {
    pub uuid: String,
    /// Cut off where it is longer than [`caps::RESULT_CHARS`].
    pub result: String,
}

impl ControlCommand for RecordResult {
    type Outcome = ();

    fn apply(&self, state: &mut State, _at: Timestamp) -> Result<(), Refusal> {
        let mapping = state.change_mapping(&self.uuid)?;
        mapping.last_result = Some(self.result.chars().take(caps::RESULT_CHARS).collect());
        Ok(())
    }
}
