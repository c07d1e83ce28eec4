use crate::{ControlCommand, DataKey, Encryption, EncryptionChange, Refusal, State, StreamStatus, caps};
use millstream_types::Timestamp;
use serde::{Deserialize, Serialize};

/// Begin to encrypt a stream's new records, or to do so with another key. The stream is `Updating` until that is so.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StartEncryption {
    pub stream: String,
    /// The stream's ARN when the key was wrapped: it unwraps for no other stream.
    pub arn: String,
    /// The master key, as it was asked for.
    pub key_id: String,
    /// A new data key, or one that the stream has already.
    pub data_key: DataKey,
}

impl ControlCommand for StartEncryption {
    type Outcome = ();

    fn apply(&self, state: &mut State, _at: Timestamp) -> Result<(), Refusal> {
        let stream = state.stream(&self.stream)?;
        if stream.arn != self.arn {
            return Err(Refusal::NoSuchStream(self.stream.clone()));
        }
        if stream.status != StreamStatus::Active {
            return Err(Refusal::StreamBusy { name: self.stream.clone(), status: stream.status });
        }
        let is_new = stream.data_keys.iter().all(|key| key.id != self.data_key.id);
        if is_new && stream.data_keys.len() >= caps::DATA_KEYS_PER_STREAM {
            let limit = caps::DATA_KEYS_PER_STREAM;
            return Err(Refusal::Limit { what: "data keys of a stream", limit });
        }
        let stream = state.change_stream(&self.stream)?;
        if is_new {
            stream.data_keys.push(self.data_key.clone());
        }
        stream.status = StreamStatus::Updating;
        let (key_id, data_key) = (self.key_id.clone(), self.data_key.id.clone());
        stream.encryption_change = Some(EncryptionChange::Start(Encryption { key_id, data_key }));
        Ok(())
    }
}
