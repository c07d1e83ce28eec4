//! The laws of asynchronous invocations, when all of them have had the time to come to their end.

use crate::clients::caller::{EventFate, SentEvent};
use crate::history::History;
use crate::outside::{Book, Call, DEAD_LETTERS, FUNCTIONS, ON_FAILURE, ON_SUCCESS, Terms, Told};
use std::collections::{BTreeMap, BTreeSet};

/// The pause after the first failure with an event, and the longest, in milliseconds.
const FIRST_PAUSE: u64 = 60_000;
const LONGEST_PAUSE: u64 = 120_000;

/// From the moment at which it is decided that an event is not too old to the moment at which its function has it.
const HANDED_OVER_WITHIN: u64 = 1_000;

pub(crate) fn check(history: &mut History, sent: &[SentEvent], book: &Book) {
    for strange in &book.strange {
        history.violation(format!("events: {strange}"));
    }
    let mut calls: BTreeMap<usize, Vec<&Call>> = BTreeMap::new();
    for call in &book.calls {
        calls.entry(call.event).or_default().push(call);
    }
    let mut told: BTreeMap<usize, Vec<&Told>> = BTreeMap::new();
    for one in &book.told {
        told.entry(one.event).or_default().push(one);
    }
    for (number, event) in sent.iter().enumerate() {
        let life = Life {
            sent: event,
            terms: &FUNCTIONS[event.function],
            calls: calls.remove(&number).unwrap_or_default(),
            told: told.remove(&number).unwrap_or_default(),
        };
        for wrong in life.wrong() {
            history.violation(format!("event {number}: {wrong}\n    {life:?}"));
        }
    }
    if let Some(number) = calls.keys().chain(told.keys()).next() {
        history.violation(format!("event {number} was never sent"));
    }
}

#[derive(Debug)]
struct Life<'a> {
    sent: &'a SentEvent,
    terms: &'a Terms,
    calls: Vec<&'a Call>,
    told: Vec<&'a Told>,
}

impl Life<'_> {
    fn wrong(&self) -> Vec<&'static str> {
        let mut wrong = Vec::new();
        let mut law = |kept: bool, broken: &'static str| {
            if !kept {
                wrong.push(broken);
            }
        };
        let nothing = self.calls.is_empty() && self.told.is_empty();
        law(self.sent.fate != EventFate::NotDone || nothing, "it was refused, and something came of it");
        law(self.sent.fate != EventFate::Taken || !nothing || self.is_silent(), "it was taken, and is lost");
        law(self.sent.fate != EventFate::Taken || self.has_ended(), "it was taken, and never came to an end");
        law(self.runs_again() < self.terms.attempts(), "it ran more often than it may");
        law(self.has_one_request(), "its attempts are not one request");
        law(self.calls.iter().all(|call| self.is_young(call)), "it ran when it was too old");
        for pair in self.calls.windows(2).filter(|pair| pair[0].process == pair[1].process) {
            match pair[0].ended {
                None => law(false, "it ran while it was running"),
                Some((_, true)) => law(false, "it ran again although it had succeeded"),
                Some((at, false)) => law(pair[1].began >= at + FIRST_PAUSE, "it ran again too soon"),
            }
        }
        if let Some(first) = self.told.first() {
            let after = self.calls.iter().any(|call| call.order > first.order);
            law(!after, "it ran although somebody had been told of its end");
        }
        let records: BTreeSet<String> =
            self.told.iter().filter_map(|told| Some(format!("{:?}", told.record.as_ref()?))).collect();
        law(records.len() <= 1, "two things were told of it");
        law(self.told.iter().all(|told| self.is_true(told)), "what was told of it is not true");
        law(!self.is_told_twice(), "a process told somebody twice who had taken it");
        wrong
    }

    /// Its age alone can end it without anything that could be seen.
    fn is_silent(&self) -> bool {
        !self.terms.on_failure && self.terms.age_secs.is_some()
    }

    fn failures(&self) -> u64 {
        self.calls.iter().filter(|call| matches!(call.ended, Some((_, false)))).count() as u64
    }

    fn succeeded(&self) -> bool {
        self.calls.iter().any(|call| matches!(call.ended, Some((_, true))))
    }

    fn was_told(&self, to: &str) -> bool {
        self.told.iter().any(|told| told.to == to)
    }

    fn has_ended(&self) -> bool {
        let succeeded = self.succeeded();
        let told_well = !self.terms.on_success || self.was_told(ON_SUCCESS);
        // One that succeeded may have run again after a crash, and failed.
        let told_badly = (!self.terms.on_failure || self.was_told(ON_FAILURE))
            && (!self.terms.dead_letters || self.was_told(DEAD_LETTERS));
        let gave_up = self.failures() >= u64::from(self.terms.attempts()) || self.terms.age_secs.is_some();
        (succeeded && told_well) || (gave_up && told_badly)
    }

    /// Attempts but the last of each process: their failures were written down before the next.
    fn runs_again(&self) -> u32 {
        let processes: BTreeSet<u64> = self.calls.iter().map(|call| call.process).collect();
        u32::try_from(self.calls.len() - processes.len()).unwrap_or(u32::MAX)
    }

    fn has_one_request(&self) -> bool {
        let calls = self.calls.iter().map(|call| &call.request);
        let told = self.told.iter().filter_map(|told| told.record.as_ref()).map(|record| &record.request);
        calls.chain(told).collect::<BTreeSet<_>>().len() <= 1
    }

    fn is_young(&self, call: &Call) -> bool {
        let oldest = self.sent.answered.saturating_add(self.terms.age_millis());
        call.began < oldest.saturating_add(HANDED_OVER_WITHIN)
    }

    fn is_true(&self, told: &Told) -> bool {
        let set = match told.to.as_str() {
            ON_SUCCESS => self.terms.on_success,
            ON_FAILURE => self.terms.on_failure,
            _ => self.terms.dead_letters,
        };
        let Some(record) = &told.record else { return set && told.to == DEAD_LETTERS };
        let ran_well = self.calls.last().is_some_and(|call| matches!(call.ended, Some((_, true))));
        let failed = record.function_error.as_deref() == Some("Unhandled");
        let counted = record.count <= self.failures();
        set && match (record.condition.as_str(), told.to.as_str()) {
            ("Success", ON_SUCCESS) => ran_well && record.count == 1 && record.function_error.is_none(),
            ("RetriesExhausted", ON_FAILURE) => {
                !ran_well && failed && counted && record.count == u64::from(self.terms.attempts())
            }
            ("EventAgeExceeded", ON_FAILURE) => {
                let too_old = self.sent.began + self.terms.age_millis() < told.at + LONGEST_PAUSE;
                counted && too_old && record.count < u64::from(self.terms.attempts())
            }
            _ => false,
        }
    }

    fn is_told_twice(&self) -> bool {
        let mut confirmed = BTreeSet::new();
        self.told.iter().any(|told| {
            let again = confirmed.contains(&(&told.to, told.process));
            if told.confirmed {
                confirmed.insert((&told.to, told.process));
            }
            again
        })
    }
}
