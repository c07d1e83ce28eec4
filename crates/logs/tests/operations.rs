//! The operations, by the bytes that they take and give.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use bytes::Bytes;
use futures_util::StreamExt;
use millstream_api_logs::Operation;
use millstream_functions::{LogLine, LogSink, TracingSink};
use millstream_host::clock::{Clock, ManualClock};
use millstream_logs::{Answer, FunctionLogs, Logs, Store, StoreOptions};
use millstream_shapes::ErrorName;
use millstream_types::{Home, Timestamp};
use millstream_wire::event_stream;
use serde_json::{Value, json};
use std::sync::Arc;

/// 2026-11-23T09:00:00Z
const NOW: u64 = 1_795_424_400_000;
const ARN: &str = "arn:aws:logs:us-east-1:000000000000:log-group:/g";
const PAGE: &str = include_str!("../../../docs/compatibility.md");

struct Service {
    logs: Logs,
    store: Store,
    clock: Arc<ManualClock>,
}

impl Service {
    fn new() -> Self {
        let clock = ManualClock::at(Timestamp::from_millis(NOW));
        let mut options = StoreOptions::new(None, clock.clone());
        options.disk_reserve_bytes = 0;
        let store = Store::open(options).unwrap();
        let logs = Logs::new(store.clone(), Home::default(), clock.clone());
        Self { logs, store, clock }
    }

    async fn bytes(&self, operation: &str, input: Value) -> Result<Bytes, (String, u16, String)> {
        let body = Bytes::from(input.to_string());
        match self.logs.call(None, "request-id", operation, &body).await {
            Ok(Answer::Body(bytes)) => Ok(bytes),
            Ok(Answer::Events(_)) => panic!("{operation} answers with events"),
            Err(failure) => {
                assert!(failure.internal.is_none(), "{failure:?}");
                let code = failure.error.code;
                Err((code.name().to_owned(), code.status(), failure.error.message))
            }
        }
    }

    async fn ok(&self, operation: &str, input: Value) -> Value {
        let bytes = self.bytes(operation, input).await.unwrap();
        if bytes.is_empty() { Value::Null } else { serde_json::from_slice(&bytes).unwrap() }
    }

    async fn error(&self, operation: &str, input: Value) -> (String, String) {
        let (code, status, message) = self.bytes(operation, input).await.unwrap_err();
        assert_eq!(status, 400, "{code}: {message}");
        (code, message)
    }

    /// A group `/g` with a stream `s` and these events, a second apart and ending now.
    async fn with_events(count: u64) -> Self {
        let service = Self::new();
        service.ok("CreateLogGroup", json!({ "logGroupName": "/g" })).await;
        service.ok("CreateLogStream", json!({ "logGroupName": "/g", "logStreamName": "s" })).await;
        let event = |n| json!({ "timestamp": NOW - (count - n - 1) * 1_000, "message": format!("m{n}") });
        if count > 0 {
            let events: Vec<Value> = (0..count).map(event).collect();
            let input = json!({ "logGroupName": "/g", "logStreamName": "s", "logEvents": events });
            service.ok("PutLogEvents", input).await;
        }
        service
    }
}

fn texts(answer: &Value) -> Vec<&str> {
    answer["events"].as_array().unwrap().iter().map(|event| event["message"].as_str().unwrap()).collect()
}

#[tokio::test]
async fn groups_are_answered_as_aws_answers() {
    let service = Service::new();
    let made = service.bytes("CreateLogGroup", json!({ "logGroupName": "/g" })).await.unwrap();
    assert!(made.is_empty(), "no output is no body");
    let retention = json!({ "logGroupName": "/g", "retentionInDays": 14 });
    service.ok("PutRetentionPolicy", retention).await;
    let groups = service.ok("DescribeLogGroups", json!({})).await;
    let expected = json!({ "logGroups": [{
        "logGroupName": "/g", "creationTime": NOW, "retentionInDays": 14, "metricFilterCount": 0, "arn": format!("{ARN}:*"),
        "storedBytes": 0, "logGroupClass": "STANDARD", "logGroupArn": ARN, "deletionProtectionEnabled": false,
    }] });
    assert_eq!(groups, expected);
    let short = service.ok("DescribeLogGroups", json!({ "logGroupNamePattern": "g" })).await;
    assert_eq!(
        short,
        json!({ "logGroups": [{ "logGroupName": "/g", "creationTime": NOW, "arn": format!("{ARN}:*") }] })
    );
    service.ok("DeleteRetentionPolicy", json!({ "logGroupName": "/g" })).await;
    service.ok("CreateLogStream", json!({ "logGroupName": "/g", "logStreamName": "s" })).await;
    let streams = service.ok("DescribeLogStreams", json!({ "logGroupName": "/g" })).await;
    let expected = json!({ "logStreams": [{
        "logStreamName": "s", "creationTime": NOW, "arn": format!("{ARN}:log-stream:s"), "storedBytes": 0,
    }] });
    assert_eq!(streams, expected);
    service.ok("DeleteLogStream", json!({ "logGroupName": "/g", "logStreamName": "s" })).await;
    service.ok("DeleteLogGroup", json!({ "logGroupName": "/g" })).await;
    assert_eq!(service.ok("DescribeLogGroups", json!({})).await, json!({ "logGroups": [] }));
}

#[tokio::test]
async fn events_are_answered_as_aws_answers() {
    let service = Service::with_events(3).await;
    let answer =
        service.ok("GetLogEvents", json!({ "logGroupName": "/g", "logStreamName": "s", "limit": 2 })).await;
    assert_eq!(texts(&answer), ["m1", "m2"]);
    assert_eq!(answer["events"][1], json!({ "timestamp": NOW, "message": "m2", "ingestionTime": NOW }));
    for (token, start) in [("nextForwardToken", "f/"), ("nextBackwardToken", "b/")] {
        let token = answer[token].as_str().unwrap();
        assert!(token.starts_with(start) && token.ends_with("/s") && token.len() == 60, "{token}");
    }
    let found =
        service.ok("FilterLogEvents", json!({ "logGroupIdentifier": ARN, "filterPattern": "m1" })).await;
    let event = &found["events"][0];
    assert_eq!(event["eventId"].as_str().unwrap().len(), 56);
    assert_eq!(event["logStreamName"], "s");
    assert_eq!((&found["searchedLogStreams"], found.get("nextToken")), (&json!([]), None));
    let streams = service.ok("DescribeLogStreams", json!({ "logGroupIdentifier": "/g" })).await;
    let stream = &streams["logStreams"][0];
    assert_eq!(stream["firstEventTimestamp"], NOW - 2_000);
    assert_eq!(stream["lastEventTimestamp"], NOW);
    assert_eq!(stream["lastIngestionTime"], NOW);
}

#[tokio::test]
#[expect(clippy::too_many_lines, reason = "a table")]
async fn each_refusal_has_its_words() {
    let service = Service::with_events(1).await;
    let stream = |more: Value| {
        let mut input = json!({ "logGroupName": "/g", "logStreamName": "s" });
        input.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        input
    };
    let (invalid, missing) = ("InvalidParameterException", "ResourceNotFoundException");
    for (operation, input, code, words) in [
        (
            "CreateLogGroup",
            json!({ "logGroupName": "/g" }),
            "ResourceAlreadyExistsException",
            "The specified log group already exists",
        ),
        (
            "CreateLogStream",
            stream(json!({})),
            "ResourceAlreadyExistsException",
            "The specified log stream already exists",
        ),
        (
            "DeleteLogGroup",
            json!({ "logGroupName": "/no" }),
            missing,
            "The specified log group does not exist.",
        ),
        (
            "GetLogEvents",
            json!({ "logGroupName": "/g", "logStreamName": "no" }),
            missing,
            "The specified log stream does not exist.",
        ),
        (
            "GetLogEvents",
            stream(json!({ "nextToken": "f/1" })),
            invalid,
            "The specified nextToken is invalid.",
        ),
        (
            "GetLogEvents",
            stream(json!({ "limit": 0 })),
            invalid,
            "1 validation error detected: Value '0' at 'limit' failed to satisfy constraint: Member must have value greater than or equal to 1",
        ),
        (
            "GetLogEvents",
            stream(json!({ "startTime": -1 })),
            invalid,
            "1 validation error detected: Value '-1' at 'startTime' failed to satisfy constraint: Member must have value greater than or equal to 0",
        ),
        (
            "DescribeLogStreams",
            json!({ "logGroupName": "/g", "orderBy": "LastEventTime", "logStreamNamePrefix": "s" }),
            invalid,
            "Cannot order by LastEventTime with a logStreamNamePrefix.",
        ),
        (
            "PutLogEvents",
            stream(
                json!({ "logEvents": [{ "timestamp": 2, "message": "a" }, { "timestamp": 1, "message": "b" }] }),
            ),
            invalid,
            "Log events in a single PutLogEvents request must be in chronological order.",
        ),
        (
            "PutLogEvents",
            stream(
                json!({ "logEvents": [{ "timestamp": NOW - 90_000_000, "message": "a" }, { "timestamp": NOW, "message": "b" }] }),
            ),
            invalid,
            "The batch of log events in a single PutLogEvents request cannot span more than 24 hours.",
        ),
        (
            "FilterLogEvents",
            json!({ "logGroupName": "/g", "filterPattern": "a:b" }),
            invalid,
            "Invalid character(s) in term 'a:b'",
        ),
        (
            "StartLiveTail",
            json!({ "logGroupIdentifiers": ["/no"] }),
            missing,
            "The specified log group does not exist.",
        ),
        (
            "PutRetentionPolicy",
            json!({ "logGroupName": "/g", "retentionInDays": 2 }),
            invalid,
            "1 validation error detected: Value '2' at 'retentionInDays' failed to satisfy constraint: Member must satisfy enum value set: [1, 3, 5, 7, \
          14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 2192, 2557, 2922, 3288, 3653]",
        ),
        ("DeleteRetentionPolicy", json!([]), "SerializationException", ""),
        (
            "DescribeQueries",
            json!({}),
            "UnknownOperationException",
            "DescribeQueries is not an operation that this version of Millstream supports.",
        ),
    ] {
        let (found, message) = service.error(operation, input).await;
        assert_eq!(found, code, "{operation}: {message}");
        assert!(message == words || words.is_empty(), "{operation}: {message}");
    }
}

#[tokio::test]
async fn tokens_end_where_the_events_do() {
    let service = Service::with_events(5).await;
    let get = async |more: Value| {
        let mut input = json!({ "logGroupName": "/g", "logStreamName": "s", "limit": 2 });
        input.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        service.ok("GetLogEvents", input).await
    };
    let (mut answer, mut pages) = (get(json!({ "startFromHead": true })).await, Vec::new());
    loop {
        pages.push(texts(&answer).len());
        let next = get(json!({ "startFromHead": true, "nextToken": answer["nextForwardToken"] })).await;
        if next["nextForwardToken"] == answer["nextForwardToken"] {
            assert_eq!(texts(&next), Vec::<&str>::new());
            break;
        }
        answer = next;
    }
    assert_eq!(pages, [2, 2, 1]);
    let empty = Service::with_events(0).await;
    let input = json!({ "logGroupName": "/g", "logStreamName": "s" });
    let first = empty.ok("GetLogEvents", input.clone()).await;
    let again = json!({ "logGroupName": "/g", "logStreamName": "s", "nextToken": first["nextForwardToken"] });
    assert_eq!(empty.ok("GetLogEvents", again.clone()).await["nextForwardToken"], first["nextForwardToken"]);
    let events = json!([{ "timestamp": NOW, "message": "at last" }]);
    let put = json!({ "logGroupName": "/g", "logStreamName": "s", "logEvents": events });
    empty.ok("PutLogEvents", put).await;
    assert_eq!(texts(&empty.ok("GetLogEvents", again).await), ["at last"]);
}

#[tokio::test]
async fn what_is_older_than_the_policy_is_not_shown() {
    let service = Service::with_events(2).await;
    service.ok("PutRetentionPolicy", json!({ "logGroupName": "/g", "retentionInDays": 1 })).await;
    let find = json!({ "logGroupName": "/g" });
    assert_eq!(texts(&service.ok("FilterLogEvents", find.clone()).await).len(), 2);
    service.clock.advance_millis(24 * 60 * 60 * 1_000 - 500);
    assert_eq!(texts(&service.ok("FilterLogEvents", find.clone()).await), ["m1"]);
    let old =
        json!([{ "timestamp": NOW - 1_000, "message": "x" }, { "timestamp": NOW + 1_000, "message": "y" }]);
    let put = json!({ "logGroupName": "/g", "logStreamName": "s", "logEvents": old });
    let answer = service.ok("PutLogEvents", put).await;
    assert_eq!(answer["rejectedLogEventsInfo"], json!({ "expiredLogEventEndIndex": 1 }));
    assert_eq!(texts(&service.ok("FilterLogEvents", find).await), ["m1", "y"]);
}

#[tokio::test]
async fn functions_write_to_the_home_that_they_are_of() {
    let service = Service::new();
    let sink = FunctionLogs::new(service.store.clone(), Home::default(), Arc::new(TracingSink));
    for (arn, text) in [
        ("arn:aws:lambda:us-east-1:000000000000:function:f", "here"),
        ("arn:aws:lambda:eu-west-1:111122223333:function:f:live", "there"),
    ] {
        sink.line(LogLine {
            function: "f",
            function_arn: arn,
            log_group: "/aws/lambda/f",
            log_stream: "2026/11/23/[$LATEST]0123",
            request_id: None,
            at: service.clock.now(),
            text: text.as_bytes(),
        });
    }
    let find = json!({ "logGroupName": "/aws/lambda/f" });
    assert_eq!(texts(&service.ok("FilterLogEvents", find.clone()).await), ["here\n"]);
    let far =
        Service { logs: service.logs.at(Home::default().beside("eu-west-1", "111122223333")), ..service };
    assert_eq!(texts(&far.ok("FilterLogEvents", find).await), ["there\n"]);
}

#[tokio::test(start_paused = true)]
async fn a_live_tail_starts_updates_and_ends_after_three_hours() {
    let service = Service::with_events(0).await;
    let input =
        json!({ "logGroupIdentifiers": [ARN], "logStreamNames": ["s"], "logEventFilterPattern": "yes" });
    let body = Bytes::from(input.to_string());
    let Answer::Events(mut events) =
        service.logs.call(None, "request-id", "StartLiveTail", &body).await.unwrap()
    else {
        panic!("no events")
    };
    let mut next = async || {
        let bytes = events.next().await?;
        let frame = event_stream::decode(&bytes).unwrap().unwrap().0;
        let header =
            |name: &str| frame.headers.iter().find(|(key, _)| key == name).map(|(_, value)| value.clone());
        let kind = header(":event-type").or_else(|| header(":exception-type")).unwrap();
        let body: Value = serde_json::from_slice(&frame.payload).unwrap();
        Some((kind, body))
    };
    assert_eq!(next().await.unwrap(), ("initial-response".to_owned(), json!({})));
    let (kind, start) = next().await.unwrap();
    assert_eq!((kind.as_str(), &start["requestId"]), ("sessionStart", &json!("request-id")));
    assert_eq!(start["logGroupIdentifiers"], json!([ARN]));
    let put = |text: &str| {
        let events = json!([{ "timestamp": NOW, "message": text }]);
        json!({ "logGroupName": "/g", "logStreamName": "s", "logEvents": events })
    };
    service.ok("PutLogEvents", put("yes")).await;
    service.ok("PutLogEvents", put("no")).await;
    let (kind, update) = next().await.unwrap();
    assert_eq!(kind, "sessionUpdate");
    let expected = json!({
        "sessionResults": [{
            "logStreamName": "s", "logGroupIdentifier": ARN, "message": "yes", "timestamp": NOW, "ingestionTime": NOW,
        }],
        "sessionMetadata": { "sampled": false },
    });
    assert_eq!(update, expected);
    assert_eq!(next().await.unwrap().1["sessionResults"], json!([]));
    let mut updates = 2;
    let last = loop {
        let (kind, body) = next().await.unwrap();
        if kind != "sessionUpdate" {
            break (kind, body);
        }
        updates += 1;
    };
    assert_eq!(last.0, "SessionTimeoutException");
    assert!(next().await.is_none());
    assert!((10_795..=10_800).contains(&updates), "{updates}");
}

/// The page says what the service answers.
#[tokio::test]
async fn the_page_of_compatibility_has_every_operation() {
    let service = Service::new();
    let (_, section) = PAGE.split_once("## CloudWatch Logs").unwrap();
    for operation in Operation::ALL {
        assert!(section.contains(&format!("| `{}` |", operation.name())), "{}", operation.name());
        let answer = service.bytes(operation.name(), json!([])).await;
        assert_eq!(answer.unwrap_err().0, "SerializationException", "{}", operation.name());
    }
}
