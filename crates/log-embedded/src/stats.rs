use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// What the log has done since it was opened, and what it holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Stats {
    /// Groups written, marks included.
    pub groups: u64,
    /// Calls that those groups carried.
    pub calls: u64,
    /// Bytes written for groups, padding included.
    pub bytes: u64,
    pub syncs: u64,
    pub last_sync: Duration,
    /// Bytes of recent batches in memory.
    pub memory_tail_bytes: u64,
    /// Bytes that the WAL's files take on the disk.
    pub wal_bytes: u64,
    /// Shards that exist.
    pub shards: u64,
}

#[derive(Debug, Default)]
pub(crate) struct Counters {
    pub(crate) groups: AtomicU64,
    pub(crate) calls: AtomicU64,
    pub(crate) bytes: AtomicU64,
    pub(crate) syncs: AtomicU64,
    pub(crate) last_sync_micros: AtomicU64,
    pub(crate) memory_tail_bytes: AtomicU64,
    pub(crate) wal_bytes: AtomicU64,
}

impl Counters {
    pub(crate) fn add(counter: &AtomicU64, amount: u64) {
        counter.fetch_add(amount, Ordering::Relaxed);
    }

    pub(crate) fn read(&self, shards: usize) -> Stats {
        let get = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        Stats {
            groups: get(&self.groups),
            calls: get(&self.calls),
            bytes: get(&self.bytes),
            syncs: get(&self.syncs),
            last_sync: Duration::from_micros(get(&self.last_sync_micros)),
            memory_tail_bytes: get(&self.memory_tail_bytes),
            wal_bytes: get(&self.wal_bytes),
            shards: shards as u64,
        }
    }
}
