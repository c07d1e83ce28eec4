//! Servers in the process of a test, as somebody who tests an application of theirs uses them.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use millstream::testing::Millstream;
use std::io::{Read, Write};
use std::net::TcpStream;

/// One operation over plain HTTP/1.1; the status line and the body.
fn call(endpoint: &str, operation: &str, body: &str) -> (String, String) {
    let address = endpoint.strip_prefix("http://").unwrap();
    let mut stream = TcpStream::connect(address).unwrap();
    let length = body.len();
    write!(
        stream,
        "POST / HTTP/1.1\r\nHost: {address}\r\nContent-Type: application/x-amz-json-1.1\r\n\
         X-Amz-Target: Kinesis_20131202.{operation}\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n{body}"
    )
    .unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    (head.lines().next().unwrap().to_owned(), body.to_owned())
}

#[tokio::test(flavor = "multi_thread")]
async fn each_server_has_streams_of_its_own() {
    let (one, other) = (Millstream::start().await.unwrap(), Millstream::start().await.unwrap());
    assert_ne!(one.endpoint(), other.endpoint());
    let made = call(one.endpoint(), "CreateStream", r#"{"StreamName":"s","ShardCount":1}"#);
    assert_eq!(made.0, "HTTP/1.1 200 OK", "{}", made.1);
    assert!(call(one.endpoint(), "ListStreams", "{}").1.contains(r#""StreamNames":["s"]"#));
    assert!(call(other.endpoint(), "ListStreams", "{}").1.contains(r#""StreamNames":[]"#));
    let environment = one.environment();
    assert!(environment.contains(&("AWS_ENDPOINT_URL", one.endpoint().to_owned())));
    one.stop().await;
    other.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_is_dropped_is_gone() {
    let server = Millstream::start().await.unwrap();
    let address = server.endpoint().strip_prefix("http://").unwrap().to_owned();
    drop(server);
    // The port is given back as soon as the task that listened has ended.
    while TcpStream::connect(&address).is_ok() {
        tokio::task::yield_now().await;
    }
}
