use crate::{Consumer, ConsumerStatus, ControlCommand, Refusal, State, StreamStatus};
use millstream_types::Timestamp;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// A new consumer for enhanced fan-out. Its ARN ends in its time of creation, in seconds, as AWS's does.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RegisterConsumer {
    pub stream: String,
    pub name: String,
    pub tags: BTreeMap<String, String>,
    /// Consumers that the stream may have, this one included. A server's setting, and so part of the command: replaying it
    /// must not depend on what the server is set to then.
    #[serde(default = "usual", skip_serializing_if = "is_usual")]
    pub limit: usize,
}

/// What a command means that does not say it, for ever: not a limit that somebody may come to change.
const fn usual() -> usize {
    20
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference")]
fn is_usual(limit: &usize) -> bool {
    *limit == usual()
}

impl ControlCommand for RegisterConsumer {
    type Outcome = Consumer;

    fn apply(&self, state: &mut State, at: Timestamp) -> Result<Consumer, Refusal> {
        let queues = state.queues_of(&self.stream).count();
        let stream = state.change_stream(&self.stream)?;
        if stream.status != StreamStatus::Active {
            return Err(Refusal::StreamBusy { name: self.stream.clone(), status: stream.status });
        }
        if stream.consumers.contains_key(&self.name) {
            return Err(Refusal::ConsumerExists { stream: self.stream.clone(), consumer: self.name.clone() });
        }
        // A queue counts as a consumer (API reference, CreateQueue).
        if stream.consumers.len() + queues >= self.limit {
            return Err(Refusal::Limit { what: "consumers of a stream", limit: self.limit });
        }
        let consumer = Consumer {
            name: self.name.clone(),
            arn: format!("{}/consumer/{}:{}", stream.arn, self.name, at.secs()),
            created: at,
            status: ConsumerStatus::Creating,
            tags: self.tags.clone(),
            policy: None,
        };
        stream.consumers.insert(self.name.clone(), consumer.clone());
        Ok(consumer)
    }
}
