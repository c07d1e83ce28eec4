use crate::{ControlCommand, Refusal, State, StreamStatus};
use millstream_types::Timestamp;
use serde::{Deserialize, Serialize};

/// The stream's log shards are gone: forget it. What mappings had checkpointed there goes with it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RemoveStream {
    pub name: String,
}

impl ControlCommand for RemoveStream {
    type Outcome = ();

    fn apply(&self, state: &mut State, _at: Timestamp) -> Result<(), Refusal> {
        let stream = state.stream(&self.name)?.clone();
        if stream.status != StreamStatus::Deleting {
            return Err(Refusal::StreamBusy { name: self.name.clone(), status: stream.status });
        }
        state.streams.remove(&self.name);
        let mappings: Vec<String> = state.checkpoints.keys().cloned().collect();
        for mapping in mappings {
            if let Some(positions) = state.checkpoints.get_mut(&mapping) {
                for shard in &stream.shards {
                    positions.remove(&shard.log);
                }
            }
        }
        Ok(())
    }
}
