//! What is to be done with an event, before and after an attempt: pure.

use crate::caps;
use crate::event::{Answer, Condition, Progress};
use millstream_control::EventInvokeConfig;
use millstream_functions::{InvokeError, InvokeReply};
use millstream_types::Timestamp;
use std::time::Duration;

/// What is set for events.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Terms {
    pub(crate) retries: u32,
    pub(crate) age: Duration,
}

impl Terms {
    pub(crate) fn of(config: Option<&EventInvokeConfig>) -> Self {
        let retries = config.and_then(|config| config.max_retries);
        let age_secs = config.and_then(|config| config.max_age_secs);
        Self {
            retries: retries.unwrap_or(EventInvokeConfig::RETRIES),
            age: Duration::from_secs(age_secs.unwrap_or(EventInvokeConfig::AGE_SECS).into()),
        }
    }

    /// From when on an event is too old.
    fn deadline(&self, accepted: Timestamp) -> Timestamp {
        later(accepted, self.age)
    }
}

/// How it ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Over {
    pub(crate) condition: Condition,
    /// Invocations, as AWS counts them.
    pub(crate) count: u32,
    pub(crate) answer: Option<Answer>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Next {
    /// The function failed; it gets it once more.
    Failed {
        failed: u32,
        due: Timestamp,
    },
    /// It did not get it.
    NotRun {
        refused: u16,
        due: Timestamp,
    },
    Over(Over),
}

/// Whether it is over before it is tried (again). `reserved`: how many invocations of the function may run at once.
pub(crate) fn before(
    now: Timestamp,
    accepted: Timestamp,
    terms: Terms,
    progress: &Progress,
    reserved: Option<u32>,
) -> Option<Over> {
    let count = progress.failed;
    if now >= terms.deadline(accepted) {
        let answer = progress.refused.map(|status| Answer { status, ..Answer::default() });
        return Some(Over { condition: Condition::EventAgeExceeded, count, answer });
    }
    // A function that is switched off does not hold up its events (Developer Guide, "Configuring reserved concurrency").
    (reserved == Some(0)).then_some(Over {
        condition: Condition::ZeroReservedConcurrency,
        count,
        answer: None,
    })
}

pub(crate) fn after(
    now: Timestamp,
    accepted: Timestamp,
    terms: Terms,
    progress: &Progress,
    result: &Result<InvokeReply, InvokeError>,
) -> Next {
    let reply = match result {
        Ok(reply) => reply,
        Err(InvokeError::ReservedExhausted { reserved: 0 }) => {
            let condition = Condition::ZeroReservedConcurrency;
            return Next::Over(Over { condition, count: progress.failed, answer: None });
        }
        Err(error) => return not_run(now, accepted, terms, progress, status(error)),
    };
    let answer = Answer {
        status: 200,
        version: Some(reply.executed_version.clone()),
        error: reply.function_error.map(|error| error.as_str().to_owned()),
    };
    if answer.error.is_none() {
        // Recorded on AWS: 1, however often it was tried before.
        return Next::Over(Over { condition: Condition::Success, count: 1, answer: Some(answer) });
    }
    let failed = progress.failed.saturating_add(1);
    let pause = caps::FAILED_PAUSES.get(progress.failed as usize).copied();
    let due = later(now, pause.unwrap_or(caps::FAILED_PAUSES[1]));
    let condition = if failed > terms.retries {
        Condition::RetriesExhausted
    } else if due > terms.deadline(accepted) {
        // Recorded on AWS: what would be too old by then does not wait for it.
        Condition::EventAgeExceeded
    } else {
        return Next::Failed { failed, due };
    };
    Next::Over(Over { condition, count: failed, answer: Some(answer) })
}

/// It could not be given to its function: once more after a pause, but no later than when it is too old.
pub(crate) fn not_run(
    now: Timestamp,
    accepted: Timestamp,
    terms: Terms,
    progress: &Progress,
    refused: u16,
) -> Next {
    let due = later(now, pause(progress.not_run)).min(terms.deadline(accepted));
    Next::NotRun { refused, due }
}

/// The pause after so many and one more failures that were not the function's.
pub(crate) fn pause(failures: u32) -> Duration {
    let factor = 1_u32.checked_shl(failures).unwrap_or(u32::MAX);
    caps::FIRST_PAUSE.saturating_mul(factor).min(caps::LONGEST_PAUSE)
}

fn status(error: &InvokeError) -> u16 {
    match error {
        InvokeError::Throttled { .. }
        | InvokeError::NoMemory
        | InvokeError::ReservedExhausted { .. }
        | InvokeError::ElsewhereBusy { .. } => 429,
        InvokeError::PayloadTooLarge { .. }
        | InvokeError::RuntimeMissing(_)
        | InvokeError::Code(_)
        | InvokeError::Isolation(_)
        | InvokeError::Component { .. }
        | InvokeError::ElsewhereFailed { .. }
        | InvokeError::Spawn { .. }
        | InvokeError::ShuttingDown
        | InvokeError::Lost => 500,
    }
}

pub(crate) fn later(time: Timestamp, by: Duration) -> Timestamp {
    time.plus_millis(u64::try_from(by.as_millis()).unwrap_or(u64::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;
    use bytes::Bytes;
    use millstream_functions::FunctionError;

    const START: Timestamp = Timestamp::from_millis(1_700_000_000_000);

    fn reply(error: Option<FunctionError>) -> InvokeReply {
        InvokeReply {
            payload: Bytes::new(),
            function_error: error,
            log_tail: Bytes::new(),
            executed_version: "$LATEST".into(),
            init: None,
            duration: Duration::ZERO,
            max_memory_mb: 1,
        }
    }

    fn failed() -> InvokeReply {
        reply(Some(FunctionError::Unhandled))
    }

    fn terms(retries: u32, secs: u64) -> Terms {
        Terms { retries, age: Duration::from_secs(secs) }
    }

    fn at(secs: u64) -> Timestamp {
        later(START, Duration::from_secs(secs))
    }

    fn progress(failed: u32) -> Progress {
        Progress { failed, ..Progress::default() }
    }

    fn over(next: &Next) -> (Condition, u32, Option<u16>) {
        let Next::Over(over) = next else { panic!("{next:?}") };
        (over.condition, over.count, over.answer.as_ref().map(|answer| answer.status))
    }

    #[test]
    fn lambdas_defaults_are_two_retries_and_six_hours() {
        let default = terms(2, 21_600);
        assert_eq!(Terms::of(None), default);
        assert_eq!(Terms::of(Some(&EventInvokeConfig::default())), default);
        let config = EventInvokeConfig {
            max_retries: Some(0),
            max_age_secs: Some(60),
            ..EventInvokeConfig::default()
        };
        assert_eq!(Terms::of(Some(&config)), terms(0, 60));
    }

    #[test]
    fn a_failure_is_tried_after_one_minute_then_after_two_then_never() {
        let terms = Terms::of(None);
        let after = |now, failures| after(at(now), START, terms, &progress(failures), &Ok(failed()));
        assert_eq!(after(1, 0), Next::Failed { failed: 1, due: at(61) });
        assert_eq!(after(61, 1), Next::Failed { failed: 2, due: at(181) });
        assert_eq!(over(&after(181, 2)), (Condition::RetriesExhausted, 3, Some(200)));
    }

    #[test]
    fn fewer_retries_are_fewer() {
        let after = |retries, failures| {
            after(at(1), START, terms(retries, 21_600), &progress(failures), &Ok(failed()))
        };
        assert_eq!(over(&after(0, 0)), (Condition::RetriesExhausted, 1, Some(200)));
        assert_eq!(after(1, 0), Next::Failed { failed: 1, due: at(61) });
        assert_eq!(over(&after(1, 1)), (Condition::RetriesExhausted, 2, Some(200)));
        // They were set lower meanwhile.
        assert_eq!(over(&after(0, 1)), (Condition::RetriesExhausted, 2, Some(200)));
    }

    #[test]
    fn a_retry_that_would_come_too_late_is_not_waited_for() {
        let after =
            |now, failures, secs| after(at(now), START, terms(2, secs), &progress(failures), &Ok(failed()));
        assert_eq!(over(&after(1, 0, 60)), (Condition::EventAgeExceeded, 1, Some(200)));
        assert_eq!(over(&after(61, 1, 90)), (Condition::EventAgeExceeded, 2, Some(200)));
        assert_eq!(after(0, 0, 60), Next::Failed { failed: 1, due: at(60) });
    }

    #[test]
    fn what_could_not_run_is_tried_ever_more_seldom_until_it_is_too_old() {
        let throttled = Err(InvokeError::Throttled { limit: 1 });
        let mut now = 0;
        let mut seen = Vec::new();
        for not_run in 0..12 {
            let progress = Progress { not_run, failed: 1, ..Progress::default() };
            let next = after(at(now), START, terms(2, 2_000), &progress, &throttled);
            let Next::NotRun { refused: 429, due } = next else { panic!("{next:?}") };
            seen.push(due.millis_since(at(now)) / 1_000);
            now = due.millis_since(START) / 1_000;
        }
        assert_eq!(seen, [1, 2, 4, 8, 16, 32, 64, 128, 256, 300, 300, 300]);
        let progress = Progress { refused: Some(429), failed: 1, not_run: 12, ..Progress::default() };
        let next = after(at(1_990), START, terms(2, 2_000), &progress, &throttled);
        assert_eq!(next, Next::NotRun { refused: 429, due: at(2_000) });
        let ended = before(at(2_000), START, terms(2, 2_000), &progress, None).unwrap();
        assert_eq!((ended.condition, ended.count), (Condition::EventAgeExceeded, 1));
        assert_eq!(ended.answer, Some(Answer { status: 429, ..Answer::default() }));
        assert_eq!(before(at(1_999), START, terms(2, 2_000), &progress, None), None);
    }

    #[test]
    fn the_servers_failures_are_not_the_functions() {
        for error in [InvokeError::Lost, InvokeError::ShuttingDown, InvokeError::Spawn { why: "no".into() }] {
            let next = after(at(5), START, Terms::of(None), &progress(2), &Err(error));
            assert_eq!(next, Next::NotRun { refused: 500, due: at(6) });
        }
    }

    #[test]
    fn a_function_that_is_switched_off_gets_nothing() {
        let terms = Terms::of(None);
        let off = before(at(1), START, terms, &progress(0), Some(0)).unwrap();
        assert_eq!((off.condition, off.count, off.answer), (Condition::ZeroReservedConcurrency, 0, None));
        assert_eq!(before(at(1), START, terms, &progress(0), Some(1)), None);
        let off =
            after(at(1), START, terms, &progress(1), &Err(InvokeError::ReservedExhausted { reserved: 0 }));
        assert_eq!(over(&off), (Condition::ZeroReservedConcurrency, 1, None));
    }

    #[test]
    fn success_is_success_however_late() {
        let next = after(at(900_000), START, Terms::of(None), &progress(2), &Ok(reply(None)));
        assert_eq!(over(&next), (Condition::Success, 1, Some(200)));
    }
}
