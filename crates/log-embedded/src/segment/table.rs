use crate::runs::Run;
use millstream_types::LogShard;
use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// What is always in memory of a segment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Line {
    /// Bytes of the file.
    pub(crate) bytes: u64,
    /// CRC-32C of its footer: which file of this number it is.
    pub(crate) footer_crc: u32,
    /// Runs that have a record which is neither trimmed nor dropped.
    pub(crate) live: u32,
    /// Bytes of it that were given back to the disk.
    pub(crate) freed: u64,
}

/// The segments that exist, and what is to be done about those whose records are gone.
#[derive(Debug, Default)]
pub(crate) struct Segments {
    inner: Mutex<Inner>,
}

#[derive(Debug, Default)]
struct Inner {
    lines: BTreeMap<u32, Line>,
    /// Without a live run; still named by the checkpoint.
    dead: Vec<u32>,
    /// Named by nothing that a restart would read: their files can go.
    garbage: Vec<u32>,
    /// Dead runs whose bytes the disk does not have back.
    holes: BTreeMap<u32, Vec<LogShard>>,
    /// Those that could not be given back: tried again when there is something else to do.
    later: Vec<(u32, Vec<LogShard>)>,
}

/// Bytes and files of segments.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Usage {
    pub(crate) segments: u64,
    pub(crate) bytes: u64,
}

impl Segments {
    fn lock(&self) -> MutexGuard<'_, Inner> {
        // Every critical section leaves the state whole, so a panic elsewhere does not make it unusable.
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn add(&self, number: u32, line: Line) {
        let mut inner = self.lock();
        inner.lines.insert(number, line);
        if line.live == 0 {
            inner.dead.push(number);
        }
    }

    /// Runs of a shard are gone: it was trimmed or dropped.
    pub(crate) fn release(&self, shard: LogShard, runs: &[Run]) {
        if runs.is_empty() {
            return;
        }
        let inner = &mut *self.lock();
        for run in runs {
            let Some(line) = inner.lines.get_mut(&run.segment) else { continue };
            line.live = line.live.saturating_sub(1);
            if line.live == 0 {
                inner.dead.push(run.segment);
            }
            // Also of a dead segment: when the WAL has no room to say that it is gone, its room comes back in this way.
            inner.holes.entry(run.segment).or_default().push(shard);
        }
    }

    /// These could not be given back now.
    pub(crate) fn still_holes(&self, segment: u32, shards: Vec<LogShard>) {
        let inner = &mut *self.lock();
        if inner.lines.contains_key(&segment) {
            inner.later.push((segment, shards));
        }
    }

    /// A dead run in a segment that lives on, found at the start.
    pub(crate) fn hole(&self, segment: u32, shard: LogShard) {
        self.lock().holes.entry(segment).or_default().push(shard);
    }

    /// The segments that a checkpoint names now. The dead ones are left out: they are garbage once it is durable.
    pub(crate) fn named(&self) -> (Vec<(u32, Line)>, Vec<u32>) {
        let inner = self.lock();
        let named = inner.lines.iter().filter(|(_, line)| line.live > 0);
        (named.map(|(number, line)| (*number, *line)).collect(), inner.dead.clone())
    }

    pub(crate) fn has_dead(&self) -> bool {
        !self.lock().dead.is_empty()
    }

    /// The dead segments, for the writer to say in the WAL that they are.
    pub(crate) fn take_dead(&self) -> Vec<u32> {
        std::mem::take(&mut self.lock().dead)
    }

    /// The WAL had no room to say it.
    pub(crate) fn still_dead(&self, numbers: Vec<u32>) {
        self.lock().dead.extend(numbers);
    }

    /// A restart knows that these are gone.
    pub(crate) fn disown(&self, numbers: &[u32]) {
        let inner = &mut *self.lock();
        for number in numbers {
            if inner.lines.remove(number).is_some() {
                inner.garbage.push(*number);
            }
            inner.holes.remove(number);
        }
        inner.later.retain(|(number, _)| inner.lines.contains_key(number));
        inner.dead.retain(|number| inner.lines.contains_key(number));
    }

    pub(crate) fn take_garbage(&self) -> Vec<u32> {
        std::mem::take(&mut self.lock().garbage)
    }

    pub(crate) fn take_holes(&self) -> Vec<(u32, Vec<LogShard>)> {
        let inner = &mut *self.lock();
        let later = std::mem::take(&mut inner.later);
        std::mem::take(&mut inner.holes).into_iter().chain(later).collect()
    }

    pub(crate) fn has_work(&self) -> bool {
        let inner = self.lock();
        !inner.garbage.is_empty() || !inner.holes.is_empty()
    }

    pub(crate) fn freed(&self, number: u32, bytes: u64) {
        if let Some(line) = self.lock().lines.get_mut(&number) {
            line.freed += bytes;
        }
    }

    pub(crate) fn usage(&self) -> Usage {
        let inner = self.lock();
        let bytes = inner.lines.values().map(|line| line.bytes.saturating_sub(line.freed)).sum();
        Usage { segments: inner.lines.len() as u64, bytes }
    }
}
