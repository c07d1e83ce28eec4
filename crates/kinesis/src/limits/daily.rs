//! How often something may be done to a stream in 24 hours. Counted in memory: a restart forgets it.

use crate::Kinesis;
use crate::error::Failure;
use crate::limits::quotas::{Turn, exceeded};
use crate::limits::settings;
use millstream_control::{State, Stream};
use millstream_types::Timestamp;
use std::collections::{HashMap, VecDeque};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

const DAY: Duration = Duration::from_hours(24);

/// What is counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Daily {
    ModeUpdate,
    EncryptionStart,
    EncryptionStop,
}

impl Daily {
    fn limit(self) -> &'static str {
        match self {
            Self::ModeUpdate => settings::MODE_UPDATES,
            Self::EncryptionStart => settings::ENCRYPTION_STARTS,
            Self::EncryptionStop => settings::ENCRYPTION_STOPS,
        }
    }

    fn refusal(self, stream: &str, account: &str, limit: u64) -> String {
        let what = match self {
            Self::ModeUpdate => "The capacity mode of stream",
            Self::EncryptionStart => "Server-side encryption of stream",
            Self::EncryptionStop => "The end of server-side encryption of stream",
        };
        let verb = match self {
            Self::ModeUpdate => "updated",
            Self::EncryptionStart | Self::EncryptionStop => "applied",
        };
        format!(
            "{what} {stream} under account {account} cannot be {verb} more than {limit} times in a rolling 24-hour period."
        )
    }
}

/// A stream by its key and by when it was made: one of the same name begins anew.
type Of = (Daily, String, Timestamp);

/// When things were done, by the monotonic clock. At most as many times each as its limit, of at most twice as many streams
/// as there are.
#[derive(Debug, Default)]
pub(super) struct Uses(Mutex<HashMap<Of, VecDeque<Duration>>>);

impl Uses {
    /// How often since a day ago.
    fn count(&self, of: &Of, now: Duration) -> usize {
        let mut uses = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(times) = uses.get_mut(of) else { return 0 };
        times.retain(|at| now.saturating_sub(*at) < DAY);
        times.len()
    }

    fn add(&self, of: Of, now: Duration, state: &State) {
        let mut uses = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if uses.len() >= 2 * state.streams.len() {
            uses.retain(|(_, key, created), times| {
                state.streams.get(key).is_some_and(|stream| stream.created == *created)
                    && times.back().is_some_and(|at| now.saturating_sub(*at) < DAY)
            });
        }
        uses.entry(of).or_default().push_back(now);
    }
}

impl Kinesis {
    /// Whether something may be done to a stream once more today.
    pub(crate) fn check_daily(&self, turn: &Turn<'_>, what: Daily, stream: &Stream) -> Result<(), Failure> {
        let Some(limits) = turn.limits else { return Ok(()) };
        let count = limits.daily.count(&of(what, stream), self.engine.clock().monotonic());
        match limits.met_by(what.limit(), count, 1) {
            None => Ok(()),
            Some(limit) => Err(exceeded(what.refusal(stream.own_name(), &self.home.account, limit))),
        }
    }

    /// It was done.
    pub(crate) fn used_daily(&self, turn: &Turn<'_>, what: Daily, stream: &Stream) {
        if let Some(limits) = turn.limits.filter(|limits| limits.settings().get(what.limit()).is_some()) {
            let state = self.control().state();
            limits.daily.add(of(what, stream), self.engine.clock().monotonic(), &state);
        }
    }
}

fn of(what: Daily, stream: &Stream) -> Of {
    (what, stream.name.clone(), stream.created)
}
