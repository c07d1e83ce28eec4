// How the tests of operations reach Lambda: here by calling it. `crates/front` runs the same tests over HTTP.

use super::World;
use bytes::Bytes;
use futures_util::StreamExt;

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
    let id = "request-1";
    let answer = world.lambda.call(id, method, path, query, headers, body).await;
    let mut headers: Vec<_> =
        answer.response.headers.iter().map(|(name, value)| (name.to_string(), value.clone())).collect();
    headers.push(("x-amzn-requestid".to_owned(), id.to_owned()));
    let body = match answer.stream {
        Some(stream) => stream.collect::<Vec<_>>().await.concat().into(),
        None => answer.response.body,
    };
    Sent { status: answer.response.status, headers, body }
}

/// There is one way to call a function of Rust.
pub(crate) fn in_other_ways() -> String {
    String::new()
}
