use crate::reshard::{Planner, check_open, check_provisioned, known_shard};
use crate::{ControlCommand, Refusal, ReshardRefusal, State};
use millstream_types::{ShardId, Timestamp};
use serde::{Deserialize, Serialize};

/// Begin to merge two open shards; `adjacent` begins where `shard` ends.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MergeShards {
    pub stream: String,
    pub shard: ShardId,
    pub adjacent: ShardId,
}

impl ControlCommand for MergeShards {
    type Outcome = ();

    fn apply(&self, state: &mut State, _at: Timestamp) -> Result<(), Refusal> {
        let stream = state.stream(&self.stream)?.clone();
        check_provisioned(&stream)?;
        let (low, high) = (known_shard(&stream, self.shard)?, known_shard(&stream, self.adjacent)?);
        if low.range.end.0.checked_add(1) != Some(high.range.start.0) {
            let (stream, shard, adjacent) = (self.stream.clone(), self.shard, self.adjacent);
            return Err(ReshardRefusal::NotAdjacent { stream, shard, adjacent }.into());
        }
        check_open(&stream, low)?;
        check_open(&stream, high)?;
        let mut planner = Planner::new(&stream, state.last_log_shard);
        planner.merge(low, high);
        state.begin_reshard(&self.stream, planner.finish())
    }
}
