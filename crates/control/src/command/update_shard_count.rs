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
    /// How often this may be done to a stream in 24 hours, this time included. A server's setting, and so part of the
    /// command. `None`: as often as one likes, and nobody counts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub per_day: Option<u32>,
}

/// How long a use counts.
const DAY_MILLIS: u64 = 86_400_000;

impl ControlCommand for UpdateShardCount {
    type Outcome = u32;

    fn apply(&self, state: &mut State, at: Timestamp) -> Result<u32, Refusal> {
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
        let uses = self.counted(&stream.count_updates, at)?;
        if self.target != count {
            let mut planner = Planner::new(&stream, state.last_log_shard);
            planner.retile(&open, &HashRange::tile(self.target));
            state.begin_reshard(&self.stream, planner.finish())?;
        }
        if let Some(uses) = uses {
            state.change_stream(&self.stream)?.count_updates = uses;
        }
        Ok(count)
    }
}

impl UpdateShardCount {
    /// The uses of the last day with this one, if they are counted.
    fn counted(&self, before: &[Timestamp], at: Timestamp) -> Result<Option<Vec<Timestamp>>, Refusal> {
        let Some(limit) = self.per_day else { return Ok(None) };
        let mut uses: Vec<Timestamp> =
            before.iter().copied().filter(|used| at.millis_since(*used) < DAY_MILLIS).collect();
        if uses.len() >= usize::try_from(limit).unwrap_or(usize::MAX) {
            return Err(ReshardRefusal::TooOften { stream: self.stream.clone(), limit }.into());
        }
        uses.push(at);
        Ok(Some(uses))
    }
}
