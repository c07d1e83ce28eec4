use crate::{ControlCommand, Distribution, OnDemandRefusal, Refusal, State, StreamMode, StreamStatus};
use millstream_types::Timestamp;
use serde::{Deserialize, Serialize};

/// Set who says which shard a record goes to, for the records to come.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SetDistribution {
    pub stream: String,
    pub distribution: Distribution,
}

impl ControlCommand for SetDistribution {
    type Outcome = ();

    fn apply(&self, state: &mut State, _at: Timestamp) -> Result<(), Refusal> {
        let stream = state.change_stream(&self.stream)?;
        if stream.mode != StreamMode::OnDemand && self.distribution == Distribution::Auto {
            return Err(OnDemandRefusal::AutoDistribution(self.stream.clone()).into());
        }
        if stream.status != StreamStatus::Active {
            return Err(Refusal::StreamBusy { name: self.stream.clone(), status: stream.status });
        }
        stream.distribution = self.distribution;
        Ok(())
    }
}
