//! The time that retention goes by.

use crate::caps;
use millstream_host::Clock;
use millstream_types::Timestamp;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

/// The time that retention goes by: the wall clock, but a jump of it forward counts only after it has lasted.
///
/// What has expired is gone for good, so a clock that is set a year ahead by mistake must not decide that. Going back,
/// or standing still, only keeps records longer.
#[derive(Debug)]
pub(crate) struct SteadyTime {
    baseline: Mutex<Baseline>,
}

#[derive(Clone, Copy, Debug)]
struct Baseline {
    wall: Timestamp,
    monotonic: Duration,
    /// When the wall clock was first seen ahead of where it should be.
    ahead_since: Option<Duration>,
}

impl SteadyTime {
    pub(crate) fn new(clock: &dyn Clock) -> Self {
        let baseline = Baseline { wall: clock.now(), monotonic: clock.monotonic(), ahead_since: None };
        Self { baseline: Mutex::new(baseline) }
    }

    pub(crate) fn now(&self, clock: &dyn Clock) -> Timestamp {
        let (wall, monotonic) = (clock.now(), clock.monotonic());
        let mut baseline = self.baseline.lock().unwrap_or_else(PoisonError::into_inner);
        let passed = monotonic.saturating_sub(baseline.monotonic).as_millis();
        let expected = baseline.wall.plus_millis(u64::try_from(passed).unwrap_or(u64::MAX));
        if wall.millis_since(expected) <= caps::CLOCK_JUMP_MILLIS {
            *baseline = Baseline { wall, monotonic, ahead_since: None };
            return wall;
        }
        let since = *baseline.ahead_since.get_or_insert_with(|| {
            tracing::warn!(%wall, %expected, "the clock jumped ahead; retention waits until that has lasted an hour");
            monotonic
        });
        if monotonic.saturating_sub(since) >= caps::CLOCK_SETTLES {
            *baseline = Baseline { wall, monotonic, ahead_since: None };
            return wall;
        }
        expected
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use millstream_host::clock::ManualClock;
    use std::sync::Arc;

    #[derive(Debug)]
    struct TwoClocks {
        wall: Arc<ManualClock>,
        monotonic: Arc<ManualClock>,
    }

    impl Clock for TwoClocks {
        fn now(&self) -> Timestamp {
            self.wall.now()
        }

        fn monotonic(&self) -> Duration {
            self.monotonic.monotonic()
        }
    }

    #[test]
    fn a_clock_that_jumps_ahead_expires_nothing_until_it_has_lasted() {
        let clock =
            TwoClocks { wall: ManualClock::at(Timestamp::ZERO), monotonic: ManualClock::at(Timestamp::ZERO) };
        let pass = |millis| {
            clock.wall.advance_millis(millis);
            clock.monotonic.advance_millis(millis);
        };
        let time = SteadyTime::new(&clock);
        pass(86_400_000);
        assert_eq!(
            time.now(&clock),
            clock.now(),
            "time that really passes counts, however long nobody looked"
        );
        let before = clock.now();
        clock.wall.advance_millis(365 * 86_400_000);
        assert_eq!(time.now(&clock), before);
        pass(60_000);
        assert_eq!(time.now(&clock), before.plus_millis(60_000));
        pass(3_600_000);
        assert_eq!(time.now(&clock), clock.now(), "a clock that was wrong before is believed after an hour");
    }
}
