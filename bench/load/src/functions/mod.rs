//! What is measured of functions.

pub(crate) mod bare;
pub(crate) mod collect;
pub(crate) mod events;
pub(crate) mod invoke;
pub(crate) mod spawn;
pub(crate) mod started;

use crate::http::Connection;
use anyhow::{Context as _, Result, bail};
use serde_json::Value;
use std::net::SocketAddr;

/// A whole request of the Lambda API as bytes; its signature is none, as that of [`crate::http::request`].
fn request(address: SocketAddr, method: &str, path: &str, more: &str, body: &[u8]) -> Vec<u8> {
    let head = format!(
        "{method} {path} HTTP/1.1\r\nHost: {address}\r\nContent-Type: application/json\r\n\
         X-Amz-Date: 20260101T000000Z\r\n\
         Authorization: AWS4-HMAC-SHA256 Credential=test/20260101/us-east-1/lambda/aws4_request, \
         SignedHeaders=host;x-amz-date, Signature={:064}\r\n{more}Content-Length: {}\r\n\r\n",
        0,
        body.len()
    );
    [head.as_bytes(), body].concat()
}

#[derive(Debug, clap::Args)]
pub(crate) struct CallArgs {
    #[arg(long)]
    address: SocketAddr,
    #[arg(long, default_value = "GET")]
    method: String,
    #[arg(long)]
    path: String,
    /// JSON
    #[arg(long, default_value = "")]
    body: String,
}

/// One operation of the Lambda API that must succeed; its output.
pub(crate) async fn call(arguments: &CallArgs) -> Result<Value> {
    let CallArgs { address, method, path, body } = arguments;
    let mut connection = Connection::open(*address).await?;
    let status = connection.exchange(&request(*address, method, path, "", body.as_bytes())).await?;
    let answer = connection.body();
    if status >= 300 {
        bail!("{method} {path}: {status} {}", String::from_utf8_lossy(answer));
    }
    if answer.is_empty() {
        return Ok(Value::Null);
    }
    serde_json::from_slice(answer).with_context(|| format!("{method} {path} answered no JSON"))
}
