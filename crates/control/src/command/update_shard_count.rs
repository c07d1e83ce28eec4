use crate::reshard::{Planner, check_provisioned};
use crate::{ControlCommand, Refusal, ReshardRefusal, Shard, State, StreamStatus, caps};
use millstream_types::{HashRange, Timestamp};
use serde::{Deserialize, Serialize};

/// Begin to give a stream `target` open shards of the same size, by splits and merges. A stream that has as many stays as
/// it is. Says how many shards were open.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct UpdateShardCount {
    pub stream: String,
    pub target: u32,
}

impl ControlCommand for UpdateShardCount {
    type Outcome = u32;

    fn apply(&self, state: &mut State, _at: Timestamp) -> Result<u32, Refusal> {
        let stream = state.stream(&self.stream)?.clone();
        check_provisioned(&stream)?;
        let mut open: Vec<Shard> = stream.open_shards().cloned().collect();
        open.sort_by_key(|shard| shard.range.start);
        let count = u32::try_from(open.len()).unwrap_or(u32::MAX);
        if self.target > caps::SHARDS_PER_STREAM {
            return Err(ReshardRefusal::TooManyShards { limit: caps::SHARDS_PER_STREAM }.into());
        }
        if self.target > count.saturating_mul(2) || self.target.saturating_mul(2) < count {
            let (stream, target) = (self.stream.clone(), self.target);
            return Err(ReshardRefusal::TooFar { stream, target, open: count }.into());
        }
        if stream.status != StreamStatus::Active {
            return Err(Refusal::StreamBusy { name: self.stream.clone(), status: stream.status });
        }
        if self.target != count {
            let mut planner = Planner::new(&stream, state.last_log_shard);
            planner.retile(&open, &HashRange::tile(self.target));
            state.begin_reshard(&self.stream, planner.finish())?;
        }
        Ok(count)
    }
}
