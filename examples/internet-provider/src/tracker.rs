//! Knows of every sign-up whether its offer came: what is put, enriched, waiting, lost or twice there.
//!
//! Memory grows with the sign-ups that wait for their offer only. A finished one needs none: an id holds its number
//! (see [`crate::id`]), so an offer whose number is neither waiting nor new is a duplicate.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use serde::Serialize;
use tokio::time::Instant;

use crate::caps::{MAX_OUTSTANDING, MAX_UNACKNOWLEDGED};
use crate::clock;
use crate::feed::{Feed, Item, Point};
use crate::history::{Latencies, Percentiles, Rate, Sample, Samples};
use crate::id::Run;
use crate::offer::{Offer, Status};
use crate::report::Report;
use crate::sign_up::SignUp;

/// Counts of this run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub(crate) struct Counts {
    /// Acknowledged by the service.
    pub(crate) put: u64,
    /// Of these, with an offer.
    pub(crate) enriched: u64,
    /// Of these, without one as yet.
    pub(crate) waiting: u64,
    /// Of these, without one at the end.
    pub(crate) lost: u64,
    pub(crate) duplicates: u64,
    pub(crate) unserved: u64,
    pub(crate) rejected: u64,
    /// Not acknowledged in spite of retries.
    pub(crate) failed: u64,
    /// Offers of earlier runs.
    pub(crate) earlier: u64,
    /// Records in the stream of offers that are not offers.
    pub(crate) unreadable: u64,
}

/// A part of the application that may be in trouble.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Source {
    Generator,
    Put,
    Read,
}

/// A sign-up without an offer.
#[derive(Debug)]
struct Waiting {
    /// When its first put began.
    since: Instant,
    /// Index of its shard, once it is acknowledged.
    shard: Option<usize>,
}

/// A shard of the sign-ups.
#[derive(Debug)]
struct Shard {
    name: String,
    /// Its acknowledged sign-ups in order; answered ones leave when they get to the front.
    queue: VecDeque<(u64, Instant)>,
    /// The highest age that one of them had when its offer came, in this tick.
    peak: Duration,
}

#[derive(Debug)]
struct Inner {
    waiting: HashMap<u64, Waiting>,
    unacknowledged: VecDeque<u64>,
    /// The first number that was not yet begun.
    next: u64,
    counts: Counts,
    latencies: Latencies,
    shards: Vec<Shard>,
    readers: BTreeMap<String, i64>,
    put_rate: Rate,
    enriched_rate: Rate,
    samples: Samples,
    feed: Feed,
    trouble: BTreeMap<Source, String>,
    first_put: Option<Instant>,
    last_put: Option<Instant>,
}

/// See the module.
#[derive(Debug)]
pub(crate) struct Tracker {
    run: Run,
    start: Instant,
    inner: Mutex<Inner>,
}

/// What the page gets in every tick.
#[derive(Debug, Serialize)]
pub(crate) struct Tick {
    pub(crate) counts: Counts,
    pub(crate) overall: Percentiles,
    pub(crate) sample: Sample,
    /// Shard of the offers and by how many ms the application is behind its end.
    pub(crate) readers: Vec<(String, i64)>,
    pub(crate) items: Vec<Item>,
    pub(crate) points: Vec<Point>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) trouble: Option<String>,
}

impl Tracker {
    pub(crate) fn new(run: Run, start: Instant) -> Self {
        let inner = Inner {
            waiting: HashMap::new(),
            unacknowledged: VecDeque::new(),
            next: 0,
            counts: Counts::default(),
            latencies: Latencies::new(),
            shards: Vec::new(),
            readers: BTreeMap::new(),
            put_rate: Rate::default(),
            enriched_rate: Rate::default(),
            samples: Samples::default(),
            feed: Feed::default(),
            trouble: BTreeMap::new(),
            first_put: None,
            last_put: None,
        };
        Self { run, start, inner: Mutex::new(inner) }
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        // Nothing that holds the lock panics half-way through a change.
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Sign-ups that are about to be put.
    pub(crate) fn begin(&self, sign_ups: &[SignUp], since: Instant) {
        let mut inner = self.lock();
        for sign_up in sign_ups {
            inner.waiting.insert(sign_up.number, Waiting { since, shard: None });
            inner.next = inner.next.max(sign_up.number + 1);
            inner.feed.sign_up(sign_up);
        }
        inner.first_put.get_or_insert(since);
    }

    /// The service has put it into this shard.
    pub(crate) fn acknowledged(&self, number: u64, shard: &str, now: Instant) {
        let mut inner = self.lock();
        let index = inner.shard_index(shard);
        // The offer may be faster than the acknowledgement: then it counted as put already.
        let Some(waiting) = inner.waiting.get_mut(&number) else { return };
        if waiting.shard.replace(index).is_some() {
            return;
        }
        let since = waiting.since;
        inner.counts.put += 1;
        inner.last_put = Some(now);
        inner.remember(index, number, since);
    }

    /// The service did not acknowledge these, as often as they were tried.
    pub(crate) fn failed(&self, numbers: &[u64]) {
        let mut inner = self.lock();
        for number in numbers {
            if inner.waiting.remove(number).is_some() {
                inner.counts.failed += 1;
                inner.feed.withdraw(&self.run.id(*number));
                if inner.unacknowledged.len() >= MAX_UNACKNOWLEDGED {
                    inner.unacknowledged.pop_front();
                }
                inner.unacknowledged.push_back(*number);
            }
        }
    }

    /// An offer was read.
    pub(crate) fn offered(&self, offer: Offer, now: Instant) {
        let mut inner = self.lock();
        let number = offer.sign_up_id.as_deref().and_then(|id| self.run.number(id));
        let Some(number) = number.filter(|number| *number < inner.next) else {
            inner.counts.earlier += 1;
            inner.feed.offered(offer, None);
            return;
        };
        let latency = if let Some(waiting) = inner.waiting.remove(&number) {
            // An offer proves that the sign-up was put, whether or not the acknowledgement is there.
            inner.counts.put += u64::from(waiting.shard.is_none());
            let latency = now.duration_since(waiting.since);
            if let Some(shard) = waiting.shard.and_then(|index| inner.shards.get_mut(index)) {
                shard.peak = shard.peak.max(latency);
            }
            inner.latencies.record(latency);
            latency.as_secs_f64() * 1e3
        } else if let Some(index) = inner.unacknowledged.iter().position(|failed| *failed == number) {
            inner.unacknowledged.remove(index);
            inner.counts.failed -= 1;
            inner.counts.put += 1;
            0.0
        } else {
            inner.counts.duplicates += 1;
            return;
        };
        inner.counts.enriched += 1;
        inner.last_put.get_or_insert(now);
        match offer.status {
            Status::Offered => {}
            Status::Unserved => inner.counts.unserved += 1,
            Status::Rejected => inner.counts.rejected += 1,
        }
        inner.feed.offered(offer, Some(latency));
    }

    /// A record in the stream of offers that is no offer.
    pub(crate) fn unreadable(&self) {
        self.lock().counts.unreadable += 1;
    }

    /// The reader of this shard of the offers is so many ms behind.
    pub(crate) fn reader_at(&self, shard: &str, behind_ms: i64) {
        let mut inner = self.lock();
        match inner.readers.get_mut(shard) {
            Some(behind) => *behind = behind_ms,
            None => drop(inner.readers.insert(shard.to_owned(), behind_ms)),
        }
    }

    /// This shard of the offers is read to its end.
    pub(crate) fn reader_ended(&self, shard: &str) {
        self.lock().readers.remove(shard);
    }

    /// What keeps one of the parts from its work; `None` when it works again.
    pub(crate) fn trouble(&self, source: Source, trouble: Option<String>) {
        let mut inner = self.lock();
        match trouble {
            Some(trouble) => drop(inner.trouble.insert(source, trouble)),
            None => drop(inner.trouble.remove(&source)),
        }
    }

    /// Whether another sign-up may be put, or the answers are too far behind.
    pub(crate) fn has_room(&self) -> bool {
        self.lock().waiting.len() < MAX_OUTSTANDING
    }

    /// Sign-ups that were acknowledged, or may be yet, and have no offer.
    pub(crate) fn outstanding(&self) -> usize {
        self.lock().waiting.len()
    }

    pub(crate) fn counts(&self) -> Counts {
        self.lock().counts()
    }

    /// Moves on by one tick: what happened since the last one.
    pub(crate) fn tick(&self, now: Instant) -> Tick {
        let at = now.duration_since(self.start).as_secs_f64();
        let mut guard = self.lock();
        let inner = &mut *guard;
        let counts = inner.counts();
        let sample = Sample {
            t: clock::now_ms(),
            put: inner.put_rate.tick(at, counts.put),
            enriched: inner.enriched_rate.tick(at, counts.enriched),
            latency: inner.latencies.tick(),
            ages: inner.ages(now),
        };
        inner.samples.push(sample.clone());
        let (items, points) = inner.feed.drain();
        let overall = inner.latencies.overall();
        let readers = inner.readers.iter().map(|(shard, behind)| (shard.clone(), *behind)).collect();
        let trouble = inner.trouble.values().next().cloned();
        Tick { counts, overall, sample, readers, items, points, trouble }
    }

    /// Everything that a newly opened page shows: the points of the plots and the list.
    pub(crate) fn so_far(&self) -> (Vec<Sample>, Vec<Item>) {
        let inner = self.lock();
        (inner.samples.all(), inner.feed.all())
    }

    /// The end: what is acknowledged and has no offer now is lost.
    pub(crate) fn report(&self) -> Report {
        let mut inner = self.lock();
        let counts = inner.counts();
        inner.counts.lost = counts.waiting;
        let overall = inner.latencies.overall();
        let time =
            inner.first_put.zip(inner.last_put).map_or(0.0, |(a, b)| b.duration_since(a).as_secs_f64());
        let put = f64::from(u32::try_from(counts.put).unwrap_or(u32::MAX));
        Report {
            put: counts.put,
            enriched: counts.enriched,
            lost: counts.waiting,
            duplicates: counts.duplicates,
            unserved: counts.unserved,
            rejected: counts.rejected,
            failed_puts: counts.failed,
            seconds: time,
            records_per_second: if time > 0.0 { put / time } else { 0.0 },
            p50_ms: overall.p50,
            p90_ms: overall.p90,
            p99_ms: overall.p99,
            max_ms: overall.max,
        }
    }
}

impl Inner {
    /// With `waiting` as it is now. After the end those are counted as lost.
    fn counts(&self) -> Counts {
        let waiting = self.counts.put - self.counts.enriched - self.counts.lost.min(self.counts.put);
        Counts { waiting, ..self.counts }
    }

    fn shard_index(&mut self, name: &str) -> usize {
        let known = self.shards.iter().position(|shard| shard.name == name);
        known.unwrap_or_else(|| {
            self.shards.push(Shard { name: name.to_owned(), queue: VecDeque::new(), peak: Duration::ZERO });
            self.shards.len() - 1
        })
    }

    fn remember(&mut self, shard: usize, number: u64, since: Instant) {
        let queue = &mut self.shards[shard].queue;
        queue.push_back((number, since));
        // One unanswered sign-up at the front must not keep all the answered ones behind it.
        if queue.len() > 2 * self.waiting.len() + 1024 {
            queue.retain(|(number, _)| self.waiting.contains_key(number));
        }
    }

    /// By shard, the highest age in ms of an unanswered sign-up since the last call.
    fn ages(&mut self, now: Instant) -> Vec<(String, f64)> {
        let waiting = &self.waiting;
        let age = |shard: &mut Shard| {
            while shard.queue.front().is_some_and(|(number, _)| !waiting.contains_key(number)) {
                shard.queue.pop_front();
            }
            let oldest = shard.queue.front().map_or(Duration::ZERO, |(_, since)| now.duration_since(*since));
            let highest = oldest.max(std::mem::take(&mut shard.peak));
            (shard.name.clone(), highest.as_secs_f64() * 1e3)
        };
        self.shards.iter_mut().map(age).collect()
    }
}

#[cfg(test)]
mod tests;
