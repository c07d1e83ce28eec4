use crate::caps;
use crate::index::{Index, Place};
use crate::runs::{Run, Runs};
use millstream_log::{ReadError, ReadLimit, StoredBatch, TailSender, TailWatch};
use millstream_types::{LogShard, Position, Timestamp};
use rustc_hash::FxHashMap;
use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};

/// A shard as readers see it: durable records only. The writer publishes, the flusher moves batches from the WAL to
/// segments, readers look; all hold the lock briefly.
#[derive(Debug)]
pub(crate) struct Shard {
    pub(crate) id: LogShard,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    ended: bool,
    earliest: Position,
    tail: Position,
    newest: Option<Timestamp>,
    /// What is in segments.
    runs: Runs,
    /// What is in the WAL and in no segment yet.
    index: Index,
    /// The newest batches, as many as the memory tail has room for, whether they are in a segment or not.
    recent: VecDeque<StoredBatch>,
    /// Made for the first follower, so that an idle shard costs no watch.
    watch: Option<TailSender>,
}

/// Where a batch of a read comes from.
#[derive(Clone, Debug)]
pub(crate) enum Source {
    Memory(StoredBatch),
    Wal(Place),
    /// From the batch that holds a position, as many as the read has room for.
    Segment(Run, Position),
}

impl Source {
    /// Whether two reads would go to the same bytes on the disk.
    pub(crate) fn is_same_place(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Wal(a), Self::Wal(b)) => a == b,
            (Self::Segment(a, from), Self::Segment(b, other)) => (a, from) == (b, other),
            _ => false,
        }
    }
}

/// What a read will return, decided under the shard's lock and fetched without it.
#[derive(Debug)]
pub(crate) struct Plan {
    /// From a segment, one that ends the plan; or from the WAL, then from memory.
    pub(crate) sources: Vec<Source>,
    pub(crate) tail: Position,
    pub(crate) newest: Option<Timestamp>,
}

/// What is no longer held after a trim or drop.
#[derive(Debug, Default)]
pub(crate) struct Gone {
    /// Bytes that left the memory tail.
    pub(crate) memory: u64,
    pub(crate) runs: Vec<Run>,
}

/// Where a time is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Sought {
    At(Position),
    /// In this run, whose last batch is at that time or later; never before the position.
    In(Run, Position),
}

/// What a batch counts for in the memory tail.
pub(crate) fn memory_cost(stored: &StoredBatch) -> u64 {
    stored.batch.body.len() as u64 + caps::BATCH_OVERHEAD
}

impl Shard {
    pub(crate) fn new(id: LogShard) -> Arc<Self> {
        Arc::new(Self { id, state: Mutex::default() })
    }

    /// A shard of which a checkpoint says how far it had come.
    pub(crate) fn restored(
        id: LogShard,
        earliest: Position,
        tail: Position,
        newest: Option<Timestamp>,
    ) -> Arc<Self> {
        Arc::new(Self { id, state: Mutex::new(State { earliest, tail, newest, ..State::default() }) })
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // Every critical section leaves the state whole, so a panic elsewhere does not make it unusable.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Batches became durable, and the shard may have been trimmed.
    pub(crate) fn publish(
        &self,
        batches: impl IntoIterator<Item = (Place, Option<StoredBatch>)>,
        earliest: Position,
    ) -> Gone {
        let mut state = self.lock();
        for (place, stored) in batches {
            state.tail = place.end();
            state.newest = Some(place.timestamp);
            state.index.push(place);
            state.recent.extend(stored);
        }
        let gone = if earliest > state.earliest { state.trim(earliest) } else { Gone::default() };
        if let Some(watch) = &state.watch {
            watch.advance(state.tail);
        }
        gone
    }

    /// Batches up to the run's end are in a segment now. Returns the run if all of it is gone meanwhile.
    pub(crate) fn flushed(&self, run: Run) -> Option<Run> {
        let mut state = self.lock();
        if state.ended || state.earliest >= run.end() {
            return Some(run);
        }
        state.index.trim(run.end());
        state.runs.push(run);
        None
    }

    /// A run found in a segment at the start. Returns it if all of it is gone.
    pub(crate) fn restore(&self, run: Run) -> Option<Run> {
        let mut state = self.lock();
        if state.earliest >= run.end() {
            return Some(run);
        }
        state.runs.insert(run);
        None
    }

    /// The first position that segments and WAL should have and do not, if there is one.
    pub(crate) fn missing(&self) -> Option<Position> {
        let state = self.lock();
        let mut next = state.earliest;
        for run in state.runs.iter() {
            if run.first > next {
                return Some(next);
            }
            next = run.end();
        }
        let in_wal = state.index.first().map_or(state.tail, |place| place.first);
        (in_wal > next).then_some(next)
    }

    /// Whether a trim to this position ends what a segment has of the shard.
    pub(crate) fn frees_a_run(&self, before: Position) -> bool {
        self.lock().runs.iter().next().is_some_and(|run| run.end() <= before)
    }

    /// The oldest batches from `from` on and below `upto` that are in no segment, as many as a flush takes at a time.
    pub(crate) fn unflushed(&self, from: Position, upto: Position) -> Vec<Source> {
        let state = self.lock();
        if state.ended {
            return Vec::new();
        }
        let limit = ReadLimit { records: usize::MAX, bytes: caps::FLUSH_BYTES };
        let start = state.index.holding(from.max(state.earliest));
        let in_memory = state.recent.partition_point(|stored| stored.end() <= from);
        let mut recent = state.recent.range(in_memory..).peekable();
        let mut taken = Taken::default();
        let mut sources = Vec::new();
        for place in state.index.range_from(start).take(caps::FLUSH_BATCHES) {
            if place.end() > upto || !taken.has_room(limit) {
                break;
            }
            taken.add(place.count, place.length as usize);
            while recent.next_if(|stored| stored.first < place.first).is_some() {}
            let stored = recent.next_if(|stored| stored.first == place.first);
            sources.push(stored.map_or(Source::Wal(*place), |stored| Source::Memory(stored.clone())));
        }
        sources
    }

    /// Forget everything: the shard was dropped.
    pub(crate) fn end(&self) -> Gone {
        let ended = State { ended: true, ..State::default() };
        let state = std::mem::replace(&mut *self.lock(), ended);
        Gone {
            memory: state.recent.iter().map(memory_cost).sum(),
            runs: state.runs.iter().copied().collect(),
        }
    }

    /// Let go of the batches in memory that end here or before. Returns the bytes that left the memory tail.
    pub(crate) fn evict(&self, upto: Position) -> u64 {
        self.lock().let_go(upto)
    }

    pub(crate) fn tail(&self) -> Result<TailWatch, ReadError> {
        let mut state = self.lock();
        if state.ended {
            return Err(ReadError::NoSuchShard(self.id));
        }
        let tail = state.tail;
        Ok(state.watch.get_or_insert_with(|| TailSender::new(tail)).watch())
    }

    pub(crate) fn seek_time(&self, at: Timestamp) -> Result<Sought, ReadError> {
        let state = self.lock();
        if state.ended {
            return Err(ReadError::NoSuchShard(self.id));
        }
        if state.newest.is_none_or(|newest| newest < at) {
            return Ok(Sought::At(state.tail));
        }
        if let Some(run) = state.runs.at_or_after(at) {
            // What is in memory needs no disk.
            let recent = state.recent.front().filter(|stored| stored.batch.timestamp < at);
            if recent.is_none() {
                return Ok(Sought::In(run, state.earliest));
            }
        }
        let in_memory = state.recent.partition_point(|stored| stored.batch.timestamp < at);
        let in_memory = state.recent.get(in_memory).filter(|_| in_memory > 0).map(|stored| stored.first);
        let found = in_memory.or_else(|| state.index.at_or_after(at)).unwrap_or(state.tail);
        Ok(Sought::At(found.max(state.earliest)))
    }

    pub(crate) fn plan(&self, from: Position, limit: ReadLimit) -> Result<Plan, ReadError> {
        let state = self.lock();
        if state.ended {
            return Err(ReadError::NoSuchShard(self.id));
        }
        if from < state.earliest {
            return Err(ReadError::Trimmed { earliest: state.earliest });
        }
        let sources = if from >= state.tail { Vec::new() } else { state.sources(from, limit) };
        Ok(Plan { sources, tail: state.tail, newest: state.newest })
    }
}

/// Counts what a read has taken.
#[derive(Debug, Default)]
struct Taken {
    records: usize,
    bytes: usize,
}

impl Taken {
    /// Whether there is room for more. There is always room for one batch.
    fn has_room(&self, limit: ReadLimit) -> bool {
        self.records == 0 || (self.records < limit.records && self.bytes < limit.bytes)
    }

    fn add(&mut self, count: u32, bytes: usize) {
        self.records += count as usize;
        self.bytes += bytes;
    }
}

impl State {
    fn trim(&mut self, earliest: Position) -> Gone {
        self.earliest = earliest;
        self.index.trim(earliest);
        Gone { memory: self.let_go(earliest), runs: self.runs.trim(earliest) }
    }

    /// Returns the bytes that leave the memory tail.
    fn let_go(&mut self, upto: Position) -> u64 {
        let mut memory = 0;
        while let Some(oldest) = self.recent.pop_front_if(|oldest| oldest.end() <= upto) {
            memory += memory_cost(&oldest);
        }
        memory
    }

    /// From `from`, which is below the tail.
    fn sources(&self, from: Position, limit: ReadLimit) -> Vec<Source> {
        let recent_from = self.recent.front().map_or(self.tail, |stored| stored.first);
        let mut taken = Taken::default();
        let mut sources = Vec::new();
        let mut next = from;
        if from < recent_from {
            let in_wal_from = self.index.first().map_or(self.tail, |place| place.first);
            if from < in_wal_from {
                return self.runs.holding(from).map(|run| Source::Segment(run, from)).into_iter().collect();
            }
            let older = self.index.range_from(self.index.holding(from));
            for place in older.take_while(|place| place.first < recent_from) {
                if !taken.has_room(limit) {
                    return sources;
                }
                taken.add(place.count, place.length as usize);
                sources.push(Source::Wal(*place));
                next = place.end();
            }
        }
        let start = self.recent.partition_point(|stored| stored.end() <= next);
        for stored in self.recent.range(start..) {
            if !taken.has_room(limit) {
                break;
            }
            taken.add(stored.batch.count, stored.batch.body.len());
            sources.push(Source::Memory(stored.clone()));
        }
        sources
    }
}

/// All shards, by number.
#[derive(Debug, Default)]
pub(crate) struct Shards {
    map: RwLock<FxHashMap<LogShard, Arc<Shard>>>,
}

/// A shard that came or went.
#[derive(Debug)]
pub(crate) enum Change {
    Created(Arc<Shard>),
    Dropped(Arc<Shard>),
}

impl Shards {
    pub(crate) fn get(&self, shard: LogShard) -> Result<Arc<Shard>, ReadError> {
        let map = self.map.read().unwrap_or_else(PoisonError::into_inner);
        map.get(&shard).cloned().ok_or(ReadError::NoSuchShard(shard))
    }

    /// The first of these that does not exist.
    pub(crate) fn missing(&self, mut shards: impl Iterator<Item = LogShard>) -> Option<LogShard> {
        let map = self.map.read().unwrap_or_else(PoisonError::into_inner);
        shards.find(|shard| !map.contains_key(shard))
    }

    pub(crate) fn len(&self) -> usize {
        self.map.read().unwrap_or_else(PoisonError::into_inner).len()
    }

    /// Apply changes in order. Returns what those that were dropped held.
    pub(crate) fn apply(&self, changes: Vec<Change>) -> Vec<(LogShard, Gone)> {
        if changes.is_empty() {
            return Vec::new();
        }
        let mut map = self.map.write().unwrap_or_else(PoisonError::into_inner);
        let mut gone = Vec::new();
        for change in changes {
            match change {
                Change::Created(shard) => drop(map.insert(shard.id, shard)),
                Change::Dropped(shard) => {
                    map.remove(&shard.id);
                    gone.push((shard.id, shard.end()));
                }
            }
        }
        gone
    }
}
