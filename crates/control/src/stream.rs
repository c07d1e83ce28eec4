use millstream_types::{HashKey, HashRange, LogShard, Position, ShardId, Timestamp};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum StreamStatus {
    Creating,
    Active,
    Deleting,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum StreamMode {
    Provisioned,
    OnDemand,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Stream {
    pub name: String,
    pub arn: String,
    pub created: Timestamp,
    pub status: StreamStatus,
    pub mode: StreamMode,
    pub retention_hours: u32,
    /// The largest record: data and partition key, in KiB.
    pub max_record_kib: u32,
    /// In order of creation; a shard's place is its number.
    pub shards: Vec<Shard>,
    pub consumers: BTreeMap<String, Consumer>,
    pub tags: BTreeMap<String, String>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Shard {
    pub id: ShardId,
    pub log: LogShard,
    pub range: HashRange,
    pub parent: Option<ShardId>,
    pub adjacent_parent: Option<ShardId>,
    /// The first position that holds no record of this shard any more: set when it is closed.
    pub closed_at: Option<Position>,
}

impl Shard {
    pub fn is_open(&self) -> bool {
        self.closed_at.is_none()
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum ConsumerStatus {
    Creating,
    Active,
    Deleting,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Consumer {
    pub name: String,
    pub arn: String,
    pub created: Timestamp,
    pub status: ConsumerStatus,
    pub tags: BTreeMap<String, String>,
}

impl Stream {
    pub fn retention_millis(&self) -> u64 {
        u64::from(self.retention_hours) * 3_600_000
    }

    pub fn shard(&self, id: ShardId) -> Option<&Shard> {
        self.shards.get(usize::try_from(id.0).ok()?)
    }

    pub fn open_shards(&self) -> impl Iterator<Item = &Shard> {
        self.shards.iter().filter(|shard| shard.is_open())
    }

    /// The open shard whose range holds `key`.
    pub fn shard_for(&self, key: HashKey) -> Option<&Shard> {
        self.open_shards().find(|shard| shard.range.contains(key))
    }

    pub fn consumer_by_arn(&self, arn: &str) -> Option<&Consumer> {
        self.consumers.values().find(|consumer| consumer.arn == arn)
    }
}
