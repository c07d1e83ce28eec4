use crate::reshard::Planner;
use crate::{ControlCommand, OnDemandRefusal, Refusal, Shard, State, StreamMode, StreamStatus, caps};
use millstream_types::{HashRange, Timestamp};
use serde::{Deserialize, Serialize};

/// Begin to scale an on-demand stream for a throughput that is expected: a shard for each MiB a second, no fewer than a new
/// one has. Says how many shards were open.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WarmUp {
    pub stream: String,
    pub mibps: u32,
    /// Make a provisioned stream an on-demand one on the way. It keeps the shards that it has.
    pub convert: bool,
}

impl ControlCommand for WarmUp {
    type Outcome = u32;

    fn apply(&self, state: &mut State, at: Timestamp) -> Result<u32, Refusal> {
        let stream = state.stream(&self.stream)?.clone();
        if !self.convert && stream.mode != StreamMode::OnDemand {
            return Err(OnDemandRefusal::Provisioned(self.stream.clone()).into());
        }
        state.check_warm(&self.stream, self.mibps, at)?;
        if stream.status != StreamStatus::Active {
            return Err(Refusal::StreamBusy { name: self.stream.clone(), status: stream.status });
        }
        let mut open: Vec<Shard> = stream.open_shards().cloned().collect();
        open.sort_by_key(|shard| shard.range.start);
        let count = u32::try_from(open.len()).unwrap_or(u32::MAX);
        let least = if self.convert { count } else { caps::ON_DEMAND_SHARDS };
        let target = self.mibps.max(least);
        if target != count {
            let mut planner = Planner::new(&stream, state.last_log_shard);
            planner.retile(&open, &HashRange::tile(target));
            state.begin_reshard(&self.stream, planner.finish())?;
        }
        let stream = state.change_stream(&self.stream)?;
        stream.mode = StreamMode::OnDemand;
        stream.warm_mibps = Some(self.mibps);
        Ok(count)
    }
}
