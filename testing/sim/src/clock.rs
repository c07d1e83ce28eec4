use millstream_host::Clock;
use millstream_types::Timestamp;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// When every simulation begins: 14 November 2023, 22:13:20 UTC.
const BEGIN: u64 = 1_700_000_000_000;

/// The simulated machine's clock. Its wall clock can be set forward and back, as an administrator or NTP may do.
#[derive(Debug, Default)]
pub(crate) struct SimClock {
    /// Added to the wall clock, in milliseconds.
    ahead: AtomicU64,
    /// The time that was told last, in microseconds, and how often.
    told: AtomicU64,
    times: AtomicU64,
}

/// Simulated time stands still while a task runs, so a task that never waits would hang the simulation.
const TIMES: u64 = 200_000;

impl SimClock {
    /// Set the wall clock further ahead than it is.
    pub(crate) fn move_ahead(&self, by: Duration) {
        self.ahead.fetch_add(u64::try_from(by.as_millis()).unwrap_or(u64::MAX), Ordering::Relaxed);
    }

    /// The wall clock, in milliseconds.
    pub(crate) fn wall(&self) -> u64 {
        self.now().millis()
    }

    /// Set the wall clock so far ahead of the time that passed.
    pub(crate) fn set_ahead(&self, ahead: Duration) {
        self.ahead.store(u64::try_from(ahead.as_millis()).unwrap_or(u64::MAX), Ordering::Relaxed);
    }
}

impl Clock for SimClock {
    fn now(&self) -> Timestamp {
        let passed = u64::try_from(self.monotonic().as_millis()).unwrap_or(u64::MAX);
        Timestamp::from_millis(BEGIN + passed + self.ahead.load(Ordering::Relaxed))
    }

    fn monotonic(&self) -> Duration {
        let now = turmoil::sim_elapsed().unwrap_or_default();
        let micros = u64::try_from(now.as_micros()).unwrap_or(u64::MAX);
        if self.told.swap(micros, Ordering::Relaxed) != micros {
            self.times.store(0, Ordering::Relaxed);
        }
        let times = self.times.fetch_add(1, Ordering::Relaxed);
        assert!(times < TIMES, "some task spins: it asked for the time {TIMES} times at one moment");
        now
    }
}
