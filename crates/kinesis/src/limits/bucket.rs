//! Token buckets, exact: whole tokens and nanoseconds.

use crate::caps;
use std::collections::HashMap;
use std::hash::Hash;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

const NANOS: i128 = 1_000_000_000;

/// How often the full buckets are looked for, at most.
const PRUNE: Duration = Duration::from_secs(1);

/// Tokens in a second. A bucket holds one second's worth.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Rate(pub(crate) u64);

impl Rate {
    fn full(self) -> i128 {
        i128::from(self.0) * NANOS
    }
}

/// What is left of a rate.
#[derive(Clone, Copy, Debug)]
struct Bucket {
    rate: Rate,
    /// Tokens, in billionths: each nanosecond brings `rate` of them. Below zero after more was taken than there was.
    level: i128,
    at: Duration,
}

impl Bucket {
    fn new(rate: Rate, now: Duration) -> Self {
        Self { rate, level: rate.full(), at: now }
    }

    fn fill(&mut self, now: Duration) {
        let passed = i128::try_from(now.saturating_sub(self.at).as_nanos()).unwrap_or(i128::MAX / (1 << 70));
        self.level = self.level.saturating_add(passed * i128::from(self.rate.0)).min(self.rate.full());
        self.at = self.at.max(now);
    }

    fn is_full(&self) -> bool {
        self.level >= self.rate.full()
    }

    /// What is larger than the bucket wants it full, and is paid off afterwards: the rate holds over time.
    fn has(&self, tokens: u64) -> bool {
        self.level >= (i128::from(tokens) * NANOS).min(self.rate.full())
    }

    fn take(&mut self, tokens: u64) {
        self.level -= i128::from(tokens) * NANOS;
    }
}

/// The buckets of one kind of thing. A full one is as good as none, and is let go.
#[derive(Debug)]
pub(crate) struct Buckets<K>(Mutex<Inner<K>>);

#[derive(Debug)]
struct Inner<K> {
    buckets: HashMap<K, Bucket>,
    pruned: Duration,
}

impl<K> Default for Buckets<K> {
    fn default() -> Self {
        Self(Mutex::new(Inner { buckets: HashMap::new(), pruned: Duration::ZERO }))
    }
}

impl<K: Hash + Eq> Inner<K> {
    /// The bucket as it is now. `None` if there are too many to have another.
    fn bucket(&mut self, key: K, rate: Rate, now: Duration) -> Option<&mut Bucket> {
        if now.saturating_sub(self.pruned) >= PRUNE {
            self.pruned = now;
            self.buckets.retain(|_, bucket| {
                bucket.fill(now);
                !bucket.is_full()
            });
        }
        if self.buckets.len() >= caps::BUCKETS && !self.buckets.contains_key(&key) {
            return None;
        }
        let bucket = self.buckets.entry(key).or_insert_with(|| Bucket::new(rate, now));
        bucket.fill(now);
        Some(bucket)
    }
}

impl<K: Hash + Eq + Clone> Buckets<K> {
    fn with<T>(&self, act: impl FnOnce(&mut Inner<K>) -> T) -> T {
        // A bucket is a number: a panic elsewhere leaves nothing half done.
        act(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Take all of what is wanted, or nothing of it: the place of a want that is not to be had.
    pub(crate) fn take<const N: usize>(
        &self,
        now: Duration,
        wants: [Option<(K, Rate, u64)>; N],
    ) -> Result<(), usize> {
        self.with(|inner| {
            for (place, (key, rate, tokens)) in
                wants.iter().enumerate().filter_map(|(p, w)| Some((p, w.as_ref()?)))
            {
                let has = inner.bucket(key.clone(), *rate, now).is_some_and(|bucket| bucket.has(*tokens));
                if !has {
                    return Err(place);
                }
            }
            for (key, rate, tokens) in wants.into_iter().flatten() {
                if let Some(bucket) = inner.bucket(key, rate, now) {
                    bucket.take(tokens);
                }
            }
            Ok(())
        })
    }

    /// Take what turned out to be needed, be it there or not. What is more than a second's worth takes all of the time
    /// that it is worth, whatever was saved up.
    pub(crate) fn owe(&self, now: Duration, key: K, rate: Rate, tokens: u64) {
        self.with(|inner| {
            if let Some(bucket) = inner.bucket(key, rate, now) {
                if tokens > rate.0 {
                    bucket.level = bucket.level.min(0);
                }
                bucket.take(tokens);
            }
        });
    }

    /// Take what was needed, and say how long it is until nothing is owed any more.
    pub(crate) fn pace(&self, now: Duration, key: K, rate: Rate, tokens: u64) -> Duration {
        self.with(|inner| {
            let Some(bucket) = inner.bucket(key, rate, now) else { return Duration::ZERO };
            bucket.take(tokens);
            let owed = u128::try_from(-bucket.level).unwrap_or(0);
            let nanos = owed.div_ceil(u128::from(rate.0.max(1)));
            Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX))
        })
    }

    #[cfg(test)]
    fn len(&self) -> usize {
        self.with(|inner| inner.buckets.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RATE: Rate = Rate(5);

    fn millis(millis: u64) -> Duration {
        Duration::from_millis(millis)
    }

    #[test]
    fn a_bucket_gives_its_rate_and_not_one_more() {
        let buckets = Buckets::default();
        let take = |at| buckets.take(millis(at), [Some(("k", RATE, 1))]).is_ok();
        assert_eq!((0..7).map(|_| take(0)).filter(|taken| *taken).count(), 5);
        assert!(!take(199) && take(200) && !take(200));
        // Over any time that begins with an empty bucket: exactly the rate.
        let taken = (201..=20_200).filter(|at| take(*at)).count();
        assert_eq!(taken, 100);
    }

    #[test]
    fn all_or_nothing_is_taken() {
        let buckets = Buckets::default();
        let take = |bytes| {
            buckets.take(millis(0), [Some(("bytes", Rate(100), bytes)), Some(("records", Rate(3), 1))])
        };
        assert_eq!(take(60), Ok(()));
        assert_eq!(take(41), Err(0));
        assert_eq!((take(20), take(20)), (Ok(()), Ok(())), "what was refused cost nothing");
        assert_eq!(take(0), Err(1));
        assert_eq!(buckets.take(millis(0), [None::<(&str, Rate, u64)>]), Ok(()));
    }

    #[test]
    fn what_is_larger_than_a_second_is_paid_off() {
        let buckets = Buckets::default();
        let take = |at, tokens| buckets.take(millis(at), [Some(("k", Rate(10), tokens))]).is_ok();
        assert!(take(0, 50), "the bucket is full");
        assert!(!take(4_099, 1) && take(4_100, 1));
        assert!(!take(4_200, 11), "it is not full");
        assert!(take(5_100, 11));
    }

    #[test]
    fn debts_take_their_time() {
        let buckets = Buckets::default();
        let open = |at| buckets.take(millis(at), [Some(("k", Rate(10), 1))]).is_ok();
        buckets.owe(millis(0), "k", Rate(10), 50);
        assert!(!open(5_099) && open(5_100));
        let pace = |tokens| buckets.pace(millis(10_000), "p", Rate(10), tokens);
        assert_eq!((pace(10), pace(5), pace(1)), (millis(0), millis(500), millis(600)));
    }

    #[test]
    fn full_buckets_are_let_go_and_there_is_a_limit_to_the_rest() {
        let buckets = Buckets::default();
        for key in 0..caps::BUCKETS + 10 {
            let taken = buckets.take(millis(0), [Some((key, RATE, 1))]);
            assert_eq!(taken.is_ok(), key < caps::BUCKETS);
        }
        assert_eq!(buckets.len(), caps::BUCKETS);
        assert!(buckets.take(millis(2_000), [Some((caps::BUCKETS, RATE, 1))]).is_ok());
        assert_eq!(buckets.len(), 1);
    }
}
