use crate::{ControlCommand, Distribution, OnDemandRefusal, Refusal, State, StreamMode, StreamStatus};
use millstream_types::Timestamp;
use serde::{Deserialize, Serialize};

/// Set what a stream is, for all that comes after: what is not named stays.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ChangeStream {
    pub name: String,
    pub mode: Option<StreamMode>,
    /// The largest record: data and partition key, in KiB.
    pub max_record_kib: Option<u32>,
}

impl ControlCommand for ChangeStream {
    type Outcome = ();

    fn apply(&self, state: &mut State, _at: Timestamp) -> Result<(), Refusal> {
        let queues = state.queues_of(&self.name).count();
        let stream = state.change_stream(&self.name)?;
        if stream.status != StreamStatus::Active {
            return Err(Refusal::StreamBusy { name: self.name.clone(), status: stream.status });
        }
        if self.mode == Some(StreamMode::Provisioned) && queues > 0 {
            return Err(Refusal::StreamHasQueues { stream: self.name.clone(), count: queues });
        }
        if self.mode == Some(StreamMode::Provisioned) {
            // Its producers may send no keys any more: only they know when that has an end.
            if stream.distribution == Distribution::Auto {
                return Err(OnDemandRefusal::AutoDistribution(self.name.clone()).into());
            }
            stream.warm_mibps = None;
        }
        stream.mode = self.mode.unwrap_or(stream.mode);
        stream.max_record_kib = self.max_record_kib.unwrap_or(stream.max_record_kib);
        Ok(())
    }
}
