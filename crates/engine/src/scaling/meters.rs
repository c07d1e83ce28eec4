//! What each shard of an on-demand stream is given. One update for each call, and a sample of its keys.

use crate::append::{Appendable, Group, Slot};
use crate::router::hash_of;
use crate::scaling::Sketch;
use millstream_control::{Stream, StreamMode, caps};
use millstream_types::{HashKey, HashRange, LogShard};
use std::collections::{HashMap, HashSet};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Records of a call whose keys are looked at. Each stands for as many as there are for it.
const SAMPLES: usize = 16;

/// What a record weighs beside its bytes: a shard takes 1,000 records a second, or 1 MB.
const RECORD_WEIGHT: u64 = 1_000;

/// What a call brings to the shards of an on-demand stream.
#[derive(Debug)]
pub(crate) struct Load {
    shards: Vec<ShardLoad>,
}

#[derive(Debug)]
struct ShardLoad {
    log: LogShard,
    range: HashRange,
    records: u64,
    bytes: u64,
    /// Hash keys, with what each weighs.
    samples: Vec<(HashKey, u64)>,
}

impl Load {
    /// Nothing for a stream that is not scaled.
    pub(crate) fn of<R: Appendable>(
        stream: &Stream,
        groups: &[Group],
        slots: &[Slot],
        records: &[R],
    ) -> Option<Self> {
        if stream.mode != StreamMode::OnDemand {
            return None;
        }
        let shard = |group: &Group| {
            let range = stream.shard(group.shard)?.range;
            Some(ShardLoad { log: group.log, range, records: 0, bytes: 0, samples: Vec::new() })
        };
        let mut shards = groups.iter().map(shard).collect::<Option<Vec<_>>>()?;
        for slot in slots {
            let load = shards.get_mut(slot.group)?;
            load.records += 1;
            load.bytes += u64::from(slot.bytes);
        }
        let stride = records.len().div_ceil(SAMPLES).max(1);
        // Not always the same places of a call: producers may have a rhythm.
        let from = usize::try_from(shards.iter().map(|load| load.bytes).sum::<u64>()).unwrap_or(0) % stride;
        for (slot, record) in slots.iter().zip(records).skip(from).step_by(stride) {
            let key = record.explicit_hash_key().unwrap_or_else(|| hash_of(record.partition_key()));
            let weight = (u64::from(slot.bytes) + RECORD_WEIGHT) * stride as u64;
            shards.get_mut(slot.group)?.samples.push((key, weight));
        }
        Some(Self { shards })
    }
}

/// The meters of all shards of on-demand streams.
#[derive(Debug, Default)]
pub(crate) struct Meters {
    /// Somebody reads them. Until then nothing is kept.
    read: AtomicBool,
    shards: Mutex<HashMap<LogShard, Meter>>,
}

/// What a shard was given since it was last looked at.
#[derive(Clone, Debug)]
pub(crate) struct Meter {
    pub(crate) records: u64,
    pub(crate) bytes: u64,
    pub(crate) sketch: Sketch,
}

impl Meters {
    fn lock(&self) -> MutexGuard<'_, HashMap<LogShard, Meter>> {
        // They are numbers: a panic elsewhere leaves nothing behind that is half done.
        self.shards.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn start(&self) {
        self.read.store(true, Ordering::Relaxed);
    }

    pub(crate) fn charge(&self, load: &Load) {
        if !self.read.load(Ordering::Relaxed) {
            return;
        }
        let mut meters = self.lock();
        for shard in &load.shards {
            // Whoever reads them lets go of those that are gone.
            if meters.len() as u64 >= caps::SHARDS && !meters.contains_key(&shard.log) {
                continue;
            }
            let new = || Meter { records: 0, bytes: 0, sketch: Sketch::new(shard.range) };
            let meter = meters.entry(shard.log).or_insert_with(new);
            meter.records += shard.records;
            meter.bytes += shard.bytes;
            for (key, weight) in &shard.samples {
                meter.sketch.add(*key, *weight);
            }
        }
    }

    /// What was counted since the last time. Meters of other shards than these are let go.
    pub(crate) fn take(&self, of: &HashSet<LogShard>) -> HashMap<LogShard, Meter> {
        let mut meters = self.lock();
        meters.retain(|log, _| of.contains(log));
        let taken = meters.clone();
        for meter in meters.values_mut() {
            (meter.records, meter.bytes) = (0, 0);
            meter.sketch.fade();
        }
        taken
    }
}
