use crate::StartingPosition;
use millstream_types::{LogShard, Position, ShardId, Timestamp, name_of_key};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum QueueStatus {
    /// Its journal and its starting positions are not there yet.
    Creating,
    Active,
    Deleting,
}

/// What can be changed of a queue.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct QueueSettings {
    /// How long a record that was received is hidden from others, unless the receiver says otherwise.
    pub visibility_secs: u32,
    /// Receives after which a record is a dead letter; `None` for never.
    pub max_receives: Option<u32>,
}

/// A queue on a stream. How far its records are delivered is in its own log shard, not here.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Queue {
    /// The end of its ARN: made with the queue, and never that of another.
    pub id: String,
    /// Its key: see `Home::key`. [`Queue::own_name`] is what its owner called it.
    pub name: String,
    pub arn: String,
    /// The stream's key.
    pub stream: String,
    pub created: Timestamp,
    pub status: QueueStatus,
    pub starting: StartingPosition,
    pub settings: QueueSettings,
    pub tags: BTreeMap<String, String>,
    /// What receipt handles are signed with, 64 hexadecimal digits.
    pub secret: String,
    /// Its journal.
    pub log: LogShard,
    /// Where delivery began, set when it becomes active: by shard, and the time that stands for. A shard that is not here was
    /// opened later and is delivered whole.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub began: Option<QueueBegin>,
    /// Its resource policy, as it was given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub policy: Option<String>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct QueueBegin {
    pub at: Timestamp,
    pub positions: BTreeMap<ShardId, Position>,
}

impl Queue {
    pub fn own_name(&self) -> &str {
        name_of_key(&self.name)
    }
}
