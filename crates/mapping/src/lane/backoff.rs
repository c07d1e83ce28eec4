use crate::caps;
use millstream_host::entropy;
use std::time::Duration;

/// How long to wait before a batch is tried again: doubling from half a second to a minute, with full jitter.
///
/// AWS documents no schedule. It delivered eight times within 60 s in the one recording there is, which fits.
#[derive(Debug, Default)]
pub(super) struct Backoff {
    failures: u32,
}

impl Backoff {
    /// The pause after one more failure.
    pub(super) fn next(&mut self) -> Duration {
        let longest = self.ceiling();
        self.failures = self.failures.saturating_add(1);
        part_of(longest)
    }

    /// Start over: the next failure would be of another cause.
    pub(super) fn reset(&mut self) {
        self.failures = 0;
    }

    fn ceiling(&self) -> Duration {
        let factor = 1_u32.checked_shl(self.failures).unwrap_or(u32::MAX);
        caps::FIRST_PAUSE.saturating_mul(factor).min(caps::LONGEST_PAUSE)
    }
}

/// A random part of a time, in milliseconds, the whole included.
pub(super) fn part_of(longest: Duration) -> Duration {
    let millis = u64::try_from(longest.as_millis()).unwrap_or(u64::MAX - 1);
    Duration::from_millis(entropy::u64() % (millis + 1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_ceiling_doubles_up_to_a_minute_and_starts_over() {
        let mut backoff = Backoff::default();
        let mut ceilings = Vec::new();
        for _ in 0..40 {
            let ceiling = backoff.ceiling();
            assert!(backoff.next() <= ceiling);
            ceilings.push(ceiling.as_millis());
        }
        assert_eq!(ceilings[..9], [500, 1_000, 2_000, 4_000, 8_000, 16_000, 32_000, 60_000, 60_000]);
        assert_eq!(ceilings[39], 60_000);
        backoff.reset();
        assert_eq!(backoff.ceiling(), caps::FIRST_PAUSE);
    }
}
