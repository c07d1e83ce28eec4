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
        let logs: Vec<_> = stream.shards.iter().map(|shard| shard.log).collect();
        state.forget_checkpoints(&logs);
        Ok(())
    }
}
