//! Very many sources: connections that put once, stay idle, and put again.

use crate::bodies::{Encoding, Shape};
use crate::http::Connection;
use crate::process;
use crate::stats::Latencies;
use anyhow::{Context as _, Result};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};
use tokio::net::TcpSocket;
use tokio::task::JoinSet;

#[derive(Debug, Clone, clap::Args)]
pub(crate) struct ConnectionsArgs {
    #[arg(long)]
    address: SocketAddr,
    #[arg(long, default_value = "bench")]
    stream: String,
    #[arg(long, default_value_t = 100_000)]
    connections: u32,
    /// Connections from one source address: the system has some 28,000 ports for each
    #[arg(long, default_value_t = 20_000)]
    per_source: u32,
    /// Seconds in which nothing is said
    #[arg(long, default_value_t = 3)]
    idle: u64,
    #[arg(long)]
    pid: Option<u32>,
}

/// Connections that are being opened, or put, at the same time.
const AT_ONCE: u32 = 128;

/// An answer that takes longer will not come.
const ANSWER: Duration = Duration::from_secs(10);

/// Opening all of them may take this long: servers close connections that have been idle for a minute or so.
const OPENING: Duration = Duration::from_secs(50);

/// One worker's connections.
#[derive(Debug)]
struct Part {
    connections: Vec<(Connection, Vec<u8>)>,
    latencies: Latencies,
    served: u32,
    errors: BTreeMap<String, u32>,
}

pub(crate) async fn run(arguments: ConnectionsArgs) -> Result<Value> {
    let before = arguments.pid.map(process::memory).transpose()?;
    let started = Instant::now();
    let stop = Arc::new(AtomicBool::new(false));
    let mut tasks = JoinSet::new();
    for worker in 0..AT_ONCE {
        let numbers = (worker..arguments.connections).step_by(AT_ONCE as usize);
        tasks.spawn(open(arguments.clone(), numbers, started + OPENING, stop.clone()));
    }
    let opened = join(&mut tasks).await?;
    let opening = started.elapsed().as_secs_f64();
    let first = summary(&opened)?;
    tokio::time::sleep(Duration::from_secs(arguments.idle)).await;
    let idle = arguments.pid.map(process::memory).transpose()?;
    let again = Instant::now();
    for part in opened {
        tasks.spawn(put_again(part));
    }
    let parts = join(&mut tasks).await?;
    let putting = again.elapsed().as_secs_f64();
    let after = arguments.pid.map(process::memory).transpose()?;
    let now = |memory: Option<(u64, u64)>| memory.map(|(now, _)| now);
    Ok(json!({
        "asked": arguments.connections,
        "opening_seconds": opening,
        "opened": first,
        "putting_seconds": putting,
        "again": summary(&parts)?,
        "rss_bytes": { "before": now(before), "idle": now(idle), "after": now(after) },
    }))
}

async fn join(tasks: &mut JoinSet<Result<Part>>) -> Result<Vec<Part>> {
    let mut parts = Vec::new();
    while let Some(part) = tasks.join_next().await {
        parts.push(part.context("a worker panicked")??);
    }
    Ok(parts)
}

fn summary(parts: &[Part]) -> Result<Value> {
    let mut latencies = Latencies::new(3)?;
    let mut errors: BTreeMap<&str, u32> = BTreeMap::new();
    let mut served = 0;
    for part in parts {
        latencies.add(&part.latencies)?;
        served += part.served;
        for (name, count) in &part.errors {
            *errors.entry(name).or_default() += count;
        }
    }
    Ok(json!({ "served": served, "errors": errors, "latency": latencies.summary() }))
}

/// Opens its share one after another and puts a record from each: a server may close a connection that says nothing.
/// The first failure of anybody stops all: there is a limit somewhere, and the rest would run into it too.
async fn open(
    arguments: ConnectionsArgs,
    numbers: impl Iterator<Item = u32>,
    deadline: Instant,
    stop: Arc<AtomicBool>,
) -> Result<Part> {
    let shape = Shape { stream: &arguments.stream, records: 0, size: 128, encoding: Encoding::Json };
    let mut part =
        Part { connections: Vec::new(), latencies: Latencies::new(2)?, served: 0, errors: BTreeMap::new() };
    for number in numbers {
        if stop.load(Ordering::Relaxed) {
            break;
        }
        if Instant::now() > deadline {
            part.errors.insert(format!("not opened within {} s", OPENING.as_secs()), 1);
            break;
        }
        let request = shape.request(arguments.address, u64::from(number));
        let opened = tokio::time::timeout(ANSWER, connect(&arguments, number)).await;
        match opened.map_err(anyhow::Error::from).flatten() {
            Ok(mut connection) => {
                if put(&mut connection, &request, &mut part).await {
                    connection.rest();
                    part.connections.push((connection, request));
                } else {
                    stop.store(true, Ordering::Relaxed);
                }
            }
            Err(error) => {
                *part.errors.entry(format!("opening: {error:#}")).or_default() += 1;
                stop.store(true, Ordering::Relaxed);
            }
        }
    }
    Ok(part)
}

/// Each source address has its own ports, so there can be more connections than ports.
async fn connect(arguments: &ConnectionsArgs, number: u32) -> Result<Connection> {
    let source = u8::try_from(2 + number / arguments.per_source).context("too many source addresses")?;
    let socket = TcpSocket::new_v4()?;
    socket.set_reuseaddr(true)?;
    socket.bind(SocketAddr::from((Ipv4Addr::new(127, 0, 0, source), 0)))?;
    Connection::over(socket.connect(arguments.address).await?)
}

async fn put_again(mut part: Part) -> Result<Part> {
    part.latencies = Latencies::new(2)?;
    part.served = 0;
    part.errors.clear();
    for (mut connection, request) in std::mem::take(&mut part.connections) {
        put(&mut connection, &request, &mut part).await;
        part.connections.push((connection, request));
    }
    Ok(part)
}

/// Whether the put went well.
async fn put(connection: &mut Connection, request: &[u8], part: &mut Part) -> bool {
    let started = Instant::now();
    let answer = tokio::time::timeout(ANSWER, connection.exchange(request)).await;
    let error = match answer {
        Ok(Ok(200)) => {
            part.served += 1;
            part.latencies.record(started.elapsed());
            return true;
        }
        Ok(Ok(status)) => crate::checks::error_name(status, connection.body()),
        Ok(Err(error)) => format!("{error:#}"),
        Err(_) => format!("no answer within {} s", ANSWER.as_secs()),
    };
    *part.errors.entry(error).or_default() += 1;
    false
}
