use crate::plan::Plan;
use millstream_control::Mapping;
use millstream_types::{LogShard, SequenceNumber, ShardId, Timestamp};
use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::Notify;

pub(crate) const NOTHING_YET: &str = "No records processed";
pub(crate) const OK: &str = "OK";

/// What one lane does, for metrics and for whoever asks why a shard is stuck. Counts start with the lane.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LaneStatus {
    /// The mapping's UUID.
    pub mapping: String,
    pub stream: String,
    /// The function's name.
    pub function: String,
    pub shard: ShardId,
    /// The age of the oldest record that was read and is not processed, in milliseconds; 0 when all is processed.
    pub iterator_age_ms: u64,
    /// How often the function has failed on the batch in hand.
    pub attempt: u32,
    /// When the batch in hand failed, or could not be given to the function, for the first time.
    pub blocked_since: Option<Timestamp>,
    /// The first record of the batch that blocks.
    pub blocked_at: Option<SequenceNumber>,
    /// What it failed of last.
    pub last_error: Option<String>,
    /// Records processed.
    pub records: u64,
    /// Records that expired before the function took them.
    pub expired: u64,
    /// Records that no filter let pass.
    pub filtered: u64,
    /// Records given up: too often tried, or older than the mapping wants.
    pub given_up: u64,
    /// Times that the on-failure destination did not take what it was told.
    pub destination_errors: u64,
    pub invocations: u64,
    /// Invocations that failed.
    pub errors: u64,
    /// Times that the batch could not be given to the function.
    pub not_run: u64,
}

/// What the mappings show of themselves.
#[derive(Debug, Default)]
pub(crate) struct Board {
    results: Mutex<HashMap<String, String>>,
    lanes: Mutex<BTreeMap<LaneKey, Arc<Mutex<Progress>>>>,
    changed: Notify,
}

/// A mapping's UUID, a shard, and which of its lanes.
type LaneKey = (String, LogShard, u32);

#[derive(Debug)]
pub(crate) struct Progress {
    status: LaneStatus,
    oldest: Option<Timestamp>,
}

/// Each critical section leaves its value whole, so a panic elsewhere does not make it unusable.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Board {
    /// Show a mapping, with what is remembered of its last batch.
    pub(crate) fn open(&self, mapping: &Mapping) {
        let mut results = lock(&self.results);
        if !results.contains_key(&mapping.uuid) {
            let last = mapping.last_result.clone().unwrap_or_else(|| NOTHING_YET.into());
            results.insert(mapping.uuid.clone(), last);
        }
    }

    pub(crate) fn forget(&self, mapping: &str) {
        lock(&self.results).remove(mapping);
    }

    pub(crate) fn result(&self, mapping: &str) -> Option<String> {
        lock(&self.results).get(mapping).cloned()
    }

    /// Set the last result. One of a mapping that was forgotten meanwhile is not kept.
    pub(crate) fn set_result(&self, mapping: &str, result: &str) {
        if let Some(last) = lock(&self.results).get_mut(mapping)
            && last != result
        {
            result.clone_into(last);
            self.changed.notify_one();
        }
    }

    /// Wait until a last result has changed since somebody waited.
    pub(crate) async fn changed(&self) {
        self.changed.notified().await;
    }

    /// Every mapping's last result.
    pub(crate) fn results(&self) -> Vec<(String, String)> {
        lock(&self.results).iter().map(|(mapping, result)| (mapping.clone(), result.clone())).collect()
    }

    pub(crate) fn problem(&self, mapping: &str, problem: &str) {
        self.set_result(mapping, &format!("PROBLEM: {problem}"));
    }

    pub(crate) fn lane(self: &Arc<Self>, plan: &Plan, number: u32) -> LaneBoard {
        let status = LaneStatus {
            mapping: plan.mapping.uuid.clone(),
            stream: plan.stream.name.clone(),
            function: plan.mapping.settings.function.clone(),
            shard: plan.shard.id,
            iterator_age_ms: 0,
            attempt: 0,
            blocked_since: None,
            blocked_at: None,
            last_error: None,
            records: 0,
            expired: 0,
            filtered: 0,
            given_up: 0,
            destination_errors: 0,
            invocations: 0,
            errors: 0,
            not_run: 0,
        };
        let progress = Arc::new(Mutex::new(Progress { status, oldest: None }));
        let key = (plan.mapping.uuid.clone(), plan.shard.log, number);
        lock(&self.lanes).insert(key.clone(), progress.clone());
        LaneBoard { board: self.clone(), key, progress }
    }

    /// All shards that are read, by mapping. What the lanes of one do is taken together.
    pub(crate) fn statuses(&self, now: Timestamp) -> Vec<LaneStatus> {
        let lanes: Vec<_> = lock(&self.lanes).values().cloned().collect();
        let mut statuses: Vec<LaneStatus> = Vec::new();
        for lane in &lanes {
            let progress = lock(lane);
            let age = progress.oldest.map_or(0, |oldest| now.millis_since(oldest));
            let status = LaneStatus { iterator_age_ms: age, ..progress.status.clone() };
            match statuses.last_mut() {
                Some(last) if last.mapping == status.mapping && last.shard == status.shard => {
                    last.add(status);
                }
                _ => statuses.push(status),
            }
        }
        statuses
    }
}

impl LaneStatus {
    /// Take in another lane of the same shard. The one that has been blocked for longest is what is shown.
    fn add(&mut self, other: Self) {
        self.iterator_age_ms = self.iterator_age_ms.max(other.iterator_age_ms);
        self.records += other.records;
        self.expired += other.expired;
        self.filtered += other.filtered;
        self.given_up += other.given_up;
        self.destination_errors += other.destination_errors;
        self.invocations += other.invocations;
        self.errors += other.errors;
        self.not_run += other.not_run;
        let since = |status: &Self| status.blocked_since.unwrap_or(Timestamp::from_millis(u64::MAX));
        if since(&other) < since(self) {
            self.attempt = other.attempt;
            self.blocked_since = other.blocked_since;
            self.blocked_at = other.blocked_at;
            self.last_error = other.last_error;
        }
    }
}

/// A lane's place on the board, which goes when the lane does.
#[derive(Debug)]
pub(crate) struct LaneBoard {
    board: Arc<Board>,
    key: LaneKey,
    progress: Arc<Mutex<Progress>>,
}

impl LaneBoard {
    pub(crate) fn problem(&self, problem: &str) {
        self.board.problem(&self.key.0, problem);
    }

    pub(crate) fn function(&self, name: &str) {
        name.clone_into(&mut lock(&self.progress).status.function);
    }

    /// The arrival of the oldest record in hand; `None` when there is none.
    pub(crate) fn oldest(&self, arrival: Option<Timestamp>) {
        lock(&self.progress).oldest = arrival;
    }

    pub(crate) fn expired(&self, records: u64) {
        lock(&self.progress).status.expired += records;
    }

    pub(crate) fn filtered(&self, records: u64) {
        lock(&self.progress).status.filtered += records;
    }

    pub(crate) fn given_up(&self, records: u64) {
        lock(&self.progress).status.given_up += records;
    }

    pub(crate) fn destination_failed(&self) {
        lock(&self.progress).status.destination_errors += 1;
    }

    pub(crate) fn invoked(&self) {
        lock(&self.progress).status.invocations += 1;
    }

    pub(crate) fn processed(&self, records: u64) {
        self.unblocked();
        lock(&self.progress).status.records += records;
        self.board.set_result(&self.key.0, OK);
    }

    /// The batch in hand is given up or done.
    pub(crate) fn unblocked(&self) {
        let status = &mut lock(&self.progress).status;
        (status.attempt, status.blocked_since, status.blocked_at, status.last_error) = (0, None, None, None);
    }

    /// The batch failed, for the `attempt`-th time, or was not run.
    pub(crate) fn blocked(&self, block: &Block<'_>) {
        let status = &mut lock(&self.progress).status;
        status.attempt = block.attempt;
        status.blocked_since.get_or_insert(block.now);
        status.blocked_at = Some(block.first);
        status.last_error = Some(block.error.to_owned());
        if block.ran {
            status.errors += 1;
        } else {
            status.not_run += 1;
        }
    }
}

/// A failure to show.
#[derive(Debug)]
pub(crate) struct Block<'a> {
    pub(crate) now: Timestamp,
    pub(crate) attempt: u32,
    pub(crate) first: SequenceNumber,
    pub(crate) error: &'a str,
    pub(crate) ran: bool,
}

impl Drop for LaneBoard {
    fn drop(&mut self) {
        lock(&self.board.lanes).remove(&self.key);
    }
}
