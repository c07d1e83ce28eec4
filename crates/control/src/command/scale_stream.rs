use crate::reshard::{Planner, check_open, known_shard};
use crate::{ControlCommand, Refusal, ReshardRefusal, State, StreamMode};
use millstream_types::{HashKey, ShardId, Timestamp};
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;

/// Begin to split and merge shards of an on-demand stream, all in one reshard. What the server itself asks for, by the load
/// that it sees: clients may not reshard such a stream.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ScaleStream {
    pub stream: String,
    /// Each with the hash key at which its second half begins.
    pub splits: Vec<(ShardId, HashKey)>,
    /// The second of each begins where the first ends.
    pub merges: Vec<(ShardId, ShardId)>,
}

impl ControlCommand for ScaleStream {
    type Outcome = ();

    fn apply(&self, state: &mut State, _at: Timestamp) -> Result<(), Refusal> {
        let stream = state.stream(&self.stream)?.clone();
        // Its owner took it over meanwhile.
        if stream.mode != StreamMode::OnDemand {
            return Err(ReshardRefusal::NotOnDemand(self.stream.clone()).into());
        }
        let mut used = BTreeSet::new();
        let mut open = |id: ShardId| {
            let shard = known_shard(&stream, id)?;
            check_open(&stream, shard)?;
            if used.insert(id) {
                Ok(shard)
            } else {
                Err(ReshardRefusal::AlreadyClosed { stream: self.stream.clone(), shard: id })
            }
        };
        let mut planner = Planner::new(&stream, state.last_log_shard);
        for (id, key) in &self.splits {
            let shard = open(*id)?;
            if *key <= shard.range.start || *key > shard.range.end {
                let (stream, key, range) = (self.stream.clone(), *key, shard.range);
                return Err(ReshardRefusal::NoCut { stream, shard: *id, key, range }.into());
            }
            planner.split(shard, *key);
        }
        for (low_id, high_id) in &self.merges {
            let (low, high) = (open(*low_id)?, open(*high_id)?);
            if low.range.end.0.checked_add(1) != Some(high.range.start.0) {
                let (stream, shard, adjacent) = (self.stream.clone(), *low_id, *high_id);
                return Err(ReshardRefusal::NotAdjacent { stream, shard, adjacent }.into());
            }
            planner.merge(low, high);
        }
        if self.splits.is_empty() && self.merges.is_empty() {
            return Err(ReshardRefusal::NotUnderWay(self.stream.clone()).into());
        }
        state.begin_reshard(&self.stream, planner.finish())
    }
}
