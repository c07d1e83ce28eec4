//! What is counted: plain atomics, so that a request that counts waits for nobody.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

#[derive(Debug, Default)]
pub struct Counter(AtomicU64);

impl Counter {
    pub fn add(&self, count: u64) {
        self.0.fetch_add(count, Relaxed);
    }

    pub fn get(&self) -> u64 {
        self.0.load(Relaxed)
    }
}

/// Values and how many there were: `CloudWatch`'s Sum and `SampleCount`, whose quotient is its Average.
#[derive(Debug, Default)]
pub struct Samples {
    pub sum: Counter,
    pub count: Counter,
}

impl Samples {
    pub fn add(&self, value: u64) {
        self.sum.add(value);
        self.count.add(1);
    }
}

/// The greatest of the values of this minute and of the one before: `CloudWatch`'s Maximum over its shortest period.
#[derive(Debug, Default)]
pub struct Greatest {
    /// One for even minutes and one for odd ones: the minute above, the value below, so that the greatest of a newer minute
    /// replaces whatever an older one had. A minute is counted from 1.
    slots: [AtomicU64; 2],
}

/// Enough for two years of milliseconds, which no record is kept for, and for five hundred years of minutes beside them.
const VALUE_BITS: u32 = 36;

impl Greatest {
    pub fn add(&self, minute: u64, value: u64) {
        let minute = minute + 1;
        let value = value.min((1 << VALUE_BITS) - 1);
        self.slots[usize::from(minute % 2 == 1)].fetch_max(minute << VALUE_BITS | value, Relaxed);
    }

    /// Nothing if there were no values.
    pub fn get(&self, minute: u64) -> Option<u64> {
        let slots = self.slots.iter().map(|slot| slot.load(Relaxed));
        let fresh = slots.filter(|slot| *slot != 0 && slot >> VALUE_BITS >= minute);
        fresh.map(|slot| slot & ((1 << VALUE_BITS) - 1)).max()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_greatest_of_two_minutes_counts() {
        let greatest = Greatest::default();
        assert_eq!(greatest.get(0), None);
        greatest.add(0, 7);
        greatest.add(0, 5);
        assert_eq!((greatest.get(0), greatest.get(1), greatest.get(2)), (Some(7), Some(7), None));
        greatest.add(1, 0);
        assert_eq!((greatest.get(1), greatest.get(2), greatest.get(3)), (Some(7), Some(0), None));
        greatest.add(2, 3);
        assert_eq!(greatest.get(2), Some(3));
        greatest.add(30_000_000, 1);
        assert_eq!(greatest.get(30_000_000), Some(1));
        greatest.add(30_000_001, u64::MAX);
        assert_eq!(greatest.get(30_000_001), Some((1 << 36) - 1));
    }
}
