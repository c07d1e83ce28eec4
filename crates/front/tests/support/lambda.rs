// How the tests of Lambda's operations reach it: over HTTP, as a client does. MILLSTREAM_WIRE says in which version: `http1`
// (the default) or `http2`.

use super::World;
use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper_util::rt::{TokioExecutor, TokioIo};
use millstream_api_lambda::Operation;
use millstream_kinesis::Kinesis;
use millstream_lambda::Lambda;
use millstream_types::Home;
use port::Server;
use std::process;

mod port {
    include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/support/port.rs"));
}

/// Set for runs whose calls are wanted to be told, one a line.
const TELLING: &str = "MILLSTREAM_TELL";

/// An answer as it came.
pub(crate) struct Sent {
    pub(crate) status: u16,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Bytes,
}

pub(crate) async fn call(
    world: &World,
    (method, path, query): (&str, &str, &str),
    headers: Vec<(&str, &str)>,
    body: Bytes,
) -> Sent {
    let home = Home::default();
    let server = Server::with(&Kinesis::new(world.engine.clone(), home.clone()), &world.lambda);
    let io = TokioIo::new(server.connect().await);
    let target = if query.is_empty() { path.to_owned() } else { format!("{path}?{query}") };
    let mut request = http::Request::builder()
        .method(method)
        .uri(format!("http://localhost{target}"))
        .header("host", "localhost");
    for (name, value) in headers {
        request = request.header(name, value);
    }
    let credential = format!("{}/20231114/{}/lambda/aws4_request", home.account, home.region);
    let signed = format!("AWS4-HMAC-SHA256 Credential={credential}, SignedHeaders=host, Signature=0");
    let request = request.header("authorization", signed).body(Full::new(body)).expect("a request");
    let answer = if std::env::var("MILLSTREAM_WIRE").is_ok_and(|way| way == "http2") {
        let connected = hyper::client::conn::http2::handshake(TokioExecutor::new(), io).await;
        let (mut sender, connection) = connected.expect("a connection");
        tokio::spawn(connection);
        sender.send_request(request).await.expect("an answer")
    } else {
        let connected = hyper::client::conn::http1::handshake(io).await;
        let (mut sender, connection) = connected.expect("a connection");
        tokio::spawn(connection);
        sender.send_request(request).await.expect("an answer")
    };
    let (head, body) = answer.into_parts();
    let body = body.collect().await.expect("a whole body").to_bytes();
    let text = |value: &http::HeaderValue| value.to_str().expect("headers are text").to_owned();
    let headers: Vec<_> =
        head.headers.iter().map(|(name, value)| (name.as_str().to_owned(), text(value))).collect();
    let sent = Sent { status: head.status.as_u16(), headers, body };
    let operation = Lambda::operation(method, path, query);
    check(operation, &sent);
    tell(operation, &sent);
    sent
}

fn header<'a>(sent: &'a Sent, name: &str) -> Option<&'a str> {
    sent.headers.iter().find(|(header, _)| header == name).map(|(_, value)| value.as_str())
}

/// What holds for every answer of the protocol, whatever was asked.
fn check(operation: Option<Operation>, sent: &Sent) {
    let operation = operation.map_or("nothing", Operation::name);
    assert!(header(sent, "x-amzn-requestid").is_some(), "{operation}: {:?}", sent.headers);
    let code = header(sent, "x-amzn-errortype");
    assert_eq!(code.is_some(), sent.status >= 400, "{operation}: {}, {code:?}", sent.status);
    if sent.body.is_empty() {
        assert_ne!(sent.status, 200, "{operation} answers 200 with a body");
        assert_eq!(header(sent, "content-type"), None, "{operation}: the type of no body");
    }
    assert!(sent.status != 204 || sent.body.is_empty(), "{operation}");
    if code.is_some() {
        assert_eq!(header(sent, "content-type"), Some("application/json"), "{operation}");
        let body: serde_json::Value = serde_json::from_slice(&sent.body).expect("an error is an object");
        let says = |member: &str| body[member].is_string();
        assert!(says("message") || says("Message"), "{operation}: an error has a text: {body}");
    }
}

#[expect(clippy::print_stdout, reason = "the run that started this one reads it")]
fn tell(operation: Option<Operation>, sent: &Sent) {
    let Some(operation) = operation.filter(|_| std::env::var_os(TELLING).is_some()) else { return };
    let came = header(sent, "x-amzn-errortype").unwrap_or("-");
    println!("\ntold {} {} {came}", operation.name(), sent.status);
}

/// Run this program again, over HTTP/2. What its tests have told is returned.
pub(crate) fn in_other_ways() -> String {
    if std::env::var_os("MILLSTREAM_WIRE").is_some() {
        return String::new();
    }
    let tests = std::env::current_exe().expect("the tests are a program");
    let again = process::Command::new(tests)
        .args(["--nocapture", "--skip", "over_the_other_version"])
        .env("MILLSTREAM_WIRE", "http2")
        .env(TELLING, "1")
        .output()
        .expect("it runs");
    let told = String::from_utf8_lossy(&again.stdout).into_owned();
    assert!(again.status.success(), "{told}\n{}", String::from_utf8_lossy(&again.stderr));
    told
}
