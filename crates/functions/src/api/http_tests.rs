//! The Runtime API as a runtime sees it, byte for byte.

use super::{Answer, Api, FunctionNames, Next, Started, serve};
use crate::caps;
use crate::streaming::Sink;
use bytes::Bytes;
use std::net::SocketAddr;
use std::sync::Arc;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::oneshot;

struct Served {
    api: Arc<Api>,
    started: oneshot::Receiver<Started>,
    address: SocketAddr,
}

async fn served() -> Served {
    let names =
        FunctionNames { name: "f".to_owned(), version: "$LATEST".to_owned(), handler: "a.b".to_owned() };
    let (api, started) = Api::new(names);
    let api = Arc::new(api);
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(serve(listener, Arc::clone(&api), None));
    Served { api, started, address }
}

impl Served {
    /// Send one request on a connection of its own and return the whole answer.
    async fn ask(&self, head: &str, body: &[u8]) -> String {
        let mut stream = TcpStream::connect(self.address).await.unwrap();
        let head = format!("{head}\r\nHost: x\r\nConnection: close\r\n\r\n");
        stream.write_all(head.as_bytes()).await.unwrap();
        stream.write_all(body).await.unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        answer
    }

    async fn post(&self, path: &str, headers: &str, body: &[u8]) -> String {
        self.ask(&format!("POST {path} HTTP/1.1\r\n{headers}Content-Length: {}", body.len()), body).await
    }

    /// Let the runtime have invocation `1`.
    async fn hand(&self) -> oneshot::Receiver<Answer> {
        self.hand_to(None).await
    }

    async fn hand_to(&self, sink: Option<Arc<Sink>>) -> oneshot::Receiver<Answer> {
        let next = Next {
            request_id: "1".to_owned(),
            deadline_ms: 42,
            arn: "arn:f".to_owned(),
            trace_id: Some("Root=1".to_owned()),
            client_context: None,
            payload: Bytes::from_static(b"{\"a\":1}"),
        };
        let answer = self.api.hand(next, sink);
        let next = self.ask("GET /2018-06-01/runtime/invocation/next HTTP/1.1", b"").await;
        assert!(next.starts_with("HTTP/1.1 200 OK\r\n"), "{next}");
        for line in [
            "lambda-runtime-aws-request-id: 1\r\n",
            "lambda-runtime-deadline-ms: 42\r\n",
            "lambda-runtime-invoked-function-arn: arn:f\r\n",
            "lambda-runtime-trace-id: Root=1\r\n",
            "content-length: 7\r\n",
        ] {
            assert!(next.contains(line), "{line:?} in {next}");
        }
        assert!(!next.contains("client-context") && next.ends_with("{\"a\":1}"), "{next}");
        answer
    }
}

const RESPONSE: &str = "/2018-06-01/runtime/invocation/1/response";

#[tokio::test]
async fn a_response_is_accepted_once() {
    let mut served = served().await;
    let mut answer = served.hand().await;
    assert!(matches!(served.started.try_recv(), Ok(Started::Ready)));
    let wrong = served.post("/2018-06-01/runtime/invocation/2/response", "", b"{}").await;
    assert!(wrong.starts_with("HTTP/1.1 400 "), "{wrong}");
    assert!(wrong.ends_with(r#"{"errorMessage":"Invalid request ID","errorType":"InvalidRequestID"}"#));
    let mode = served.post(RESPONSE, "Lambda-Runtime-Function-Response-Mode: other\r\n", b"{}").await;
    assert!(mode.starts_with("HTTP/1.1 400 ") && mode.contains("InvalidFunctionResponseMode"), "{mode}");
    let early = served.ask("GET /2018-06-01/runtime/invocation/next HTTP/1.1", b"").await;
    assert!(early.starts_with("HTTP/1.1 403 ") && early.contains("InvalidStateTransition"), "{early}");
    let good = served.post(RESPONSE, "", b"{\"b\":2}").await;
    assert!(good.starts_with("HTTP/1.1 202 ") && good.ends_with("{\"status\":\"OK\"}\n"), "{good}");
    assert!(matches!(answer.try_recv(), Ok(Answer::Response(body)) if body == "{\"b\":2}"));
    assert!(served.post(RESPONSE, "", b"again").await.starts_with("HTTP/1.1 400 "));
}

#[tokio::test]
async fn a_response_may_come_in_chunks_and_fail_midway() {
    let served = served().await;
    let mut answer = served.hand().await;
    let head = format!("POST {RESPONSE} HTTP/1.1\r\nTransfer-Encoding: chunked");
    let reply = served.ask(&head, b"3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n").await;
    assert!(reply.starts_with("HTTP/1.1 202 "), "{reply}");
    assert!(matches!(answer.try_recv(), Ok(Answer::Response(body)) if body == "abcde"));

    let mut answer = served.hand().await;
    let head = format!(
        "POST {RESPONSE} HTTP/1.1\r\nLambda-Runtime-Function-Response-Mode: streaming\r\n\
         Trailer: Lambda-Runtime-Function-Error-Type, Lambda-Runtime-Function-Error-Body\r\nTransfer-Encoding: chunked"
    );
    let body = b"3\r\nabc\r\n0\r\nLambda-Runtime-Function-Error-Type: E\r\nLambda-Runtime-Function-Error-Body: e30=\r\n\r\n";
    let reply = served.ask(&head, body).await;
    assert!(reply.starts_with("HTTP/1.1 202 "), "{reply}");
    assert!(matches!(answer.try_recv(), Ok(Answer::Error(body)) if body == "{}"), "the error, decoded");
}

#[tokio::test]
async fn a_response_over_the_limit_is_told_to_both_sides() {
    let served = served().await;
    let mut answer = served.hand().await;
    let reply = served.post(RESPONSE, "", &vec![b'x'; 6_291_557]).await;
    assert!(reply.starts_with("HTTP/1.1 413 "), "{reply}");
    assert!(reply.ends_with(
        r#"{"errorMessage":"Exceeded maximum allowed payload size (6291556 bytes).","errorType":"RequestEntityTooLarge"}"#
    ));
    assert!(matches!(answer.try_recv(), Ok(Answer::TooLarge)));
    let mut answer = served.hand().await;
    assert!(served.post(RESPONSE, "", &vec![b'x'; 6_291_556]).await.starts_with("HTTP/1.1 202 "));
    assert!(matches!(answer.try_recv(), Ok(Answer::Response(body)) if body.len() == 6_291_556));
}

#[tokio::test]
async fn a_failed_start_and_an_error_are_passed_on() {
    let mut served = served().await;
    let reply = served.post("/2018-06-01/runtime/init/error", "", b"{\"e\":1}").await;
    assert!(reply.starts_with("HTTP/1.1 202 "), "{reply}");
    assert!(matches!(served.started.try_recv(), Ok(Started::InitError(body)) if body == "{\"e\":1}"));
    let again = served.post("/2018-06-01/runtime/init/error", "", b"{}").await;
    assert!(again.starts_with("HTTP/1.1 403 "), "{again}");
}

#[tokio::test]
async fn extensions_get_the_answers_of_the_emulator() {
    let served = served().await;
    let reply = served
        .post("/2020-01-01/extension/register", "Lambda-Extension-Name: e\r\n", b"{\"events\":[]}")
        .await;
    assert!(reply.starts_with("HTTP/1.1 200 ") && reply.contains("lambda-extension-identifier: "), "{reply}");
    assert!(
        reply.ends_with(r#"{"functionName":"f","functionVersion":"$LATEST","handler":"a.b"}"#),
        "{reply}"
    );
    let nameless = served.post("/2020-01-01/extension/register", "", b"{}").await;
    assert!(nameless.starts_with("HTTP/1.1 403 "), "{nameless}");
    for (path, kind) in
        [("/2022-07-01/telemetry", "Telemetry.NotSupported"), ("/2020-08-15/logs", "Logs.NotSupported")]
    {
        let reply = served.ask(&format!("PUT {path} HTTP/1.1\r\nContent-Length: 0"), b"").await;
        assert!(reply.starts_with("HTTP/1.1 202 ") && reply.contains(kind), "{reply}");
    }
    assert!(served.ask("GET /2018-06-01/ping HTTP/1.1", b"").await.ends_with("pong"));
    for path in ["/", "/2018-06-01/runtime/restore/next", "/2018-06-01/runtime/invocation/1/other"] {
        let reply = served.ask(&format!("GET {path} HTTP/1.1"), b"").await;
        assert!(reply.starts_with("HTTP/1.1 404 "), "{reply}");
    }
}

#[tokio::test]
async fn one_answer_is_read_at_a_time_and_none_that_does_not_fit() {
    let served = served().await;
    let mut answer = served.hand().await;
    let late =
        served.ask("POST /2018-06-01/runtime/init/error HTTP/1.1\r\nContent-Length: 1000000", b"").await;
    assert!(late.starts_with("HTTP/1.1 403 "), "refused without its body: {late}");

    let mut first = TcpStream::connect(served.address).await.unwrap();
    let head =
        format!("POST {RESPONSE} HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: 4\r\n\r\n12");
    first.write_all(head.as_bytes()).await.unwrap();
    while served.api.reading.try_lock().is_ok() {
        tokio::task::yield_now().await;
    }
    let finish = async {
        // Time for the second to be read, were it not waiting.
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
        first.write_all(b"34").await.unwrap();
        let mut reply = String::new();
        first.read_to_string(&mut reply).await.unwrap();
        reply
    };
    let (first, second) = tokio::join!(finish, served.post(RESPONSE, "", b"other"));
    assert!(first.starts_with("HTTP/1.1 202 "), "{first}");
    assert!(second.starts_with("HTTP/1.1 400 "), "{second}");
    assert!(matches!(answer.try_recv(), Ok(Answer::Response(body)) if body == "1234"));
}

const CHUNKED: &str = "Lambda-Runtime-Function-Response-Mode: streaming\r\nTransfer-Encoding: chunked";

/// A connection that has sent the head of a streamed response.
async fn begin_stream(served: &Served) -> TcpStream {
    let mut stream = TcpStream::connect(served.address).await.unwrap();
    let head = format!("POST {RESPONSE} HTTP/1.1\r\nHost: x\r\nContent-Type: text/x\r\n{CHUNKED}\r\n\r\n");
    stream.write_all(head.as_bytes()).await.unwrap();
    stream
}

#[tokio::test]
async fn chunks_are_handed_on_as_they_come() {
    let served = served().await;
    let (sink, mut source) = Sink::new();
    let mut answer = served.hand_to(Some(sink)).await;
    let mut stream = begin_stream(&served).await;
    assert_eq!((&mut source.on_begin).await.unwrap().as_deref(), Some("text/x"));
    for chunk in ["one", "two"] {
        stream.write_all(format!("3\r\n{chunk}\r\n").as_bytes()).await.unwrap();
        assert_eq!(source.chunks.recv().await.unwrap(), chunk, "the response is not over");
    }
    assert!(answer.try_recv().is_err());
    // Nothing else answers while it comes in.
    for (path, to) in [("response", "RuntimeResponseSent"), ("error", "RuntimeInvocationErrorResponse")] {
        let other = served.post(&format!("/2018-06-01/runtime/invocation/1/{path}"), "", b"{}").await;
        assert!(other.starts_with("HTTP/1.1 403 "), "{other}");
        assert!(other.contains(&format!("Transition from InvocationResponse to {to} failed")), "{other}");
    }
    let next = served.ask("GET /2018-06-01/runtime/invocation/next HTTP/1.1", b"").await;
    assert!(next.starts_with("HTTP/1.1 403 "), "{next}");
    stream.write_all(b"0\r\n\r\n").await.unwrap();
    assert!(source.chunks.recv().await.is_none());
    assert!(matches!((&mut answer).await, Ok(Answer::Streamed)));
    assert!(served.post(RESPONSE, "", b"again").await.starts_with("HTTP/1.1 400 "));
}

#[tokio::test]
async fn a_stream_may_fail_midway_or_break_off() {
    let served = served().await;
    let (sink, mut source) = Sink::new();
    let answer = served.hand_to(Some(sink)).await;
    let mut stream = begin_stream(&served).await;
    let rest = b"1\r\na\r\n0\r\nLambda-Runtime-Function-Error-Type: E\r\nLambda-Runtime-Function-Error-Body: e30=\r\n\r\n";
    stream.write_all(rest).await.unwrap();
    assert_eq!(source.chunks.recv().await.unwrap(), "a");
    assert!(matches!(answer.await, Ok(Answer::Error(body)) if body == "{}"));

    let (sink, mut source) = Sink::new();
    let answer = served.hand_to(Some(sink)).await;
    let mut stream = begin_stream(&served).await;
    stream.write_all(b"1\r\nb\r\n").await.unwrap();
    assert_eq!(source.chunks.recv().await.unwrap(), "b");
    drop(stream);
    assert!(matches!(answer.await, Ok(Answer::Truncated)));
}

#[tokio::test]
async fn a_reader_that_is_slow_holds_the_runtime_up_and_one_that_is_gone_does_not() {
    let served = served().await;
    let (sink, mut source) = Sink::new();
    let mut answer = served.hand_to(Some(sink)).await;
    let stream = begin_stream(&served).await;
    (&mut source.on_begin).await.unwrap();
    let (_reading, mut writing) = stream.into_split();
    let size = 64 * caps::STREAM_CHUNK_BYTES;
    let writer = tokio::spawn(async move {
        writing.write_all(format!("{size:x}\r\n").as_bytes()).await.unwrap();
        writing.write_all(&vec![b'x'; size]).await.unwrap();
        writing.write_all(b"\r\n0\r\n\r\n").await.unwrap();
        writing
    });
    while source.chunks.len() < caps::STREAM_CHUNKS {
        tokio::task::yield_now().await;
    }
    let first = source.chunks.recv().await.unwrap();
    assert!(first.len() <= caps::STREAM_CHUNK_BYTES);
    assert!(!writer.is_finished() && answer.try_recv().is_err(), "it waits for its reader");
    drop(source);
    drop(writer.await.unwrap());
    assert!(matches!(answer.await, Ok(Answer::Streamed)));
}

#[tokio::test]
async fn a_response_without_end_is_cut_at_the_limit() {
    let served = served().await;
    let (sink, mut source) = Sink::new();
    let answer = served.hand_to(Some(sink)).await;
    let (mut reading, mut writing) = begin_stream(&served).await.into_split();
    let writer = tokio::spawn(async move {
        let mut chunk = format!("{:x}\r\n", 1 << 20).into_bytes();
        chunk.resize(chunk.len() + (1 << 20), b'x');
        chunk.extend_from_slice(b"\r\n");
        while writing.write_all(&chunk).await.is_ok() {}
    });
    let mut size = 0;
    while let Some(chunk) = source.chunks.recv().await {
        size += chunk.len();
    }
    assert_eq!(size, caps::MAX_STREAM_BYTES);
    assert!(matches!(answer.await, Ok(Answer::StreamTooLarge)));
    let mut reply = Vec::new();
    // What was sent and not read makes the connection end with an error after the reply.
    drop(reading.read_to_end(&mut reply).await);
    let reply = String::from_utf8_lossy(&reply);
    assert!(reply.is_empty() || reply.starts_with("HTTP/1.1 413 "), "{reply}");
    writer.await.unwrap();
}
