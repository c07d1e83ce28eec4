use crate::{ControlCommand, EncryptionChange, Refusal, State, StreamStatus};
use millstream_types::Timestamp;
use serde::{Deserialize, Serialize};

/// Begin to leave a stream's new records as they are. Those that are encrypted stay so, and readable.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StopEncryption {
    pub stream: String,
}

impl ControlCommand for StopEncryption {
    type Outcome = ();

    fn apply(&self, state: &mut State, _at: Timestamp) -> Result<(), Refusal> {
        let stream = state.change_stream(&self.stream)?;
        if stream.status != StreamStatus::Active {
            return Err(Refusal::StreamBusy { name: self.stream.clone(), status: stream.status });
        }
        if stream.encryption.is_some() {
            stream.status = StreamStatus::Updating;
            stream.encryption_change = Some(EncryptionChange::Stop);
        }
        Ok(())
    }
}
