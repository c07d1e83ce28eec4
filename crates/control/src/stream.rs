use crate::{DataKey, Distribution, Encryption, EncryptionChange, Reshard, ShardMetric};
use millstream_types::{HashKey, HashRange, LogShard, Position, ShardId, Timestamp, name_of_key};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum StreamStatus {
    Creating,
    Active,
    /// Being resharded, or its encryption is being changed. Records go in and out as ever.
    Updating,
    Deleting,
}

impl StreamStatus {
    /// Whether records can be put and read.
    pub fn is_serving(self) -> bool {
        matches!(self, Self::Active | Self::Updating)
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum StreamMode {
    Provisioned,
    OnDemand,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Stream {
    /// Its key: see `Home::key`. [`Stream::own_name`] is what its owner called it.
    pub name: String,
    pub arn: String,
    pub created: Timestamp,
    pub status: StreamStatus,
    pub mode: StreamMode,
    pub retention_hours: u32,
    /// The largest record: data and partition key, in KiB.
    pub max_record_kib: u32,
    /// In order of creation, which is that of their ids. A closed shard goes when all of it has expired, so there are gaps.
    pub shards: Vec<Shard>,
    pub consumers: BTreeMap<String, Consumer>,
    pub tags: BTreeMap<String, String>,
    /// What is older is gone for good, also when the retention is raised later. 0 until either could matter.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub kept_from: Timestamp,
    /// Set while the stream is `Updating` for it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reshard: Option<Reshard>,
    #[serde(default, skip_serializing_if = "Distribution::is_default")]
    pub distribution: Distribution,
    /// What is measured of each shard (enhanced monitoring).
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub monitoring: BTreeSet<ShardMetric>,
    /// The throughput that the stream was last scaled for by hand, in MiB a second: fewer shards it should not have.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub warm_mibps: Option<u32>,
    /// When UpdateShardCount was used over the last day, where a limit counts that.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub count_updates: Vec<Timestamp>,
    /// Its resource policy, as it was given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub policy: Option<String>,
    /// How new records are encrypted; not at all, if this is not set.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub encryption: Option<Encryption>,
    /// All that any of its records may be encrypted under.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub data_keys: Vec<DataKey>,
    /// Set while the stream is `Updating` for it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub encryption_change: Option<EncryptionChange>,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference")]
fn is_zero(time: &Timestamp) -> bool {
    *time == Timestamp::ZERO
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
    /// When it was opened; `None` if it came with its stream.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub opened: Option<Timestamp>,
    /// When it was closed: the moment at which its children were opened.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub closed: Option<Timestamp>,
}

impl Shard {
    pub fn is_open(&self) -> bool {
        self.closed_at.is_none()
    }

    pub fn parents(&self) -> impl Iterator<Item = ShardId> {
        [self.parent, self.adjacent_parent].into_iter().flatten()
    }

    /// Whether it was still open at `at`. For every hash key exactly one shard of a stream was, until that one expires.
    pub fn was_open_at(&self, at: Timestamp) -> bool {
        self.opened.is_none_or(|opened| opened <= at) && self.is_open_after(at)
    }

    /// Whether it was closed after `at`, or never was.
    pub fn is_open_after(&self, at: Timestamp) -> bool {
        self.closed.is_none_or(|closed| at < closed)
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
    /// Its resource policy, as it was given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub policy: Option<String>,
}

impl Stream {
    /// The data key that new records are encrypted under.
    pub fn current_data_key(&self) -> Option<&DataKey> {
        let encryption = self.encryption.as_ref()?;
        self.data_keys.iter().find(|key| key.id == encryption.data_key)
    }

    pub fn own_name(&self) -> &str {
        name_of_key(&self.name)
    }

    pub fn retention_millis(&self) -> u64 {
        u64::from(self.retention_hours) * 3_600_000
    }

    pub fn shard(&self, id: ShardId) -> Option<&Shard> {
        let place = self.shards.binary_search_by_key(&id, |shard| shard.id).ok()?;
        self.shards.get(place)
    }

    pub(crate) fn shard_mut(&mut self, id: ShardId) -> Option<&mut Shard> {
        let place = self.shards.binary_search_by_key(&id, |shard| shard.id).ok()?;
        self.shards.get_mut(place)
    }

    /// The shard of a log shard.
    pub fn shard_of_log(&self, log: LogShard) -> Option<&Shard> {
        self.shards.iter().find(|shard| shard.log == log)
    }

    /// The id of the youngest shard. It changes whenever shards open or close, and is never that of an earlier time.
    pub fn newest_shard(&self) -> Option<ShardId> {
        self.shards.last().map(|shard| shard.id)
    }

    /// When the youngest shard was opened: what was open then is open now, unless a reshard came since.
    pub fn last_resharded(&self) -> Timestamp {
        self.shards.iter().filter_map(|shard| shard.opened).max().unwrap_or(self.created)
    }

    /// The shards that are being closed, with the positions up to which their records are theirs whatever comes. `None`
    /// unless some are: from when appends to them must wait until it is known where they end.
    pub fn closing(&self) -> Option<&Reshard> {
        self.reshard.as_ref().filter(|reshard| self.status == StreamStatus::Updating && reshard.is_closing())
    }

    /// The time before which nothing is kept, when it is `now` and retention decides.
    pub fn oldest_kept(&self, now: Timestamp) -> Timestamp {
        now.minus_millis(self.retention_millis()).max(self.kept_from)
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
