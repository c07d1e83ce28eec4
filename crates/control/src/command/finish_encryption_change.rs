use crate::{ControlCommand, EncryptionChange, Refusal, State, StreamStatus};
use millstream_types::Timestamp;
use serde::{Deserialize, Serialize};

/// What was asked for of a stream's encryption is so from here on. Nothing, if the stream waits for no such thing: it is
/// being deleted.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FinishEncryptionChange {
    pub stream: String,
}

impl ControlCommand for FinishEncryptionChange {
    type Outcome = ();

    fn apply(&self, state: &mut State, _at: Timestamp) -> Result<(), Refusal> {
        let stream = state.change_stream(&self.stream)?;
        if stream.status != StreamStatus::Updating {
            return Ok(());
        }
        if let Some(change) = stream.encryption_change.take() {
            stream.encryption = match change {
                EncryptionChange::Start(encryption) => Some(encryption),
                EncryptionChange::Stop => None,
            };
            stream.status = StreamStatus::Active;
        }
        Ok(())
    }
}
