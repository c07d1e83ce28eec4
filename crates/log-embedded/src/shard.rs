use crate::caps;
use crate::index::{Index, Place};
use millstream_log::{ReadError, ReadLimit, StoredBatch, TailSender, TailWatch};
use millstream_types::{LogShard, Position, Timestamp};
use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};

/// A shard as readers see it: durable records only. The writer publishes, readers look; both hold the lock briefly.
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
    index: Index,
    /// The newest batches of `index`, as many as the memory tail has room for.
    recent: VecDeque<StoredBatch>,
    /// Made for the first follower, so that an idle shard costs no watch.
    watch: Option<TailSender>,
}

/// Where a batch of a read comes from.
#[derive(Debug)]
pub(crate) enum Source {
    Memory(StoredBatch),
    Disk(Place),
}

/// What a read will return, decided under the shard's lock and fetched without it.
#[derive(Debug)]
pub(crate) struct Plan {
    pub(crate) sources: Vec<Source>,
    pub(crate) tail: Position,
    pub(crate) newest: Option<Timestamp>,
}

/// What a batch counts for in the memory tail.
pub(crate) fn memory_cost(stored: &StoredBatch) -> u64 {
    stored.batch.body.len() as u64 + caps::BATCH_OVERHEAD
}

impl Shard {
    pub(crate) fn new(id: LogShard) -> Arc<Self> {
        Arc::new(Self { id, state: Mutex::default() })
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // Every critical section leaves the state whole, so a panic elsewhere does not make it unusable.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Batches became durable, and the shard may have been trimmed. Returns the bytes that left the memory tail.
    pub(crate) fn publish(
        &self,
        batches: impl IntoIterator<Item = (Place, Option<StoredBatch>)>,
        earliest: Position,
    ) -> u64 {
        let mut state = self.lock();
        for (place, stored) in batches {
            state.tail = place.end();
            state.newest = Some(place.timestamp);
            state.index.push(place);
            state.recent.extend(stored);
        }
        let freed = if earliest > state.earliest { state.trim(earliest) } else { 0 };
        if let Some(watch) = &state.watch {
            watch.advance(state.tail);
        }
        freed
    }

    /// Forget everything: the shard was dropped. Returns the bytes that left the memory tail.
    pub(crate) fn end(&self) -> u64 {
        let ended = State { ended: true, ..State::default() };
        let state = std::mem::replace(&mut *self.lock(), ended);
        state.recent.iter().map(memory_cost).sum()
    }

    /// Let go of the batch at `first` if it is the oldest in memory. Returns the bytes that left the memory tail.
    pub(crate) fn evict(&self, first: Position) -> u64 {
        let mut state = self.lock();
        if state.recent.front().is_some_and(|stored| stored.first == first) {
            return state.recent.pop_front().as_ref().map_or(0, memory_cost);
        }
        0
    }

    pub(crate) fn tail(&self) -> Result<TailWatch, ReadError> {
        let mut state = self.lock();
        if state.ended {
            return Err(ReadError::NoSuchShard(self.id));
        }
        let tail = state.tail;
        Ok(state.watch.get_or_insert_with(|| TailSender::new(tail)).watch())
    }

    pub(crate) fn seek_time(&self, at: Timestamp) -> Result<Position, ReadError> {
        let state = self.lock();
        if state.ended {
            return Err(ReadError::NoSuchShard(self.id));
        }
        Ok(state.index.at_or_after(at).unwrap_or(state.tail).max(state.earliest))
    }

    pub(crate) fn plan(&self, from: Position, limit: ReadLimit) -> Result<Plan, ReadError> {
        let state = self.lock();
        if state.ended {
            return Err(ReadError::NoSuchShard(self.id));
        }
        if from < state.earliest {
            return Err(ReadError::Trimmed { earliest: state.earliest });
        }
        let in_memory_from = state.index.len() - state.recent.len();
        let start = state.index.holding(from);
        let (mut records, mut bytes) = (0_usize, 0_usize);
        let byte_limit = limit.bytes.min(caps::READ_BYTES);
        let mut sources = Vec::new();
        for (number, place) in (start..).zip(state.index.range_from(start)) {
            if records > 0 && (records >= limit.records || bytes >= byte_limit) {
                break;
            }
            records += place.count as usize;
            bytes += place.length as usize;
            let recent = number.checked_sub(in_memory_from).and_then(|number| state.recent.get(number));
            sources.push(recent.map_or(Source::Disk(*place), |stored| Source::Memory(stored.clone())));
        }
        Ok(Plan { sources, tail: state.tail, newest: state.newest })
    }
}

impl State {
    fn trim(&mut self, earliest: Position) -> u64 {
        self.earliest = earliest;
        self.index.trim(earliest);
        let gone = self.recent.partition_point(|stored| stored.end() <= earliest);
        self.recent.drain(..gone).map(|stored| memory_cost(&stored)).sum()
    }
}

/// All shards, by number.
#[derive(Debug, Default)]
pub(crate) struct Shards {
    map: RwLock<HashMap<LogShard, Arc<Shard>>>,
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

    /// Apply changes in order. Returns the bytes that left the memory tail.
    pub(crate) fn apply(&self, changes: Vec<Change>) -> u64 {
        if changes.is_empty() {
            return 0;
        }
        let mut map = self.map.write().unwrap_or_else(PoisonError::into_inner);
        let mut freed = 0;
        for change in changes {
            match change {
                Change::Created(shard) => drop(map.insert(shard.id, shard)),
                Change::Dropped(shard) => {
                    map.remove(&shard.id);
                    freed += shard.end();
                }
            }
        }
        freed
    }
}
