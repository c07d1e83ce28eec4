use crate::{ControlCommand, Refusal, State};
use millstream_types::{LogShard, Position, Timestamp};
use serde::{Deserialize, Serialize};

/// A mapping has processed everything of a shard before `position`. Never moves backwards.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Checkpoint {
    pub mapping: String,
    pub shard: LogShard,
    pub position: Position,
}

impl ControlCommand for Checkpoint {
    type Outcome = ();

    fn apply(&self, state: &mut State, _at: Timestamp) -> Result<(), Refusal> {
        state.mapping(&self.mapping)?;
        let positions = state.checkpoints.entry(self.mapping.clone()).or_default();
        let position = positions.entry(self.shard).or_default();
        *position = self.position.max(*position);
        Ok(())
    }
}
