use crate::{ControlCommand, Refusal, State, Stream};
use millstream_types::{LogShard, Position, Timestamp};
use serde::{Deserialize, Serialize};
use std::sync::Arc;

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
        let stream = &state.mapping(&self.mapping)?.source.stream;
        // The stream may have gone, or gone and come again, while the records were processed.
        let exists = |stream: &Arc<Stream>| stream.shards.iter().any(|shard| shard.log == self.shard);
        if !state.streams.get(stream).is_some_and(exists) {
            return Ok(());
        }
        let positions = state.checkpoints.entry(self.mapping.clone()).or_default();
        let position = positions.entry(self.shard).or_default();
        *position = self.position.max(*position);
        Ok(())
    }
}
