use super::item::{Item, Place};
use crate::caps;
use millstream_functions::{InvokeError, InvokeReply};
use millstream_types::SequenceNumber;
use serde::Deserialize;
use serde_json::Value;

/// What came of one attempt to have a batch processed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    Succeeded,
    /// The function processed what is before this place, and not what is there.
    Partly(Place),
    /// The function had the batch and failed.
    Failed(Failed),
    /// The batch did not reach the function.
    NotRun(String),
    /// It did not, for want of a free worker.
    Throttled(String),
    /// It never will: no event can hold its one record.
    TooLarge(String),
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Failed {
    /// The type of error.
    pub(super) error: String,
    /// What Lambda calls it; nothing if the function returned as if all were well.
    pub(super) function_error: Option<&'static str>,
    pub(super) version: String,
    /// The function said which records failed, and its first one did.
    pub(super) reported: bool,
}

/// What an answer is asked for.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Terms<'a> {
    /// The function says which records of the batch it did not process.
    pub(super) report: Option<&'a [Item]>,
    /// The answer must hold a state.
    pub(super) state: bool,
}

/// Where in a batch a sequence number is. That of an aggregated record is where the first of it is that is in the batch,
/// since a failure there leaves open what came of the others; `NUMBER:SUB` names one of them.
fn find(batch: &[Item], identifier: &str) -> Option<Place> {
    let (number, part) = match identifier.split_once(':') {
        Some((number, part)) => (number, Some(part.parse::<u32>().ok()?)),
        None => (identifier, None),
    };
    let number: SequenceNumber = number.parse().ok()?;
    let first = batch.partition_point(|item| item.position < number.position());
    let mut found = batch[first..].iter().take_while(|item| item.sequence_number == number);
    let is_it = |item: &&Item| part.is_none() || item.part().map(|own| own.index) == part;
    found.find(is_it).map(Item::place)
}

/// The verdict, and the state if one was asked for and given.
pub(super) fn judge(
    result: &Result<InvokeReply, InvokeError>,
    terms: Terms<'_>,
) -> (Verdict, Option<String>) {
    let verdict = match result {
        Ok(reply) => match reply.function_error {
            None => return answered(reply, terms),
            Some(error) => Verdict::Failed(Failed {
                error: error_type(reply).unwrap_or_else(|| error.as_str().to_owned()),
                function_error: Some(error.as_str()),
                version: reply.executed_version.clone(),
                reported: false,
            }),
        },
        Err(
            error @ (InvokeError::Throttled { .. }
            | InvokeError::NoMemory
            | InvokeError::ReservedExhausted { .. }
            | InvokeError::ElsewhereBusy { .. }),
        ) => Verdict::Throttled(error.to_string()),
        Err(error @ InvokeError::PayloadTooLarge { .. }) => Verdict::TooLarge(error.to_string()),
        Err(error) if error.reached() => Verdict::Failed(Failed {
            error: error.to_string(),
            function_error: Some("Unhandled"),
            version: "$LATEST".into(),
            reported: false,
        }),
        Err(error) => Verdict::NotRun(error.to_string()),
    };
    (verdict, None)
}

/// The function returned: is it what was agreed?
fn answered(reply: &InvokeReply, terms: Terms<'_>) -> (Verdict, Option<String>) {
    let failed = |error: &str, reported| {
        let version = reply.executed_version.clone();
        (Verdict::Failed(Failed { error: error.into(), function_error: None, version, reported }), None)
    };
    if terms.report.is_none() && !terms.state {
        return (Verdict::Succeeded, None);
    }
    let answer: Value = match reply.payload.as_ref() {
        b"" => Value::Null,
        payload => match serde_json::from_slice(payload) {
            Ok(answer) => answer,
            Err(_) => return failed("the answer is not JSON", false),
        },
    };
    let mut state = None;
    if terms.state {
        match answer.get("state") {
            None => return failed("the answer has no state", false),
            Some(new) => {
                let new = new.to_string();
                if new.len() > caps::LARGEST_STATE_BYTES {
                    return failed("the state is too large for an event", false);
                }
                state = Some(new);
            }
        }
    }
    let Some(batch) = terms.report else { return (Verdict::Succeeded, state) };
    match lowest_failure(&answer, batch) {
        Err(why) => failed(why, false),
        Ok(None) => (Verdict::Succeeded, state),
        Ok(Some(place)) if batch.first().is_some_and(|first| first.place() == place) => {
            failed("the function reported it", true)
        }
        Ok(Some(place)) => (Verdict::Partly(place), state),
    }
}

/// The first record that an answer says has failed. `Err` for whatever is not as agreed, which fails the whole batch.
fn lowest_failure(answer: &Value, batch: &[Item]) -> Result<Option<Place>, &'static str> {
    let failures = match answer {
        Value::Null => return Ok(None),
        Value::String(text) if text.is_empty() => return Ok(None),
        Value::Array(list) if list.is_empty() => return Ok(None),
        Value::Object(members) => match members.get("batchItemFailures") {
            None | Some(Value::Null) => return Ok(None),
            Some(Value::Array(failures)) => failures,
            Some(_) => return Err("batchItemFailures is no list"),
        },
        _ => return Err("the answer is no object"),
    };
    let mut lowest = None;
    for failure in failures {
        let number = failure.get("itemIdentifier").and_then(Value::as_str).unwrap_or_default();
        let place = find(batch, number).ok_or("an itemIdentifier is none of the batch")?;
        lowest = Some(lowest.map_or(place, |lowest: Place| lowest.min(place)));
    }
    Ok(lowest)
}

/// The `errorType` of a failed function's answer. The rest of it may hold a record's data, so it is not looked at.
fn error_type(reply: &InvokeReply) -> Option<String> {
    #[derive(Deserialize)]
    struct Answer {
        #[serde(rename = "errorType")]
        error_type: String,
    }
    let answer: Answer = serde_json::from_slice(&reply.payload).ok()?;
    let printable = answer.error_type.chars().filter(|c| !c.is_control());
    Some(printable.take(caps::ERROR_TYPE_CHARS).collect()).filter(|text: &String| !text.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;
    use bytes::Bytes;
    use millstream_engine::Record;
    use millstream_functions::FunctionError;
    use millstream_types::{Position, ShardId, Timestamp};
    use std::time::Duration;

    fn reply(payload: &str, function_error: Option<FunctionError>) -> InvokeReply {
        InvokeReply {
            payload: Bytes::copy_from_slice(payload.as_bytes()),
            function_error,
            log_tail: Bytes::new(),
            executed_version: "$LATEST".into(),
            init: None,
            duration: Duration::ZERO,
            max_memory_mb: 1,
        }
    }

    fn verdict(result: &Result<InvokeReply, InvokeError>) -> Verdict {
        judge(result, Terms::default()).0
    }

    #[test]
    fn only_a_function_that_ran_has_failed() {
        let failed = |payload| match verdict(&Ok(reply(payload, Some(FunctionError::Unhandled)))) {
            Verdict::Failed(failed) => failed.error,
            other => format!("{other:?}"),
        };
        assert_eq!(verdict(&Ok(reply("not json", None))), Verdict::Succeeded);
        assert_eq!(failed(r#"{"errorMessage":"secret","errorType":"ValueError"}"#), "ValueError");
        for odd in ["", "[]", r#"{"errorType":7}"#, r#"{"errorType":"\n"}"#] {
            assert_eq!(failed(odd), "Unhandled", "{odd}");
        }
        assert!(matches!(verdict(&Err(InvokeError::Lost)), Verdict::Failed(_)));
        assert!(matches!(verdict(&Err(InvokeError::ShuttingDown)), Verdict::NotRun(_)));
        assert!(matches!(verdict(&Err(InvokeError::Throttled { limit: 1 })), Verdict::Throttled(_)));
        let large = InvokeError::PayloadTooLarge { size: 2, limit: 1 };
        assert!(matches!(verdict(&Err(large)), Verdict::TooLarge(_)));
    }

    fn number(position: u64) -> String {
        SequenceNumber::of_record(ShardId(0), Position(position)).to_string()
    }

    #[test]
    fn a_report_is_taken_at_its_word_or_not_at_all() {
        let records: Vec<Item> = [3, 5, 8]
            .map(|position| Record {
                position: Position(position),
                sequence_number: SequenceNumber::of_record(ShardId(0), Position(position)),
                partition_key: "k".into(),
                data: Bytes::new(),
                arrival: Timestamp::ZERO,
                encrypted: false,
            })
            .map(Item::from)
            .into();
        let records = records.as_slice();
        let reported =
            |payload: &str| judge(&Ok(reply(payload, None)), Terms { report: Some(records), state: false }).0;
        let success = [
            "",
            r#""""#,
            "[]",
            "null",
            "{}",
            r#"{"batchItemFailures":[]}"#,
            r#"{"batchItemFailures":null}"#,
            r#"{"statusCode":200}"#,
        ];
        for payload in success {
            assert_eq!(reported(payload), Verdict::Succeeded, "{payload}");
        }
        let items = |items: &str| format!(r#"{{"batchItemFailures":[{items}]}}"#);
        let item = |number: &str| format!(r#"{{"itemIdentifier":"{number}"}}"#);
        let whole = [
            items(&item("")),
            items(r#"{"itemIdentifier":null}"#),
            items(r#"{"itemIdentifier":123}"#),
            items(&item("123")),
            items(r#"{"foo":123}"#),
            items(r#"{"foo":null}"#),
            items("null"),
            items("5"),
            items(&item(&number(4))),
            items(&format!("{},{}", item(&number(5)), item(""))),
            r#"{"batchItemFailures":"x"}"#.into(),
            r#"{"batchItemFailures":{}}"#.into(),
            "not json".into(),
            "5".into(),
            r#""done""#.into(),
            "[1]".into(),
            // Of another shard.
            items(&item(&SequenceNumber::of_record(ShardId(1), Position(5)).to_string())),
        ];
        for payload in whole {
            let verdict = reported(&payload);
            assert!(
                matches!(&verdict, Verdict::Failed(Failed { reported: false, function_error: None, .. })),
                "{payload}: {verdict:?}"
            );
        }
        let both = |one, two| items(&format!("{},{}", item(&number(one)), item(&number(two))));
        assert_eq!(reported(&items(&item(&number(5)))), Verdict::Partly(Place::of(Position(5))));
        assert_eq!(reported(&both(8, 5)), Verdict::Partly(Place::of(Position(5))));
        let first = reported(&both(8, 3));
        assert!(matches!(first, Verdict::Failed(Failed { reported: true, .. })), "{first:?}");
    }

    #[test]
    fn a_window_wants_a_state() {
        let terms = Terms { report: None, state: true };
        let judged = |payload| judge(&Ok(reply(payload, None)), terms);
        assert_eq!(judged(r#"{"state":{"a":1}}"#), (Verdict::Succeeded, Some(r#"{"a":1}"#.into())));
        assert_eq!(judged(r#"{"state":null}"#), (Verdict::Succeeded, Some("null".into())));
        for payload in ["", "null", "{}", r#"{"batchItemFailures":[]}"#, "5"] {
            assert!(matches!(judged(payload).0, Verdict::Failed(_)), "{payload}");
        }
        let large = format!(r#"{{"state":"{}"}}"#, "x".repeat(caps::LARGEST_STATE_BYTES));
        assert!(matches!(judge(&Ok(reply(&large, None)), terms).0, Verdict::Failed(_)));
    }
}
