use crate::{
    ControlCommand, Queue, QueueSettings, QueueStatus, Refusal, StartingPosition, State, StreamMode,
    StreamStatus, caps,
};
use millstream_types::Timestamp;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::sync::Arc;

/// A new queue on a stream, `Creating` until its journal is there and it is known where delivery begins.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CreateQueue {
    pub id: String,
    pub name: String,
    pub arn: String,
    pub stream: String,
    pub starting: StartingPosition,
    pub settings: QueueSettings,
    pub tags: BTreeMap<String, String>,
    pub secret: String,
    /// Consumers and queues that the stream may have, this one included. A server's setting, and so part of the command.
    pub limit: usize,
}

impl ControlCommand for CreateQueue {
    type Outcome = Arc<Queue>;

    fn apply(&self, state: &mut State, at: Timestamp) -> Result<Arc<Queue>, Refusal> {
        let stream = state.stream(&self.stream)?;
        if stream.status != StreamStatus::Active {
            return Err(Refusal::StreamBusy { name: self.stream.clone(), status: stream.status });
        }
        if stream.mode != StreamMode::OnDemand {
            return Err(Refusal::QueueNeedsOnDemand(self.stream.clone()));
        }
        if state.queues.contains_key(&self.id) || state.queues.values().any(|queue| queue.name == self.name) {
            return Err(Refusal::QueueExists(self.name.clone()));
        }
        if stream.consumers.len() + state.queues_of(&self.stream).count() >= self.limit {
            return Err(Refusal::Limit { what: "consumers and queues of a stream", limit: self.limit });
        }
        if state.queues.len() >= caps::QUEUES {
            return Err(Refusal::Limit { what: "queues", limit: caps::QUEUES });
        }
        let queue = Arc::new(Queue {
            id: self.id.clone(),
            name: self.name.clone(),
            arn: self.arn.clone(),
            stream: self.stream.clone(),
            created: at,
            status: QueueStatus::Creating,
            starting: self.starting,
            settings: self.settings.clone(),
            tags: self.tags.clone(),
            secret: self.secret.clone(),
            log: state.next_log_shard(),
            began: None,
            policy: None,
        });
        state.queues.insert(self.id.clone(), queue.clone());
        Ok(queue)
    }
}
