//! The calls around a measurement, in JSON, one after another.

use crate::checks;
use crate::http::{self, Connection};
use anyhow::{Context as _, Result, bail};
use serde_json::{Value, json};
use std::net::SocketAddr;
use std::time::{Duration, Instant};

/// How long a stream or a consumer may take to become active.
const ACTIVE: Duration = Duration::from_mins(2);

#[derive(Debug, clap::Args)]
pub(crate) struct CreateArgs {
    #[arg(long)]
    address: SocketAddr,
    #[arg(long, default_value = "bench")]
    stream: String,
    #[arg(long, default_value_t = 1)]
    shards: u32,
}

pub(crate) async fn create(arguments: &CreateArgs) -> Result<Value> {
    let started = Instant::now();
    let mut connection = Connection::open(arguments.address).await?;
    let input = json!({ "StreamName": arguments.stream, "ShardCount": arguments.shards });
    call(&mut connection, arguments.address, "CreateStream", &input).await?;
    let input = json!({ "StreamName": arguments.stream });
    until_active(async || {
        let output = call(&mut connection, arguments.address, "DescribeStreamSummary", &input).await?;
        Ok(output["StreamDescriptionSummary"]["StreamStatus"] == "ACTIVE")
    })
    .await
    .with_context(|| format!("stream {} with {} shards", arguments.stream, arguments.shards))?;
    Ok(json!({ "seconds": started.elapsed().as_secs_f64() }))
}

/// Asks until the answer is yes.
pub(crate) async fn until_active(mut ask: impl AsyncFnMut() -> Result<bool>) -> Result<()> {
    let started = Instant::now();
    while !ask().await? {
        if started.elapsed() > ACTIVE {
            bail!("not active after {} s", ACTIVE.as_secs());
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    Ok(())
}

/// One operation that must succeed; its output.
pub(crate) async fn call(
    connection: &mut Connection,
    address: SocketAddr,
    operation: &str,
    input: &Value,
) -> Result<Value> {
    let request = http::request(address, operation, http::JSON, input.to_string().as_bytes());
    let status = connection.exchange(&request).await?;
    if status != 200 {
        bail!("{operation}: {}", checks::error_name(status, connection.body()));
    }
    if connection.body().is_empty() {
        return Ok(Value::Null);
    }
    serde_json::from_slice(connection.body()).with_context(|| format!("{operation} answered no JSON"))
}

/// Ids of a stream's shards, the first thousand.
pub(crate) async fn shards(
    connection: &mut Connection,
    address: SocketAddr,
    stream: &str,
) -> Result<Vec<String>> {
    let output = call(connection, address, "ListShards", &json!({ "StreamName": stream })).await?;
    let shards = output["Shards"].as_array().context("ListShards without Shards")?;
    Ok(shards.iter().filter_map(|shard| Some(shard["ShardId"].as_str()?.to_owned())).collect())
}

/// An iterator of some type on a shard.
pub(crate) async fn iterator(
    connection: &mut Connection,
    address: SocketAddr,
    stream: &str,
    shard: &str,
    kind: &str,
) -> Result<String> {
    let input = json!({ "StreamName": stream, "ShardId": shard, "ShardIteratorType": kind });
    let output = call(connection, address, "GetShardIterator", &input).await?;
    Ok(output["ShardIterator"].as_str().context("GetShardIterator without ShardIterator")?.to_owned())
}
