use crate::{ControlCommand, Refusal, ShardMetric, State, StreamStatus};
use millstream_types::Timestamp;
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;

/// Begin to measure some things of each shard of a stream, and leave off to measure others. Says what was measured before
/// and what is after.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ChangeMonitoring {
    pub stream: String,
    pub enable: BTreeSet<ShardMetric>,
    pub disable: BTreeSet<ShardMetric>,
}

impl ControlCommand for ChangeMonitoring {
    type Outcome = (BTreeSet<ShardMetric>, BTreeSet<ShardMetric>);

    fn apply(&self, state: &mut State, _at: Timestamp) -> Result<Self::Outcome, Refusal> {
        let stream = state.change_stream(&self.stream)?;
        if stream.status != StreamStatus::Active {
            return Err(Refusal::StreamBusy { name: self.stream.clone(), status: stream.status });
        }
        let before = stream.monitoring.clone();
        stream.monitoring.extend(&self.enable);
        stream.monitoring.retain(|metric| !self.disable.contains(metric));
        Ok((before, stream.monitoring.clone()))
    }
}
