use crate::{ControlCommand, Refusal, ReshardRefusal, State};
use millstream_types::{ShardId, Timestamp};
use serde::{Deserialize, Serialize};

/// All of these closed shards has expired and their log shards are gone: forget them, and what mappings had checkpointed
/// there. A shard that is no more is passed over.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RemoveShards {
    pub stream: String,
    pub shards: Vec<ShardId>,
    /// What was closed by then has expired. Decided before the log shards went, and so not to be decided anew.
    pub closed_by: Timestamp,
}

impl ControlCommand for RemoveShards {
    type Outcome = ();

    fn apply(&self, state: &mut State, _at: Timestamp) -> Result<(), Refusal> {
        let stream = state.stream(&self.stream)?;
        let (mut logs, mut kept_from) = (Vec::new(), stream.kept_from);
        for id in &self.shards {
            let Some(shard) = stream.shard(*id) else { continue };
            let Some(closed) = shard.closed.filter(|_| !shard.is_open_after(self.closed_by)) else {
                let (stream, shard) = (self.stream.clone(), shard.id);
                return Err(ReshardRefusal::NotExpired { stream, shard }.into());
            };
            kept_from = kept_from.max(closed);
            logs.push(shard.log);
        }
        let stream = state.change_stream(&self.stream)?;
        stream.shards.retain(|shard| !logs.contains(&shard.log));
        // Listings by time reach no further back than what is left can answer.
        stream.kept_from = kept_from;
        state.forget_checkpoints(&logs);
        Ok(())
    }
}
