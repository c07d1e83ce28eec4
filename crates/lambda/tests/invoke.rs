//! Invoke, with functions that really run. This program is its own sandbox, as the server is, so it has no test harness:
//! it succeeds silently or panics. Where the kernel refuses the sandbox, what needs it is left out and said so.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod common;

use bytes::Bytes;
use common::{FUNCTION_ARN, Reply, World, create, create_with, still_world, zip_of};
use millstream_functions::{FoundRuntime, Options, Runtime, SANDBOX_COMMAND, sandbox_main};
use serde_json::{Value, json};
use std::ffi::OsStr;
use std::io::Write;
use std::process::ExitCode;

const CODE: &str = "
import os

def handle(event, context):
    print('called with', event)
    if event == 'fail':
        raise ValueError('as asked')
    client = context.client_context
    return {
        'event': event, 'id': context.aws_request_id, 'arn': context.invoked_function_arn,
        'mine': os.environ.get('MINE'), 'client': client.custom if client else None,
    }
";

fn main() -> ExitCode {
    let mut args = std::env::args_os().skip(1);
    if args.next().as_deref() == Some(OsStr::new(SANDBOX_COMMAND)) {
        return sandbox_main(args);
    }
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    runtime.block_on(async {
        before_it_runs().await;
        running().await;
    });
    common::transport::in_other_ways();
    ExitCode::SUCCESS
}

async fn invoke(world: &World, query: &str, headers: Vec<(&str, &str)>, body: &'static [u8]) -> Reply {
    let target = format!("/2015-03-31/functions/offer/invocations{query}");
    world.call_raw("POST", &target, headers, Bytes::from_static(body)).await
}

/// What is answered without a worker.
async fn before_it_runs() {
    let world = still_world(Options::default()).await;
    assert_eq!(world.call("POST", "/2015-03-31/functions", create("offer")).await.status, 201);
    let pending = invoke(&world, "", Vec::new(), b"{}").await;
    let why = "The operation cannot be performed at this time. The function is currently in the following state: Pending";
    assert_eq!(pending.error(), (409, "ResourceConflictException".into(), why.into()));

    let streamed = stream(&world, "", Vec::new(), b"{}").await;
    assert_eq!(streamed.error(), (409, "ResourceConflictException".into(), why.into()));

    tokio::spawn(world.lambda.clone().run_lifecycle());
    world.settled("offer").await;
    let dry = invoke(&world, "", vec![("X-Amz-Invocation-Type", "DryRun")], b"{}").await;
    assert_eq!((dry.status, dry.body), (204, Value::Null));
    later(&world).await;
    let unknown = invoke(&world, "", vec![("X-Amz-Invocation-Type", "Later")], b"{}").await;
    assert_eq!(unknown.error().1, "ValidationException");

    for body in [&b"{\"a\":"[..], b"hello", b"{} {}", b"\"\xff\""] {
        let (status, code, text) = invoke(&world, "", Vec::new(), body).await.error();
        assert_eq!((status, code.as_str()), (400, "InvalidRequestContentException"), "{body:?}");
        let start = "Could not parse request body into json: Could not parse payload into json: ";
        assert!(text.starts_with(start), "{text}");
    }
    let large: &'static [u8] = Box::leak(vec![b' '; 6_291_457].into_boxed_slice());
    let why = "Request must be smaller than 6291456 bytes for the InvokeFunction operation";
    let large = invoke(&world, "", Vec::new(), large).await;
    assert_eq!(large.error(), (413, "RequestEntityTooLargeException".into(), why.into()));
    let context = invoke(&world, "", vec![("X-Amz-Client-Context", "e30")], b"{}").await;
    assert_eq!(context.error().1, "InvalidRequestContentException");
}

/// Events are taken, or not, without a worker.
async fn later(world: &World) {
    let event = || vec![("x-amz-invocation-type", "Event")];
    let taken = invoke(world, "", event(), b"{}").await;
    assert_eq!((taken.status, &taken.body), (202, &Value::Null));
    assert_eq!((taken.header("X-Amz-Executed-Version"), taken.header("X-Amz-Function-Error")), (None, None));
    assert_eq!(invoke(world, "", event(), b"").await.status, 202);
    let large: &'static [u8] = Box::leak(vec![b' '; 1_048_577].into_boxed_slice());
    let refused = invoke(world, "", event(), large).await;
    let why = "Request must be smaller than 1048576 bytes for the InvokeFunction operation";
    assert_eq!(refused.error(), (413, "RequestEntityTooLargeException".into(), why.into()));
    let bad = invoke(world, "", event(), b"{").await;
    assert_eq!(bad.error().1, "InvalidRequestContentException");
    let gone = invoke(world, "?Qualifier=7", event(), b"{}").await;
    assert_eq!(gone.error().2, format!("Function not found: {FUNCTION_ARN}:offer:7"));

    let old = "/2014-11-13/functions/offer/invoke-async/";
    let taken = world.call_raw("POST", old, Vec::new(), Bytes::from_static(b"[1]")).await;
    assert_eq!((taken.status, &taken.body), (202, &Value::Null));
    let refused = world.call_raw("POST", old, Vec::new(), Bytes::from_static(&large[..262_145])).await;
    let why = "Request must be smaller than 262144 bytes for the InvokeAsync operation";
    assert_eq!(refused.error(), (413, "RequestEntityTooLargeException".into(), why.into()));
    let gone = world
        .call_raw("POST", "/2014-11-13/functions/g/invoke-async", Vec::new(), Bytes::from_static(b"{}"))
        .await;
    assert_eq!(
        gone.error(),
        (404, "ResourceNotFoundException".into(), format!("Function not found: {FUNCTION_ARN}:g:$LATEST"))
    );
}

async fn stream(world: &World, query: &str, headers: Vec<(&str, &str)>, body: &'static [u8]) -> Reply {
    let target = format!("/2021-11-15/functions/offer/response-streaming-invocations{query}");
    world.call_raw("POST", &target, headers, Bytes::from_static(body)).await
}

/// InvokeWithResponseStream: refused as Invoke is, and in frames.
async fn streamed(world: &World) {
    let reply = stream(world, "?Qualifier=$LATEST", vec![("X-Amz-Log-Type", "Tail")], b"[1]").await;
    assert_eq!(reply.status, 200);
    assert_eq!(reply.header("X-Amz-Executed-Version"), Some("$LATEST"));
    assert_eq!(reply.header("Content-Type"), Some("application/vnd.amazon.eventstream"));
    let frames = reply.frames();
    let names: Vec<&str> = frames.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(names, ["PayloadChunk", "InvokeComplete"]);
    let answer: Value = serde_json::from_slice(&frames[0].1).unwrap();
    assert_eq!((&answer["event"], &answer["id"]), (&json!([1]), &json!(reply.request_id())));
    let complete: Value = serde_json::from_slice(&frames[1].1).unwrap();
    assert_eq!(complete.as_object().unwrap().len(), 1);
    let log = base64_simd::STANDARD.decode_to_vec(complete["LogResult"].as_str().unwrap()).unwrap();
    assert!(String::from_utf8(log).unwrap().contains("called with [1]"));

    let failed = stream(world, "", Vec::new(), b"\"fail\"").await;
    let [(name, complete)] = &failed.frames()[..] else { panic!("{:?}", failed.frames()) };
    let complete: Value = serde_json::from_slice(complete).unwrap();
    assert_eq!((name.as_str(), &complete["ErrorCode"]), ("InvokeComplete", &json!("Unhandled")));
    let details: Value = serde_json::from_str(complete["ErrorDetails"].as_str().unwrap()).unwrap();
    assert_eq!((&details["errorType"], &details["errorMessage"]), (&json!("ValueError"), &json!("as asked")));
    assert_eq!(complete.get("LogResult"), None);

    let dry = stream(world, "", vec![("X-Amz-Invocation-Type", "DryRun")], b"{}").await;
    assert_eq!((dry.status, &dry.body, &dry.bytes[..]), (204, &Value::Null, &b""[..]));
    let gone = stream(world, "?Qualifier=7", Vec::new(), b"{}").await;
    assert_eq!(gone.error().2, format!("Function not found: {FUNCTION_ARN}:offer:7"));
    assert_eq!(stream(world, "", Vec::new(), b"{").await.error().1, "InvalidRequestContentException");
    let large: &'static [u8] = Box::leak(vec![b' '; 6_291_457].into_boxed_slice());
    let why = "Request must be smaller than 6291456 bytes for the InvokeFunction operation";
    let refused = (413, "RequestEntityTooLargeException".to_owned(), why.to_owned());
    assert_eq!(stream(world, "", Vec::new(), large).await.error(), refused);
    for header in [("X-Amz-Invocation-Type", "Event"), ("X-Amz-Log-Type", "All")] {
        assert_eq!(
            stream(world, "", vec![header], b"{}").await.error().1,
            "ValidationException",
            "{header:?}"
        );
    }
    let context = stream(world, "", vec![("X-Amz-Client-Context", "e30")], b"{}").await;
    assert_eq!(context.error().1, "InvalidRequestContentException");
    let tenant = stream(world, "", vec![("X-Amz-Tenant-Id", "t")], b"{}").await;
    assert!(tenant.error().2.starts_with("TenantId is not supported"), "{:?}", tenant.error());
}

/// An event gets to its function, and what came of it to another.
async fn events(world: &World) {
    let path = "/2019-09-25/functions/offer/event-invoke-config";
    let stream = world.stream("told").await;
    let told = json!({ "DestinationConfig": { "OnSuccess": { "Destination": stream } } });
    assert_eq!(world.call("PUT", path, told).await.status, 200);
    let trace = "Root=1-5759e988-bd862e3fe1be46a994272793";
    let headers = vec![
        ("X-Amz-Invocation-Type", "Event"),
        ("X-Amzn-Trace-Id", trace),
        ("X-Amz-Client-Context", "e30="),
    ];
    let taken = invoke(world, "", headers, b"[7]").await;
    assert_eq!(taken.status, 202);
    let shard = world.control.state().stream("told").unwrap().shards[0].log;
    world.engine.log().tail(shard).unwrap().beyond(millstream_types::Position(0)).await.unwrap();
    let state = world.control.state();
    let stream = state.stream("told").unwrap();
    let limit = millstream_engine::PageLimit { records: 9, bytes: 1 << 20 };
    let page =
        world.engine.read(stream, &stream.shards[0], millstream_types::Position(0), limit).await.unwrap();
    let record: Value = serde_json::from_slice(&page.records[0].data).unwrap();
    let context = json!({
        "requestId": taken.request_id(), "functionArn": format!("{FUNCTION_ARN}:offer:$LATEST"), "condition": "Success",
        "approximateInvokeCount": 1,
    });
    assert_eq!((&record["requestContext"], &record["requestPayload"]), (&context, &json!([7])));
    let answer = &record["responsePayload"];
    assert_eq!(
        (&answer["event"], &answer["id"], &answer["client"]),
        (&json!([7]), &json!(taken.request_id()), &Value::Null)
    );
    assert_eq!(record["responseContext"], json!({ "statusCode": 200, "executedVersion": "$LATEST" }));
    let measures = world.events.measures();
    assert_eq!((measures.len(), measures[0].received, measures[0].dropped), (1, 1, 0));
}

async fn running() {
    let world = still_world(Options::default()).await;
    if let Err(unavailable) = world.functions.isolation() {
        return left_out(&unavailable.to_string());
    }
    let is_python = |found: &FoundRuntime| matches!(found.runtime, Runtime::Python { .. });
    let python = world.functions.available_runtimes().await.into_iter().find(is_python);
    let Some(python) = python else { return left_out("this machine has no Python that Lambda has") };
    tokio::spawn(world.lambda.clone().run_lifecycle());
    let members = json!({
        "Runtime": python.runtime.to_string(), "Handler": "main.handle", "Timeout": 30,
        "Code": { "ZipFile": zip_of(&[("main.py", CODE)]) }, "Environment": { "Variables": { "MINE": "yes" } },
    });
    let made = world.call("POST", "/2015-03-31/functions", create_with("offer", members)).await;
    assert_eq!(made.status, 201, "{:?}", made.body);
    world.settled("offer").await;

    let context = base64_simd::STANDARD.encode_to_string(r#"{"custom":{"k":"v"}}"#);
    let headers = vec![("X-Amz-Log-Type", "Tail"), ("X-Amz-Client-Context", context.as_str())];
    let reply = invoke(&world, "?Qualifier=$LATEST", headers, b" [1] ").await;
    assert_eq!(reply.status, 200, "{:?}", reply.body);
    let arn = format!("{FUNCTION_ARN}:offer:$LATEST");
    let expected =
        json!({ "event": [1], "id": reply.request_id(), "arn": arn, "mine": "yes", "client": { "k": "v" } });
    assert_eq!(reply.body, expected);
    assert_eq!(reply.header("X-Amz-Executed-Version"), Some("$LATEST"));
    assert_eq!(reply.header("X-Amz-Function-Error"), None);
    let log = base64_simd::STANDARD.decode_to_vec(reply.header("X-Amz-Log-Result").unwrap()).unwrap();
    let log = String::from_utf8(log).unwrap();
    assert!(
        log.contains(&format!("START RequestId: {}", reply.request_id())) && log.contains("called with [1]"),
        "{log}"
    );

    let empty = invoke(&world, "", Vec::new(), b"").await;
    assert_eq!((&empty.body["event"], empty.header("X-Amz-Log-Result")), (&json!({}), None));

    let failed = invoke(&world, "", Vec::new(), b"\"fail\"").await;
    assert_eq!((failed.status, failed.header("X-Amz-Function-Error")), (200, Some("Unhandled")));
    assert_eq!(failed.body["errorMessage"], "as asked");
    assert_eq!(failed.body["errorType"], "ValueError");

    streamed(&world).await;
    events(&world).await;
    assert_eq!(world.call("DELETE", "/2015-03-31/functions/offer", Value::Null).await.status, 204);
    let gone = invoke(&world, "", Vec::new(), b"{}").await;
    assert_eq!(gone.error().2, format!("Function not found: {arn}"));
    world.functions.shutdown().await;
}

fn left_out(why: &str) {
    std::io::stderr().write_all(format!("invoke: nothing was run: {why}\n").as_bytes()).unwrap();
}
