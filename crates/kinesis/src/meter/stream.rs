use super::{Counter, Greatest, Samples};
use millstream_control::Stream;
use millstream_types::{ShardId, Timestamp};
use std::collections::BTreeMap;
use std::sync::{Arc, PoisonError, RwLock};

/// What is measured of one stream.
#[derive(Debug, Default)]
pub struct StreamMeter {
    /// Which of the streams that had its name.
    created: Timestamp,
    pub incoming_bytes: Counter,
    pub incoming_records: Counter,
    pub put_record: OperationMeter,
    pub put_records: OperationMeter,
    pub put_records_total: Counter,
    pub put_records_failed: Counter,
    pub put_records_throttled: Counter,
    pub get_records: OperationMeter,
    /// Milliseconds.
    pub iterator_age: Greatest,
    pub subscribe: OperationMeter,
    pub subscribe_rate_exceeded: Counter,
    /// Of the events of subscriptions. They have no latency.
    pub events: OperationMeter,
    /// Milliseconds.
    pub events_behind: Greatest,
    pub write_exceeded: Counter,
    pub read_exceeded: Counter,
    /// With enhanced monitoring only.
    shards: RwLock<BTreeMap<ShardId, Arc<ShardMeter>>>,
}

/// What is measured of an operation.
#[derive(Debug, Default)]
pub struct OperationMeter {
    /// Of the records that went in or out: data and partition keys.
    pub bytes: Counter,
    /// Those that went in or out.
    pub records: Counter,
    /// Microseconds.
    pub latency: Samples,
    /// 1 for each call that succeeded, 0 for each other.
    pub success: Samples,
}

/// What is measured of one shard.
#[derive(Debug, Default)]
pub struct ShardMeter {
    pub incoming_bytes: Counter,
    pub incoming_records: Counter,
    pub outgoing_bytes: Counter,
    pub outgoing_records: Counter,
    pub write_exceeded: Counter,
    pub read_exceeded: Counter,
    /// Milliseconds.
    pub iterator_age: Greatest,
}

impl StreamMeter {
    pub(super) fn new(stream: &Stream) -> Self {
        Self { created: stream.created, ..Self::default() }
    }

    /// Whether it is the stream's, and not that of an earlier one of the same name.
    pub(super) fn is_of(&self, stream: &Stream) -> bool {
        self.created == stream.created
    }

    /// What is measured of a shard, if anything is to be.
    pub fn shard(&self, stream: &Stream, id: ShardId) -> Option<Arc<ShardMeter>> {
        if stream.monitoring.is_empty() {
            return None;
        }
        if let Some(found) = self.shards.read().unwrap_or_else(PoisonError::into_inner).get(&id) {
            return Some(found.clone());
        }
        stream.shard(id)?;
        let mut shards = self.shards.write().unwrap_or_else(PoisonError::into_inner);
        shards.retain(|id, _| stream.shard(*id).is_some());
        Some(shards.entry(id).or_default().clone())
    }

    /// What was measured of the shards that there still are.
    pub fn shards(&self, stream: &Stream) -> Vec<(ShardId, Arc<ShardMeter>)> {
        let mut shards = self.shards.write().unwrap_or_else(PoisonError::into_inner);
        shards.retain(|id, _| !stream.monitoring.is_empty() && stream.shard(*id).is_some());
        shards.iter().map(|(id, shard)| (*id, shard.clone())).collect()
    }

    /// Records that were refused because their shard takes no more at the moment.
    pub fn write_throttled(&self, stream: &Stream, shard: Option<ShardId>, records: u64) {
        self.write_exceeded.add(records);
        if let Some(shard) = shard.and_then(|id| self.shard(stream, id)) {
            shard.write_exceeded.add(records);
        }
    }

    /// A GetRecords call that was refused because its shard gives no more at the moment.
    pub fn read_throttled(&self, stream: &Stream, shard: ShardId) {
        self.read_exceeded.add(1);
        if let Some(shard) = self.shard(stream, shard) {
            shard.read_exceeded.add(1);
        }
    }
}
