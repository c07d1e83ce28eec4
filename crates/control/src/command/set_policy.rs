use crate::{ControlCommand, Refusal, State, StreamStatus};
use millstream_types::Timestamp;
use serde::{Deserialize, Serialize};

/// Give a stream or one of its consumers a resource policy, or take it away. It goes with what it is attached to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SetPolicy {
    pub stream: String,
    /// The stream itself if none.
    pub consumer: Option<String>,
    /// The text as it was given; none to take it away.
    pub policy: Option<String>,
}

impl ControlCommand for SetPolicy {
    /// Whether there was one.
    type Outcome = bool;

    fn apply(&self, state: &mut State, _at: Timestamp) -> Result<bool, Refusal> {
        let stream = state.change_stream(&self.stream)?;
        if stream.status == StreamStatus::Deleting {
            return Err(Refusal::StreamBusy { name: self.stream.clone(), status: stream.status });
        }
        let policy = match &self.consumer {
            None => &mut stream.policy,
            Some(name) => {
                let none = || Refusal::NoSuchConsumer { stream: self.stream.clone(), consumer: name.clone() };
                &mut stream.consumers.get_mut(name).ok_or_else(none)?.policy
            }
        };
        Ok(std::mem::replace(policy, self.policy.clone()).is_some())
    }
}
