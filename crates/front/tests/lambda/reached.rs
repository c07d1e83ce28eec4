//! The table of operations and the model's errors, against what the tests have seen.

#[path = "../../../lambda/tests/common/mod.rs"]
mod common;

use bytes::Bytes;
use common::{FUNCTION_ARN, transport, world};
use millstream_front::caps;
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};

const PAGE: &str = include_str!("../../../../docs/compatibility.md");
const MODEL: &str = include_str!("../../../../models/lambda.json");

#[path = "unreached.rs"]
mod unreached;
use unreached::{NEVER, SOMETIMES, STATUSES};

fn supported() -> BTreeSet<&'static str> {
    let (_, page) = PAGE.split_once("\n## Lambda\n").unwrap();
    let rows =
        page.lines().filter(|line| line.starts_with("| `") && !line.contains("UnknownOperationException"));
    rows.map(|line| line.split('`').nth(1).unwrap()).collect()
}

#[test]
fn over_the_other_version_the_same_is_answered_and_every_operation_is_reached() {
    let told = transport::in_other_ways();
    if told.is_empty() {
        return;
    }
    let model: Value = serde_json::from_str(MODEL).unwrap();
    let told: BTreeSet<_> = told
        .lines()
        .filter_map(|line| {
            let mut words = line.strip_prefix("told ")?.split(' ');
            Some((words.next()?, words.next()?.parse::<u64>().ok()?, words.next()?))
        })
        .collect();
    let (mut unreached, mut seen) = (BTreeMap::<&str, BTreeSet<&str>>::new(), 0);
    for (name, operation) in model["operations"].as_object().unwrap() {
        if !supported().contains(name.as_str()) {
            continue;
        }
        seen += 1;
        let of: Vec<_> = told.iter().filter(|(operation, ..)| operation == name).collect();
        assert!(of.iter().any(|(_, _, code)| *code == "-"), "no test calls {name} successfully");
        for (_, status, code) in of {
            match model["shapes"][*code]["error"]["httpStatusCode"].as_u64() {
                Some(modelled) => assert_eq!(*status, modelled, "{name}: {code}"),
                None if *code != "-" || STATUSES.contains(&(name, *status)) => {}
                None => assert_eq!(
                    Some(*status),
                    operation["http"]["responseCode"].as_u64().or(Some(200)),
                    "{name}"
                ),
            }
        }
        for error in operation["errors"].as_array().into_iter().flatten() {
            let error = error["shape"].as_str().unwrap();
            if !told.iter().any(|(operation, _, code)| operation == name && *code == error) {
                unreached.entry(error).or_default().insert(name);
            }
        }
    }
    assert!(seen > 50, "{seen}");
    for (why, errors) in NEVER {
        for error in *errors {
            assert!(told.iter().all(|(.., code)| code != error), "{error} is answered, and not: {why}");
            assert!(unreached.remove(error).is_some(), "{error} is none of the model's");
        }
    }
    let listed: BTreeMap<&str, BTreeSet<&str>> = SOMETIMES
        .iter()
        .map(|(_, error, operations)| (*error, operations.iter().copied().collect()))
        .collect();
    assert_eq!(unreached, listed, "the errors that no test produces, and the list of them");
}

#[tokio::test]
async fn what_invokes_answers_with_its_status_and_no_body() {
    let world = world().await;
    world.function("f").await;
    let payload = || Bytes::from_static(b"{}");
    let old = "/2014-11-13/functions/f/invoke-async/";
    let streams = "/2021-11-15/functions/f/response-streaming-invocations";
    let waits = "/2015-03-31/functions/f/invocations";
    let kind = |kind| vec![("X-Amz-Invocation-Type", kind)];
    for (target, headers, status) in [
        (old, Vec::new(), 202),
        (waits, kind("Event"), 202),
        (waits, kind("DryRun"), 204),
        (streams, kind("DryRun"), 204),
    ] {
        let reply = world.call_raw("POST", target, headers.clone(), payload()).await;
        assert_eq!((reply.status, &reply.bytes[..]), (status, &b""[..]), "{target}");
        let refused = world.call_raw("POST", target, headers.clone(), Bytes::from_static(b"{")).await;
        assert_eq!(
            (refused.status, &*refused.error().1),
            (400, "InvalidRequestContentException"),
            "{target}"
        );
        let gone = world.call_raw("POST", &target.replace("/f/", "/g/"), headers, payload()).await;
        assert_eq!((gone.status, &*gone.error().1), (404, "ResourceNotFoundException"), "{target}");
    }
    let unsigned = world.call("GET", "/2020-06-30/functions/f/code-signing-config", Value::Null).await;
    assert_eq!((unsigned.status, &unsigned.body["FunctionName"]), (200, &json!("f")));
}

#[tokio::test]
async fn a_function_that_is_not_there_is_not_found() {
    let world = world().await;
    let tags = format!("/2017-03-31/tags/{FUNCTION_ARN}:none");
    let untag = format!("{tags}?tagKeys=a");
    for (method, target, body) in [
        ("GET", "/2015-03-31/functions/none/aliases", Value::Null),
        ("GET", "/2015-03-31/functions/none/versions", Value::Null),
        ("POST", "/2015-03-31/functions/none/versions", json!({})),
        ("PUT", "/2017-10-31/functions/none/concurrency", json!({"ReservedConcurrentExecutions": 1})),
        ("DELETE", "/2017-10-31/functions/none/concurrency", Value::Null),
        ("GET", "/2019-09-30/functions/none/concurrency", Value::Null),
        ("GET", "/2021-10-31/functions/none/urls", Value::Null),
        ("GET", "/2020-06-30/functions/none/code-signing-config", Value::Null),
        ("POST", &tags, json!({"Tags": {"a": "b"}})),
        ("DELETE", &untag, Value::Null),
    ] {
        let reply = world.call(method, target, body).await;
        assert_eq!(
            (reply.status, &*reply.error().1),
            (404, "ResourceNotFoundException"),
            "{method} {target}"
        );
    }
}

/// What the front itself refuses, it refuses in the words of the service.
#[tokio::test]
async fn a_request_that_is_too_large_is_told_by_how_much() {
    let world = world().await;
    let large = Bytes::from(vec![b' '; caps::INVOCATION_BODY + 1]);
    let path = "/2015-03-31/functions/f/invocations";
    let code = "RequestEntityTooLargeException".to_owned();
    let why = "Request must be smaller than 6291456 bytes for the InvokeFunction operation".to_owned();
    let refused = world.call_raw("POST", path, Vec::new(), large).await;
    assert_eq!(refused.error(), (413, code.clone(), why));
    let large = Bytes::from(vec![b' '; caps::LAMBDA_BODY + 1]);
    let refused = world.call_raw("POST", "/2015-03-31/functions", Vec::new(), large).await;
    let why = "Request must be smaller than 70167211 bytes for the CreateFunction operation".to_owned();
    assert_eq!(refused.error(), (413, code, why));
}
