//! Responses that are streamed, by functions that really run.

use crate::common::{call, invoke, json, py, python, spec, start, text};
use bytes::Bytes;
use millstream_functions::{
    FunctionError, FunctionSpec, Functions, InvokeError, InvokeReply, Options, Runtime, Streaming, caps,
};
use serde_json::json;
use std::sync::Arc;

/// Speaks the Runtime API with sockets alone: `handler(event, write, end)` writes chunks and ends the response, perhaps
/// with an error's type and body.
const RUNTIME: &str = r#"
import base64, json, os, socket, sys, threading, time

sys.stdout.reconfigure(line_buffering=True)
host, port = os.environ["AWS_LAMBDA_RUNTIME_API"].split(":")
MODE = "Lambda-Runtime-Function-Response-Mode: streaming\r\nTransfer-Encoding: chunked\r\nContent-Type: text/plain\r\n"

class Next:
    def __init__(self):
        self.socket = socket.create_connection((host, int(port)))
        self.socket.sendall(b"GET /2018-06-01/runtime/invocation/next HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        answer = b""
        while piece := self.socket.recv(65536):
            answer += piece
        head, self.body = answer.split(b"\r\n\r\n", 1)
        lines = [line.split(": ", 1) for line in head.decode().split("\r\n")[1:]]
        self.id = {name.lower(): value for name, value in lines}["lambda-runtime-aws-request-id"]
        self.socket = socket.create_connection((host, int(port)))
        path = f"/2018-06-01/runtime/invocation/{self.id}/response"
        self.socket.sendall(f"POST {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n{MODE}\r\n".encode())
    def write(self, data):
        self.socket.sendall(f"{len(data):x}\r\n".encode() + data + b"\r\n")
    def end(self, kind=None, body=b""):
        trailers = f"Lambda-Runtime-Function-Error-Type: {kind}\r\nLambda-Runtime-Function-Error-Body: {base64.b64encode(body).decode()}\r\n" if kind else ""
        self.socket.sendall(f"0\r\n{trailers}\r\n".encode())
        while self.socket.recv(65536):
            pass

count = 0
while True:
    this = Next()
    count += 1
    handler(json.loads(this.body), this.write, this.end)
"#;

/// A function whose `handler` is this code.
async fn streaming(functions: &Functions, handler: &str) -> FunctionSpec {
    let Runtime::Python { minor } = python(functions).await else { panic!("not a Python") };
    // Its own runtime, in place of the bundled client.
    let code = format!("{handler}{RUNTIME}");
    let mut made = spec(functions, Runtime::Python { minor }, &[("main.py", &code)]).await;
    made.revision = millstream_host::entropy::uuid();
    made
}

async fn stream(functions: &Functions, spec: &Arc<FunctionSpec>, payload: &str) -> Streaming {
    functions.invoke_streaming(Arc::clone(spec), call(payload)).await.unwrap()
}

/// All of a response, and its end.
async fn whole(mut streaming: Streaming) -> (Vec<Bytes>, InvokeReply) {
    let mut chunks = Vec::new();
    while let Some(chunk) = streaming.next().await {
        assert!(!chunk.is_empty() && chunk.len() <= caps::STREAM_CHUNK_BYTES);
        chunks.push(chunk);
    }
    (chunks, streaming.end().await.unwrap())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_response_arrives_while_it_is_written() {
    let Some(functions) = start(Options::default()).await else { return };
    // It waits for a word that comes only from who has seen the first chunk.
    let handler = "
def handler(event, write, end):
    write(b'first')
    print('wrote', event)
    with socket.create_connection(('127.0.0.1', event)) as peer:
        peer.recv(1)
    write(b'second')
    end()
";
    let made = Arc::new(streaming(&functions, handler).await);
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let payload = listener.local_addr().unwrap().port().to_string();
    let mut streaming = stream(&functions, &made, &payload).await;
    assert_eq!((streaming.executed_version(), streaming.content_type()), ("$LATEST", Some("text/plain")));
    assert_eq!(streaming.next().await.unwrap(), "first");
    drop(listener.accept().await.unwrap());
    assert_eq!(streaming.next().await.unwrap(), "second");
    assert_eq!(streaming.next().await, None);
    let reply = streaming.end().await.unwrap();
    assert_eq!((reply.function_error, &reply.payload[..]), (None, &b""[..]));
    let log = text(&reply.log_tail);
    assert!(
        log.starts_with("START RequestId: ") && log.contains("\nwrote ") && log.contains("\nREPORT "),
        "{log}"
    );
    // The same worker takes the next one, whose caller wants it whole.
    let hears = async { drop(listener.accept().await.unwrap()) };
    let (reply, ()) = tokio::join!(invoke(&functions, &made, &payload), hears);
    assert_eq!((reply.function_error, text(&reply.payload)), (None, "firstsecond".to_owned()));
    assert!(reply.init.is_none(), "it was warm");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_that_fails_says_how() {
    let Some(functions) = start(Options::default()).await else { return };
    let handler = r#"
def handler(event, write, end):
    if event != 'early':
        write(b'half')
    match event:
        case 'told' | 'early': end('Odd', b'{"errorType":"Odd","errorMessage":"as asked"}')
        case 'bare': end('Odd')
        case 'hang': time.sleep(600)
"#;
    let mut made = streaming(&functions, handler).await;
    made.timeout_secs = 2;
    let made = Arc::new(made);
    let told = json!({ "errorType": "Odd", "errorMessage": "as asked" });
    for (event, error) in [
        ("told", told.clone()),
        ("early", told),
        ("bare", json!({ "errorType": "Odd", "errorMessage": "" })),
        ("hang", json!("Task timed out after 2.00 seconds")),
    ] {
        let streaming = stream(&functions, &made, &json!(event).to_string()).await;
        let (chunks, reply) = whole(streaming).await;
        let wanted: &[&str] = if event == "early" { &[] } else { &["half"] };
        assert_eq!(chunks, wanted, "{event}");
        assert_eq!(reply.function_error, Some(FunctionError::Unhandled), "{event}");
        let payload = json(&reply.payload);
        let message = payload["errorMessage"].as_str().unwrap();
        assert!(
            payload == error || error.as_str().is_some_and(|end| message.ends_with(end)),
            "{event}: {payload}"
        );
        // Who wants it whole is told the same.
        let reply = invoke(&functions, &made, &json!(event).to_string()).await;
        let again = json(&reply.payload);
        assert_eq!(
            (reply.function_error.is_some(), &again["errorType"]),
            (true, &payload["errorType"]),
            "{event}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_process_wrote_before_its_end_arrives() {
    let Some(functions) = start(Options::default()).await else { return };
    let handler = "
def handler(event, write, end):
    write(b'first')
    with socket.create_connection(('127.0.0.1', event['port'])) as peer:
        peer.recv(1)
    write(b'last')
    if event['exit']:
        os._exit(3)
    end.__self__.socket.shutdown(socket.SHUT_RDWR)
    time.sleep(600)
";
    let made = Arc::new(streaming(&functions, handler).await);
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    for (exit, kind, why) in [
        (true, "Runtime.ExitError", "Runtime exited with error: exit status 3"),
        (false, "Runtime.TruncatedResponse", "The response broke off before its end"),
    ] {
        let event = json!({ "port": port, "exit": exit }).to_string();
        let mut streaming = stream(&functions, &made, &event).await;
        assert_eq!(streaming.next().await.unwrap(), "first");
        drop(listener.accept().await.unwrap());
        let (chunks, reply) = whole(streaming).await;
        assert_eq!(
            (chunks.concat(), reply.function_error),
            (b"last".to_vec(), Some(FunctionError::Unhandled))
        );
        let error = json(&reply.payload);
        assert_eq!(error["errorType"], kind);
        assert!(error["errorMessage"].as_str().unwrap().ends_with(why), "{error}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_function_goes_on_when_its_caller_is_gone() {
    let Some(functions) = start(Options::default()).await else { return };
    let handler = "
def handler(event, write, end):
    for _ in range(event):
        write(b'x' * 1_000_000)
    end()
    print('ended', count)
";
    let made = Arc::new(streaming(&functions, handler).await);
    let mut gone = stream(&functions, &made, "50").await;
    assert!(gone.next().await.is_some());
    drop(gone);
    // It ends by itself: only then is its worker free, and found warm.
    loop {
        let count = functions.workers();
        if count.busy == 0 {
            break;
        }
        tokio::task::yield_now().await;
    }
    let (chunks, reply) = whole(stream(&functions, &made, "1").await).await;
    assert_eq!(chunks.iter().map(Bytes::len).sum::<usize>(), 1_000_000);
    assert!(reply.function_error.is_none() && reply.init.is_none(), "a warm worker");
    assert_eq!(functions.counts()[0].invocations, 2);
    // What was not taken is of no concern at the end.
    let reply = stream(&functions, &made, "20").await.end().await.unwrap();
    assert_eq!((reply.function_error, reply.payload.len()), (None, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_endless_response_is_cut_at_the_limit() {
    let Some(functions) = start(Options::default()).await else { return };
    let handler = "
def handler(event, write, end):
    data = b'x' * 1_000_000
    while True:
        write(data)
";
    let mut made = streaming(&functions, handler).await;
    made.timeout_secs = 300;
    let made = Arc::new(made);
    let (chunks, reply) = whole(stream(&functions, &made, "{}").await).await;
    assert_eq!(chunks.iter().map(Bytes::len).sum::<usize>(), caps::MAX_STREAM_BYTES);
    let why = "Response payload size exceeded maximum allowed payload size (209715200 bytes).";
    let error = json!({ "errorType": "Function.ResponseSizeTooLarge", "errorMessage": why });
    assert_eq!((json(&reply.payload), reply.function_error), (error, Some(FunctionError::Unhandled)));
    assert!(text(&reply.log_tail).contains("Status: error\tError Type: Function.ResponseSizeTooLarge"));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_streamed_comes_in_pieces_too() {
    let Some(functions) = start(Options::default()).await else { return };
    let code = "def handler(event, context):\n    if event == 'fail':\n        raise ValueError('as asked')\n    return event * 600000\n";
    let made = py(&functions, code).await;
    let streaming = stream(&functions, &made, "\"x\"").await;
    assert_eq!(streaming.content_type(), None);
    let (chunks, reply) = whole(streaming).await;
    assert_eq!(chunks.iter().map(Bytes::len).collect::<Vec<_>>(), [262_144, 262_144, 75_714]);
    assert_eq!((reply.function_error, reply.payload.len()), (None, 0));
    let (chunks, reply) = whole(stream(&functions, &made, "\"fail\"").await).await;
    assert_eq!((chunks.len(), &json(&reply.payload)["errorMessage"]), (0, &json!("as asked")));
    let large = call(&"x".repeat(caps::MAX_PAYLOAD_BYTES + 1));
    let refused = functions.invoke_streaming(made, large).await.unwrap_err();
    assert!(matches!(refused, InvokeError::PayloadTooLarge { .. }), "{refused}");
}

#[tokio::test(flavor = "multi_thread")]
async fn nodes_handlers_stream() {
    let Some(functions) = start(Options::default()).await else { return };
    let mut runtime = None;
    for major in [20, 22, 18, 24] {
        if functions.check_runtime(Runtime::Node { major }).await.is_ok() {
            runtime = Some(Runtime::Node { major });
        }
    }
    let runtime = runtime.expect("the tests need a Node.js that AWS offers");
    let code = "export const handler = awslambda.streamifyResponse(async (event, stream) => {\n\
                \x20 if (event.http) stream = awslambda.HttpResponseStream.from(stream, event.http);\n\
                \x20 for (const part of event.parts) { stream.write(part); await new Promise(setImmediate); }\n\
                \x20 if (event.fail) throw new RangeError(event.fail);\n\
                \x20 stream.end();\n\
                });\n";
    let made = Arc::new(spec(&functions, runtime, &[("main.mjs", code)]).await);
    let joined = |chunks: Vec<Bytes>| text(&Bytes::from(chunks.concat()));

    let streaming = stream(&functions, &made, r#"{"parts":["a","b","c"]}"#).await;
    assert_eq!(streaming.content_type(), Some("application/octet-stream"));
    let (chunks, reply) = whole(streaming).await;
    assert_eq!((joined(chunks), reply.function_error), ("abc".to_owned(), None));

    let streaming = stream(&functions, &made, r#"{"http":{"statusCode":201},"parts":["a"]}"#).await;
    assert_eq!(streaming.content_type(), Some("application/vnd.awslambda.http-integration-response"));
    let (chunks, _) = whole(streaming).await;
    assert_eq!(joined(chunks), "{\"statusCode\":201}\0\0\0\0\0\0\0\0a");

    for parts in [&[][..], &["half"]] {
        let event = json!({ "parts": parts, "fail": "as asked" }).to_string();
        let (chunks, reply) = whole(stream(&functions, &made, &event).await).await;
        assert_eq!(joined(chunks), parts.concat());
        let payload = json(&reply.payload);
        assert_eq!(
            (&payload["errorType"], &payload["errorMessage"]),
            (&json!("RangeError"), &json!("as asked"))
        );
    }
    let reply = invoke(&functions, &made, r#"{"parts":["a","b"]}"#).await;
    assert_eq!((reply.function_error, text(&reply.payload)), (None, "ab".to_owned()));
}
