//! Readers: each follows one shard from its beginning, again and again, by GetRecords.

use crate::checks;
use crate::http::{self, Connection};
use crate::process;
use crate::stats::{Latencies, Window};
use crate::streams;
use anyhow::{Context as _, Result, bail};
use memchr::memmem;
use serde_json::{Value, json};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::task::JoinSet;

#[derive(Debug, Clone, clap::Args)]
pub(crate) struct GetArgs {
    #[arg(long)]
    address: SocketAddr,
    #[arg(long, default_value = "bench")]
    stream: String,
    #[arg(long, default_value_t = 4)]
    connections: usize,
    /// Most records of an answer
    #[arg(long, default_value_t = 10_000)]
    limit: u32,
    #[arg(long, default_value_t = 3.0)]
    seconds: f64,
    #[arg(long, default_value_t = 0.5)]
    warm_up: f64,
    /// Begin again at the oldest record after so many bytes of answers
    #[arg(long, default_value_t = u64::MAX)]
    pass_bytes: u64,
    /// Stay at the newest record instead: answers without records
    #[arg(long)]
    latest: bool,
    /// Milliseconds from the start of one read to the start of the next; 0 is none
    #[arg(long, default_value_t = 0)]
    pace_ms: u64,
    /// Keep one full answer in this file and read nothing more
    #[arg(long)]
    save: Option<PathBuf>,
    /// The server has no streams: it answers everything alike
    #[arg(long)]
    null: bool,
    #[arg(long)]
    pid: Option<u32>,
}

#[derive(Debug)]
struct Found {
    latencies: Latencies,
    bytes: u64,
    /// Passes that reached the newest record before the bytes of a pass were read.
    ends: u64,
}

pub(crate) async fn run(arguments: GetArgs) -> Result<Value> {
    let kind = if arguments.latest { "LATEST" } else { "TRIM_HORIZON" };
    let mut readers = Vec::new();
    let mut shards = Vec::new();
    for number in 0..arguments.connections {
        let mut connection = Connection::open(arguments.address).await?;
        let iterator = if arguments.null {
            "0".repeat(200)
        } else {
            if shards.is_empty() {
                shards = streams::shards(&mut connection, arguments.address, &arguments.stream).await?;
            }
            let shard = shards.get(number % shards.len().max(1)).context("a stream without shards")?;
            streams::iterator(&mut connection, arguments.address, &arguments.stream, shard, kind).await?
        };
        readers.push((connection, iterator));
    }
    if let Some(file) = &arguments.save {
        let (mut connection, iterator) = readers.pop().context("no connection")?;
        exchange(&mut connection, &arguments, &iterator).await?;
        std::fs::write(file, connection.body())
            .with_context(|| format!("cannot write {}", file.display()))?;
        return Ok(json!({ "bytes": connection.body().len() }));
    }
    let window = Arc::new(Window::new(arguments.warm_up, arguments.seconds));
    let arguments = Arc::new(arguments);
    let mut tasks = JoinSet::new();
    for (connection, iterator) in readers {
        tasks.spawn(read(arguments.clone(), window.clone(), connection, iterator));
    }
    let used = process::watch(arguments.pid, &window).await?;
    let mut total = Found { latencies: Latencies::new(3)?, bytes: 0, ends: 0 };
    while let Some(found) = tasks.join_next().await {
        let found = found.context("a reader panicked")??;
        total.latencies.add(&found.latencies)?;
        total.bytes += found.bytes;
        total.ends += found.ends;
    }
    let seconds = window.seconds().max(1e-9);
    Ok(json!({
        "seconds": seconds,
        "requests": total.latencies.count(),
        "per_s": total.latencies.count() as f64 / seconds,
        "body_bytes": total.bytes,
        "mb_per_s": total.bytes as f64 / 1e6 / seconds,
        "ends_reached": total.ends,
        "latency": total.latencies.summary(),
        "server": used,
    }))
}

async fn exchange(connection: &mut Connection, arguments: &GetArgs, iterator: &str) -> Result<()> {
    let input = format!(r#"{{"ShardIterator":"{iterator}","Limit":{}}}"#, arguments.limit);
    let request = http::request(arguments.address, "GetRecords", http::JSON, input.as_bytes());
    let status = connection.exchange(&request).await?;
    if status != 200 {
        bail!("GetRecords: {}", checks::error_name(status, connection.body()));
    }
    Ok(())
}

async fn read(
    arguments: Arc<GetArgs>,
    window: Arc<Window>,
    mut connection: Connection,
    first: String,
) -> Result<Found> {
    let mut found = Found { latencies: Latencies::new(3)?, bytes: 0, ends: 0 };
    let (mut iterator, mut pass) = (first.clone(), 0_u64);
    let mut due = Instant::now();
    while !window.is_over(Instant::now()) {
        if arguments.pace_ms > 0 {
            tokio::time::sleep_until(due.into()).await;
            due += Duration::from_millis(arguments.pace_ms);
        }
        let started = Instant::now();
        exchange(&mut connection, &arguments, &iterator).await?;
        let now = Instant::now();
        let body = connection.body();
        if window.holds(now) {
            found.latencies.record(now - started);
            found.bytes += body.len() as u64;
        }
        pass += body.len() as u64;
        // Only ever an empty answer is without a key, and the end of a shard's data answers one.
        let at_end = !arguments.latest && memmem::find(body, b"\"PartitionKey\"").is_none();
        if at_end {
            found.ends += 1;
        }
        if at_end || pass >= arguments.pass_bytes {
            (iterator, pass) = (first.clone(), 0);
        } else {
            iterator.clear();
            iterator.push_str(next_iterator(body).context("GetRecords without NextShardIterator")?);
        }
    }
    Ok(found)
}

/// The iterator to go on with. Servers put it before or after the records; it is looked for at both ends first.
fn next_iterator(body: &[u8]) -> Option<&str> {
    const NAME: &[u8] = b"\"NextShardIterator\"";
    const ENDS: usize = 2_048;
    let head = memmem::find(&body[..body.len().min(ENDS)], NAME);
    let at = head
        .or_else(|| {
            let start = body.len().saturating_sub(ENDS);
            memmem::rfind(&body[start..], NAME).map(|at| start + at)
        })
        .or_else(|| memmem::rfind(body, NAME))?;
    let mut parts = body[at + NAME.len()..].splitn(3, |byte| *byte == b'"');
    parts.next()?;
    std::str::from_utf8(parts.next()?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_next_iterator_is_found_wherever_it_stands() {
        assert_eq!(next_iterator(br#"{"NextShardIterator":"abc","Records":[]}"#), Some("abc"));
        let long = format!(r#"{{"Records":["{}"],"NextShardIterator": "abc"}}"#, "x".repeat(10_000));
        assert_eq!(next_iterator(long.as_bytes()), Some("abc"));
        let middle = format!(r#"{{"A":"{0}","NextShardIterator":"abc","B":"{0}"}}"#, "x".repeat(10_000));
        assert_eq!(next_iterator(middle.as_bytes()), Some("abc"));
        assert_eq!(next_iterator(b"{}"), None);
    }
}
