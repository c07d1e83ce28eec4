//! What is measured of asynchronous invocations, by function.

use millstream_types::Timestamp;
use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// What CloudWatch counts of one function. Counts begin with the server.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Measures {
    /// The function's ARN.
    pub arn: String,
    /// AsyncEventsReceived.
    pub received: u64,
    /// AsyncEventsDropped: events that the function did not process.
    pub dropped: u64,
    /// DestinationDeliveryFailures.
    pub destination_failures: u64,
    /// DeadLetterErrors.
    pub dead_letter_errors: u64,
    /// AsyncEventAge: the greatest age of an event given to the function in this minute or the one before, in milliseconds.
    pub age_ms: Option<u64>,
}

#[derive(Debug, Default)]
pub(crate) struct Board(Mutex<HashMap<String, Counted>>);

#[derive(Debug, Default)]
struct Counted {
    measures: Measures,
    ages: Ages,
}

/// Maxima of the minute that was measured last and of the one before it.
#[derive(Debug, Default)]
struct Ages {
    minute: u64,
    now: Option<u64>,
    before: Option<u64>,
}

impl Ages {
    fn turn(&mut self, now: Timestamp) {
        let minute = now.secs() / 60;
        if minute > self.minute {
            self.before = if minute == self.minute + 1 { self.now } else { None };
            self.now = None;
            self.minute = minute;
        }
    }

    fn add(&mut self, now: Timestamp, age_ms: u64) {
        self.turn(now);
        self.now = self.now.max(Some(age_ms));
    }
}

impl Board {
    fn all(&self) -> MutexGuard<'_, HashMap<String, Counted>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn of(&self, function: &str, arn: &str, change: impl FnOnce(&mut Counted)) {
        let mut all = self.all();
        if !all.contains_key(function) {
            let measures = Measures { arn: arn.to_owned(), ..Measures::default() };
            all.insert(function.to_owned(), Counted { measures, ages: Ages::default() });
        }
        if let Some(counted) = all.get_mut(function) {
            change(counted);
        }
    }

    pub(crate) fn received(&self, function: &str, arn: &str) {
        self.of(function, arn, |counted| counted.measures.received += 1);
    }

    pub(crate) fn dropped(&self, function: &str, arn: &str) {
        self.of(function, arn, |counted| counted.measures.dropped += 1);
    }

    pub(crate) fn not_told(&self, function: &str, arn: &str, dead_letter: bool) {
        self.of(function, arn, |counted| {
            let measures = &mut counted.measures;
            let count = if dead_letter {
                &mut measures.dead_letter_errors
            } else {
                &mut measures.destination_failures
            };
            *count += 1;
        });
    }

    pub(crate) fn given(&self, function: &str, arn: &str, now: Timestamp, age_ms: u64) {
        self.of(function, arn, |counted| counted.ages.add(now, age_ms));
    }

    /// Forget functions that are gone: nobody can make more lines than there may be functions.
    pub(crate) fn retain(&self, keep: impl Fn(&str) -> bool) {
        self.all().retain(|function, _| keep(function));
    }

    pub(crate) fn measures(&self, now: Timestamp) -> Vec<Measures> {
        let mut all = self.all();
        let each = all.values_mut().map(|counted| {
            counted.ages.turn(now);
            let age_ms = counted.ages.now.max(counted.ages.before);
            Measures { age_ms, ..counted.measures.clone() }
        });
        let mut measures: Vec<Measures> = each.collect();
        measures.sort_by(|one, other| one.arn.cmp(&other.arn));
        measures
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_age_is_shown_for_its_minute_and_the_next() {
        let at = |secs: u64| Timestamp::from_millis(secs * 1_000);
        let board = Board::default();
        board.given("f", "arn:f", at(60), 5);
        board.given("f", "arn:f", at(61), 3);
        let age = |secs| board.measures(at(secs))[0].age_ms;
        assert_eq!((age(100), age(121)), (Some(5), Some(5)));
        board.given("f", "arn:f", at(170), 4);
        assert_eq!((age(179), age(180), age(240)), (Some(5), Some(4), None));
    }

    #[test]
    fn functions_that_are_gone_are_forgotten() {
        let board = Board::default();
        board.received("f", "arn:f");
        board.dropped("g", "arn:g");
        board.not_told("g", "arn:g", true);
        board.not_told("g", "arn:g", false);
        let of = |arn: &str| Measures { arn: arn.into(), ..Measures::default() };
        let g = Measures { dropped: 1, destination_failures: 1, dead_letter_errors: 1, ..of("arn:g") };
        assert_eq!(board.measures(Timestamp::ZERO), [Measures { received: 1, ..of("arn:f") }, g.clone()]);
        board.retain(|function| function == "g");
        assert_eq!(board.measures(Timestamp::ZERO), [g]);
    }
}
