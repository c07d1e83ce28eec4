use crate::embedded::Core;
use crate::error::OpenError;
use crate::options::Options;
use crate::queue::{Command, Work};
use crate::wal::recover::RecoveryReport;
use millstream_host::Clock;
use millstream_host::clock::ManualClock;
use millstream_host::disk::SimDisk;
use millstream_log::{
    AppendError, Appended, Batch, BatchBuilder, ReadError, ReadLimit, Refused, StoredBatch, ticket,
};
use millstream_types::{LogShard, Position, Timestamp};
use std::collections::BTreeMap;
use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

pub(super) const FILE_BYTES: u64 = 32 << 10;

/// SplitMix64: every choice of a trial comes from its seed.
pub(super) struct Random(pub(super) u64);

impl Random {
    pub(super) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    pub(super) fn below(&mut self, end: u64) -> u64 {
        self.next() % end
    }

    pub(super) fn one_in(&mut self, odds: u64) -> bool {
        self.below(odds) == 0
    }
}

/// What the log should hold, as plainly as can be said.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Shadow {
    pub(super) shards: BTreeMap<LogShard, ShadowShard>,
}

#[derive(Clone, Default, PartialEq)]
pub(super) struct ShadowShard {
    earliest: Position,
    tail: Position,
    newest: Option<Timestamp>,
    batches: Vec<StoredBatch>,
}

impl ShadowShard {
    pub(super) fn earliest(&self) -> Position {
        self.earliest
    }

    pub(super) fn batches(&self) -> &[StoredBatch] {
        &self.batches
    }
}

impl std::fmt::Debug for ShadowShard {
    /// Short enough to be read when a trial fails.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let newest = self.newest.map(Timestamp::millis);
        write!(f, "{}..{} newest {newest:?}", self.earliest, self.tail)?;
        for stored in &self.batches {
            let Batch { timestamp, count, crc, .. } = stored.batch;
            write!(f, " [{}+{count} at {} {crc:08x}]", stored.first, timestamp.millis())?;
        }
        Ok(())
    }
}

impl Shadow {
    pub(super) fn apply(&mut self, work: &Work) -> Result<Vec<Appended>, AppendError> {
        match work {
            Work::Append(batches) => {
                if let Some((shard, _)) = batches.iter().find(|(shard, _)| !self.shards.contains_key(shard)) {
                    return Err(Refused::NoSuchShard(*shard).into());
                }
                Ok(batches.iter().map(|(shard, batch)| self.append(*shard, batch)).collect())
            }
            Work::Create(shard, _) => {
                self.shards.entry(*shard).or_default();
                Ok(Vec::new())
            }
            Work::Trim(shard, before) => {
                let state = self.shards.get_mut(shard).ok_or(Refused::NoSuchShard(*shard))?;
                let earliest = state.earliest.max((*before).min(state.tail));
                state.earliest = earliest;
                state.batches.retain(|stored| stored.end() > earliest);
                Ok(Vec::new())
            }
            Work::Drop(shard) => {
                self.shards.remove(shard);
                Ok(Vec::new())
            }
        }
    }

    fn append(&mut self, shard: LogShard, batch: &Batch) -> Appended {
        let state = self.shards.get_mut(&shard).expect("looked for above");
        let timestamp = state.newest.unwrap_or_default().max(batch.timestamp);
        let first = state.tail;
        let stored = StoredBatch { first, batch: Batch { timestamp, ..batch.clone() } };
        state.tail = stored.end();
        state.newest = Some(timestamp);
        state.batches.push(stored);
        Appended { shard, first, timestamp }
    }
}

/// What the log holds, read through the readers' path.
pub(super) fn observe(core: &Core, shards: u64, random: &mut Random) -> Result<Shadow, ReadError> {
    let mut seen = Shadow::default();
    for id in (0..shards).map(LogShard) {
        let Ok(shard) = core.shared.shards.get(id) else { continue };
        let mut state = ShadowShard::default();
        let mut next = Position::ZERO;
        loop {
            let limit = ReadLimit {
                records: usize::try_from(random.below(6)).unwrap_or(0),
                bytes: usize::try_from(random.below(20_000)).unwrap_or(0),
            };
            let chunk = match core.shared.read(id, next, limit) {
                Err(ReadError::Trimmed { earliest }) if next < earliest => {
                    (state.earliest, next) = (earliest, earliest);
                    continue;
                }
                other => other?,
            };
            (state.tail, state.newest) = (chunk.tail, chunk.newest);
            let Some(last) = chunk.batches.last() else { break };
            assert!(last.end() <= chunk.tail, "{id}: read above the durable tail");
            next = last.end();
            state.batches.extend(chunk.batches);
        }
        assert_eq!(next, state.tail, "{id}: every position below the tail can be read");
        assert_eq!(shard.tail().expect("it is there").current(), state.tail);
        seen.shards.insert(id, state);
    }
    Ok(seen)
}

pub(super) fn options(disk: &SimDisk, memory_tail_bytes: u64) -> Options {
    Options {
        wal_file_bytes: FILE_BYTES,
        memory_tail_bytes,
        // The clock hurries: time alone flushes nothing.
        flush_after: Duration::MAX,
        ..Options::new(Arc::new(disk.clone()))
    }
}

pub(super) fn open(disk: &SimDisk, memory_tail_bytes: u64) -> Result<Core, OpenError> {
    open_with(&options(disk, memory_tail_bytes)).map(|(core, _)| core)
}

pub(super) fn open_with(options: &Options) -> Result<(Core, RecoveryReport), OpenError> {
    Core::open(options, false, Arc::new(Hurry::default()))
}

/// With a clock that stands still but for the test.
pub(super) fn open_at(options: &Options) -> (Core, Arc<ManualClock>) {
    let clock = ManualClock::at(Timestamp::ZERO);
    (Core::open(options, false, Arc::<ManualClock>::clone(&clock)).unwrap().0, clock)
}

/// With the threads that prewrite and flush: what they do when is not the seed's to say.
pub(super) fn open_threaded(options: &Options) -> Result<(Core, RecoveryReport), OpenError> {
    Core::open(options, true, Arc::new(Hurry::default()))
}

/// An hour goes by from look to look: nothing has to wait for its time.
#[derive(Debug, Default)]
struct Hurry(AtomicU64);

impl Clock for Hurry {
    fn now(&self) -> Timestamp {
        Timestamp::ZERO
    }

    fn monotonic(&self) -> Duration {
        Duration::from_secs(3_600 * self.0.fetch_add(1, Ordering::Relaxed))
    }
}

/// Commit works as one group; what each ticket says.
pub(super) fn commit(core: &mut Core, works: Vec<Work>) -> Vec<Result<Vec<Appended>, AppendError>> {
    let (commands, tickets): (Vec<_>, Vec<_>) = works
        .into_iter()
        .map(|work| {
            let (completion, ticket) = ticket();
            (Command { work, completion, permit: None }, ticket)
        })
        .unzip();
    core.writer.commit(commands);
    tickets.into_iter().map(|ticket| now(ticket.durable())).collect()
}

/// Commit works as one group, all of which must be taken.
pub(super) fn done(core: &mut Core, works: Vec<Work>) {
    let outcomes = commit(core, works);
    assert!(outcomes.iter().all(Result::is_ok), "{outcomes:?}");
}

/// The result of a future that waits for nothing.
fn now<T>(future: impl Future<Output = T>) -> T {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(value) => value,
        Poll::Pending => panic!("a commit completes its tickets before it returns"),
    }
}

pub(super) fn batch(random: &mut Random) -> Batch {
    let mut builder = BatchBuilder::default();
    for _ in 0..=random.below(3) {
        let most = if random.one_in(8) { 7_000 } else { 100 };
        let length = usize::try_from(random.below(most)).unwrap_or(0);
        let byte = random.next().to_le_bytes()[0];
        builder.push(&vec![byte; length]);
    }
    builder.finish(Timestamp::from_millis(random.below(1_000)))
}
