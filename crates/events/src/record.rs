//! What is told of an event, in AWS's form.

use crate::caps;
use crate::entry::Whole;
use crate::event::{Condition, Event, Outcome};
use bytes::Bytes;
use millstream_mapping::{Attribute, AttributeKind};
use millstream_types::Timestamp;
use serde::Serialize;
use serde_json::value::RawValue;

/// The invocation record, member by member in AWS's order.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Record<'a> {
    version: &'a str,
    timestamp: String,
    request_context: RequestContext<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    request_payload: Option<Box<RawValue>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    response_context: Option<ResponseContext<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    response_payload: Option<Box<RawValue>>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct RequestContext<'a> {
    request_id: &'a str,
    function_arn: String,
    condition: &'a str,
    approximate_invoke_count: u32,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct ResponseContext<'a> {
    status_code: u16,
    #[serde(skip_serializing_if = "Option::is_none")]
    executed_version: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    function_error: Option<&'a str>,
}

/// The ARN that was invoked, with `$LATEST` where no version was named.
pub(crate) fn invoked_arn(event: &Event) -> String {
    format!("{}:{}", event.arn, event.qualifier())
}

/// The record of an event that is over. One that is larger than `limit` comes without payloads.
pub(crate) fn invocation_record(whole: &Whole, outcome: &Outcome, limit: usize) -> Bytes {
    let full = encode(whole, outcome, true);
    if full.len() <= limit { full } else { encode(whole, outcome, false) }
}

fn encode(whole: &Whole, outcome: &Outcome, payloads: bool) -> Bytes {
    let ran = outcome.answer.as_ref().is_some_and(|answer| answer.version.is_some());
    let record = Record {
        version: "1.0",
        timestamp: outcome.at.to_string(),
        request_context: RequestContext {
            request_id: &whole.event.request,
            function_arn: invoked_arn(&whole.event),
            condition: outcome.condition.name(),
            approximate_invoke_count: outcome.count,
        },
        request_payload: payloads.then(|| raw(&whole.payload)),
        response_context: outcome.answer.as_ref().map(|answer| ResponseContext {
            status_code: answer.status,
            executed_version: answer.version.as_deref(),
            function_error: answer.error.as_deref(),
        }),
        response_payload: (payloads && ran).then(|| raw(&whole.response)),
    };
    serde_json::to_vec(&record).unwrap_or_default().into()
}

/// JSON as it is; what a function of a runtime of its own returned and is none, as a text.
fn raw(payload: &Bytes) -> Box<RawValue> {
    let json = serde_json::from_slice(payload).ok();
    let text = || match payload.as_ref() {
        b"" => serde_json::value::to_raw_value(&()).ok(),
        other => serde_json::value::to_raw_value(&String::from_utf8_lossy(other)).ok(),
    };
    json.or_else(text).unwrap_or_else(|| RawValue::NULL.to_owned())
}

/// What stands beside the event in a dead letter.
pub(crate) fn attributes(whole: &Whole, outcome: &Outcome) -> Vec<Attribute> {
    let attribute =
        |name: &'static str, kind, value: String| Attribute { name: name.to_owned(), kind, value };
    let mut attributes = vec![attribute("RequestID", AttributeKind::String, whole.event.request.clone())];
    if let Some(answer) = &outcome.answer {
        attributes.push(attribute("ErrorCode", AttributeKind::Number, answer.status.to_string()));
    }
    let message = message(whole, outcome);
    // Services refuse an attribute that is empty.
    if !message.is_empty() {
        attributes.push(attribute("ErrorMessage", AttributeKind::String, message));
    }
    attributes
}

fn message(whole: &Whole, outcome: &Outcome) -> String {
    #[derive(serde::Deserialize)]
    struct Error {
        #[serde(rename = "errorMessage")]
        message: Option<serde_json::Value>,
    }
    let status = outcome.answer.as_ref().map(|answer| answer.status);
    let mut message = match (outcome.condition, status) {
        // Recorded on AWS, with the blank that is missing.
        (Condition::ZeroReservedConcurrency, _) => {
            "Function not invoked. Function isconfigured with zero reserved concurrent executions".to_owned()
        }
        (_, Some(200)) => match serde_json::from_slice::<Error>(&whole.response) {
            Ok(Error { message: Some(serde_json::Value::String(message)) }) => message,
            Ok(Error { message: Some(other) }) => other.to_string(),
            Ok(Error { message: None }) | Err(_) => String::new(),
        },
        (_, Some(429)) => "Rate Exceeded.".to_owned(),
        (_, Some(_)) => "The function could not be run.".to_owned(),
        (_, None) => "The event grew too old before the function was run.".to_owned(),
    };
    let mut end = message.len().min(caps::MESSAGE_BYTES);
    while !message.is_char_boundary(end) {
        end -= 1;
    }
    message.truncate(end);
    message
}

/// `aws/lambda/async/NAME/2019/11/14/2019-11-14T00.38.06-…` (Developer Guide, "Capturing records of Lambda asynchronous
/// invocations").
pub(crate) fn object_key(event: &Event, at: Timestamp, id: &str) -> String {
    let name = event.arn.rsplit(':').next().unwrap_or(&event.arn);
    let (year, month, day, hour, minute, second, _) = at.civil();
    format!(
        "aws/lambda/async/{name}/{year:04}/{month:02}/{day:02}/\
         {year:04}-{month:02}-{day:02}T{hour:02}.{minute:02}.{second:02}-{id}"
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::{Address, Answer};
    use serde_json::{Value, json};

    fn whole(payload: &'static str, response: &'static str) -> Whole {
        Whole {
            event: Event {
                id: 1,
                request: "r-1".into(),
                function: "f".into(),
                arn: "arn:aws:lambda:us-east-1:000000000000:function:f".into(),
                qualifier: None,
                accepted: Timestamp::ZERO,
                trace: None,
            },
            failed: 0,
            due: Timestamp::ZERO,
            outcome: None,
            payload: Bytes::from_static(payload.as_bytes()),
            response: Bytes::from_static(response.as_bytes()),
        }
    }

    fn outcome(condition: Condition, answer: Option<Answer>) -> Outcome {
        let to = vec![Address::Destination("arn:aws:sqs:us-east-1:000000000000:q".into())];
        Outcome { condition, at: Timestamp::from_millis(1_573_755_365_568), count: 3, answer, to }
    }

    fn ran(error: Option<&str>) -> Answer {
        Answer { status: 200, version: Some("$LATEST".into()), error: error.map(str::to_owned) }
    }

    #[test]
    fn a_record_is_aws_s_letter_by_letter() {
        let whole = whole("{\"ids\":[1, 2.50]}", "{\"errorMessage\":\"no\"}");
        let outcome = outcome(Condition::RetriesExhausted, Some(ran(Some("Unhandled"))));
        let record = invocation_record(&whole, &outcome, usize::MAX);
        let expected = concat!(
            r#"{"version":"1.0","timestamp":"2019-11-14T18:16:05.568Z","requestContext":{"requestId":"r-1","#,
            r#""functionArn":"arn:aws:lambda:us-east-1:000000000000:function:f:$LATEST","condition":"RetriesExhausted","#,
            r#""approximateInvokeCount":3},"requestPayload":{"ids":[1, 2.50]},"responseContext":{"statusCode":200,"#,
            r#""executedVersion":"$LATEST","functionError":"Unhandled"},"responsePayload":{"errorMessage":"no"}}"#,
        );
        assert_eq!(std::str::from_utf8(&record).unwrap(), expected);
    }

    #[test]
    fn what_did_not_run_has_no_answer() {
        let told = |outcome: &Outcome| -> Value {
            serde_json::from_slice(&invocation_record(&whole("[]", ""), outcome, usize::MAX)).unwrap()
        };
        let zero = told(&outcome(Condition::ZeroReservedConcurrency, None));
        assert_eq!((&zero["responseContext"], &zero["responsePayload"]), (&Value::Null, &Value::Null));
        assert_eq!(zero["requestPayload"], json!([]));
        let throttled = Answer { status: 429, ..Answer::default() };
        let throttled = told(&outcome(Condition::EventAgeExceeded, Some(throttled)));
        assert_eq!(throttled["responseContext"], json!({ "statusCode": 429 }));
        assert!(throttled.get("responsePayload").is_none());
    }

    #[test]
    fn a_large_record_goes_without_payloads() {
        let outcome = outcome(Condition::Success, Some(ran(None)));
        let whole = whole("\"0123456789\"", "\"0123456789\"");
        let full = invocation_record(&whole, &outcome, usize::MAX);
        assert_eq!(invocation_record(&whole, &outcome, full.len()), full);
        let short: Value =
            serde_json::from_slice(&invocation_record(&whole, &outcome, full.len() - 1)).unwrap();
        assert!(short.get("requestPayload").is_none() && short.get("responsePayload").is_none());
        assert_eq!(short["responseContext"], json!({ "statusCode": 200, "executedVersion": "$LATEST" }));
    }

    #[test]
    fn an_answer_may_be_anything() {
        let outcome = outcome(Condition::Success, Some(ran(None)));
        for (response, told) in [("", json!(null)), ("null", json!(null)), ("not json", json!("not json"))] {
            let record = invocation_record(&whole("{}", response), &outcome, usize::MAX);
            let record: Value = serde_json::from_slice(&record).unwrap();
            assert_eq!(record.get("responsePayload"), Some(&told), "{response}");
        }
    }

    #[test]
    fn a_dead_letter_says_what_went_wrong() {
        let values = |whole: &Whole, outcome: &Outcome| -> Vec<(String, String)> {
            attributes(whole, outcome).into_iter().map(|one| (one.name, one.value)).collect()
        };
        let pair = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        let failed = outcome(Condition::RetriesExhausted, Some(ran(Some("Unhandled"))));
        let seen = values(&whole("{}", "{\"errorMessage\":\"no\",\"errorType\":\"E\"}"), &failed);
        assert_eq!(seen, [pair("RequestID", "r-1"), pair("ErrorCode", "200"), pair("ErrorMessage", "no")]);
        let seen = values(&whole("{}", "7"), &failed);
        assert_eq!(seen, [pair("RequestID", "r-1"), pair("ErrorCode", "200")]);
        let off = values(&whole("{}", ""), &outcome(Condition::ZeroReservedConcurrency, None));
        assert!(off[1].1.contains("zero reserved concurrent executions"), "{off:?}");
        let throttled = Some(Answer { status: 429, ..Answer::default() });
        let seen = values(&whole("{}", ""), &outcome(Condition::EventAgeExceeded, throttled));
        assert_eq!(seen[1..], [pair("ErrorCode", "429"), pair("ErrorMessage", "Rate Exceeded.")]);
        let long: &'static str = Box::leak(format!("{{\"errorMessage\":\"{}\"}}", "ß".repeat(600)).into());
        let seen = values(&whole("{}", long), &failed);
        assert_eq!(seen[2].1, "ß".repeat(512));
    }

    #[test]
    fn objects_lie_under_the_functions_name_and_the_day() {
        let at = Timestamp::from_millis(1_573_755_365_568);
        let key = object_key(&whole("{}", "").event, at, "ID");
        assert_eq!(key, "aws/lambda/async/f/2019/11/14/2019-11-14T18.16.05-ID");
    }
}
