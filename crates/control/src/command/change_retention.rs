use crate::{ControlCommand, Refusal, State, StreamStatus};
use millstream_types::Timestamp;
use serde::{Deserialize, Serialize};

/// Keep records for longer, or not as long. What was let go of before stays gone.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ChangeRetention {
    pub name: String,
    pub hours: u32,
    pub change: RetentionChange,
    /// The time that retention goes by, which need not be the wall clock's.
    pub now: Timestamp,
}

/// What was asked for. The retention that a stream has already is taken for either.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum RetentionChange {
    Increase,
    Decrease,
}

impl ControlCommand for ChangeRetention {
    type Outcome = ();

    fn apply(&self, state: &mut State, _at: Timestamp) -> Result<(), Refusal> {
        let stream = state.stream(&self.name)?;
        let (name, asked, existing) = (self.name.clone(), self.hours, stream.retention_hours);
        match self.change {
            RetentionChange::Increase if asked < existing => {
                return Err(Refusal::RetentionShorter { name, asked, existing });
            }
            RetentionChange::Decrease if asked > existing => {
                return Err(Refusal::RetentionLonger { name, asked, existing });
            }
            RetentionChange::Increase | RetentionChange::Decrease => {}
        }
        if stream.status != StreamStatus::Active {
            return Err(Refusal::StreamBusy { name, status: stream.status });
        }
        let stream = state.change_stream(&self.name)?;
        stream.kept_from = stream.oldest_kept(self.now);
        stream.retention_hours = self.hours;
        Ok(())
    }
}
