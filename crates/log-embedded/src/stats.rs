use crate::Shared;
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
    /// Bytes of the WAL that are in no segment yet: what a start would have to replay.
    pub unflushed_bytes: u64,
    /// Segments, and the bytes that they take on the disk.
    pub segments: u64,
    pub segment_bytes: u64,
    pub flushes: u64,
    pub flush_failures: u64,
    /// Reads of damaged or unreadable data, which was not served.
    pub failed_reads: u64,
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
    /// Bytes written to the WAL since the log was opened, and those replayed then.
    pub(crate) written: AtomicU64,
    pub(crate) flushes: AtomicU64,
    pub(crate) flush_failures: AtomicU64,
    pub(crate) failed_reads: AtomicU64,
}

impl Counters {
    pub(crate) fn add(counter: &AtomicU64, amount: u64) {
        counter.fetch_add(amount, Ordering::Relaxed);
    }

    pub(crate) fn subtract(counter: &AtomicU64, amount: u64) {
        counter.fetch_sub(amount, Ordering::Relaxed);
    }

    pub(crate) fn get(counter: &AtomicU64) -> u64 {
        counter.load(Ordering::Relaxed)
    }
}

impl Shared {
    pub(crate) fn stats(&self) -> Stats {
        let counters = &self.counters;
        let usage = self.segments.usage();
        Stats {
            groups: Counters::get(&counters.groups),
            calls: Counters::get(&counters.calls),
            bytes: Counters::get(&counters.bytes),
            syncs: Counters::get(&counters.syncs),
            last_sync: Duration::from_micros(Counters::get(&counters.last_sync_micros)),
            memory_tail_bytes: Counters::get(&counters.memory_tail_bytes),
            wal_bytes: Counters::get(&counters.wal_bytes),
            unflushed_bytes: Counters::get(&counters.written).saturating_sub(self.flush.flushed()),
            segments: usage.segments,
            segment_bytes: usage.bytes,
            flushes: Counters::get(&counters.flushes),
            flush_failures: Counters::get(&counters.flush_failures),
            failed_reads: Counters::get(&counters.failed_reads),
            shards: self.shards.len() as u64,
        }
    }
}
