use crate::{ControlCommand, CreateStream, Distribution, Refusal, State};
use millstream_types::Timestamp;
use serde::{Deserialize, Serialize};

/// A new on-demand stream with what only such a stream can be given.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CreateOnDemandStream {
    /// With as many shards as the warm throughput wants.
    pub create: CreateStream,
    pub distribution: Distribution,
    pub warm_mibps: Option<u32>,
}

impl ControlCommand for CreateOnDemandStream {
    type Outcome = ();

    fn apply(&self, state: &mut State, at: Timestamp) -> Result<(), Refusal> {
        let name = &self.create.name;
        if let Some(mibps) = self.warm_mibps {
            state.check_warm(name, mibps, at)?;
        }
        self.create.apply(state, at)?;
        let stream = state.change_stream(name)?;
        stream.distribution = self.distribution;
        stream.warm_mibps = self.warm_mibps;
        Ok(())
    }
}
