use crate::reshard::{Planner, check_open, check_provisioned, known_shard};
use crate::{ControlCommand, Refusal, ReshardRefusal, State};
use millstream_types::{HashKey, ShardId, Timestamp};
use serde::{Deserialize, Serialize};

/// Begin to split an open shard in two; the second begins at `key`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SplitShard {
    pub stream: String,
    pub shard: ShardId,
    pub key: HashKey,
}

impl ControlCommand for SplitShard {
    type Outcome = ();

    fn apply(&self, state: &mut State, _at: Timestamp) -> Result<(), Refusal> {
        let stream = state.stream(&self.stream)?.clone();
        check_provisioned(&stream)?;
        let shard = known_shard(&stream, self.shard)?;
        // AWS leaves a half at least two hash keys, but lets the second be one.
        if self.key.0 <= shard.range.start.0.saturating_add(1) || self.key >= shard.range.end {
            let (stream, key, range) = (self.stream.clone(), self.key, shard.range);
            return Err(ReshardRefusal::NoCut { stream, shard: shard.id, key, range }.into());
        }
        check_open(&stream, shard)?;
        let mut planner = Planner::new(&stream, state.last_log_shard);
        planner.split(shard, self.key);
        state.begin_reshard(&self.stream, planner.finish())
    }
}
