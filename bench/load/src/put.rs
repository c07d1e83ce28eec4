//! Writers: each connection sends its one request again and again and waits for every answer.

use crate::bodies::{Encoding, Shape};
use crate::checks;
use crate::http::Connection;
use crate::process;
use crate::stats::{Latencies, Window};
use anyhow::{Context as _, Result};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};
use tokio::task::JoinSet;

#[derive(Debug, Clone, clap::Args)]
pub(crate) struct PutArgs {
    #[arg(long)]
    address: SocketAddr,
    #[arg(long, default_value = "bench")]
    stream: String,
    /// Records in a request; 0 is PutRecord
    #[arg(long, default_value_t = 500)]
    records: usize,
    /// Bytes of data in a record
    #[arg(long, default_value_t = 1_024)]
    size: usize,
    #[arg(long, value_enum, default_value_t = Encoding::Json)]
    encoding: Encoding,
    #[arg(long, default_value_t = 16)]
    connections: u32,
    #[arg(long, default_value_t = 3.0)]
    seconds: f64,
    /// Seconds before the measurement begins
    #[arg(long, default_value_t = 0.5)]
    warm_up: f64,
    /// End early after so many bytes of data, so that neither memory nor disk overflows
    #[arg(long, default_value_t = u64::MAX)]
    max_bytes: u64,
    /// Look into every n-th answer
    #[arg(long, default_value_t = 16)]
    check_every: u64,
    /// The server's process, for its CPU and memory
    #[arg(long)]
    pid: Option<u32>,
}

/// A writer gives up after so many failures in a row.
const MOST_FAILURES: u32 = 50;

/// What one writer found. Counts are those inside the window.
#[derive(Debug)]
struct Found {
    latencies: Latencies,
    requests: u64,
    checked: u64,
    failed_records: u64,
    errors: BTreeMap<String, u64>,
}

#[derive(Debug)]
struct Common {
    arguments: PutArgs,
    window: Window,
    /// Bytes of data taken by the server, warm-up included.
    bytes: AtomicU64,
}

pub(crate) async fn run(arguments: PutArgs) -> Result<Value> {
    let digits = if arguments.connections > 64 { 2 } else { 3 };
    let pid = arguments.pid;
    // Connections and bodies are ready before the clock starts.
    let mut writers = Vec::new();
    for number in 0..arguments.connections {
        let connection = Connection::open(arguments.address).await?;
        writers.push((connection, arguments.shape().request(arguments.address, u64::from(number))));
    }
    let window = Window::new(arguments.warm_up, arguments.seconds);
    let common = Arc::new(Common { window, arguments, bytes: AtomicU64::new(0) });
    let mut tasks = JoinSet::new();
    for (connection, request) in writers {
        let latencies = Latencies::new(digits)?;
        tasks.spawn(write(common.clone(), connection, request, latencies));
    }
    let used = process::watch(pid, &common.window).await?;
    let mut total = Found {
        latencies: Latencies::new(digits)?,
        requests: 0,
        checked: 0,
        failed_records: 0,
        errors: BTreeMap::new(),
    };
    let grace = Duration::from_secs_f64(common.arguments.warm_up + common.arguments.seconds + 60.0);
    let stalled = tokio::time::timeout(grace, async {
        while let Some(found) = tasks.join_next().await {
            total.add(&found.context("a writer panicked")??)?;
        }
        anyhow::Ok(())
    })
    .await;
    match stalled {
        Ok(done) => done?,
        Err(_) => *total.errors.entry("no answer within a minute".to_owned()).or_default() += 1,
    }
    Ok(total.report(&common, &used))
}

impl PutArgs {
    fn shape(&self) -> Shape<'_> {
        Shape { stream: &self.stream, records: self.records, size: self.size, encoding: self.encoding }
    }
}

async fn write(
    common: Arc<Common>,
    mut connection: Connection,
    request: Vec<u8>,
    latencies: Latencies,
) -> Result<Found> {
    let PutArgs { address, records, encoding, check_every, max_bytes, .. } = common.arguments;
    let record_bytes = common.arguments.shape().record_bytes();
    let mut found = Found { latencies, requests: 0, checked: 0, failed_records: 0, errors: BTreeMap::new() };
    let (mut sent, mut failures) = (0_u64, 0_u32);
    let mut last = Instant::now();
    while !common.window.is_over(last) && failures < MOST_FAILURES {
        let started = last;
        let answer = connection.exchange(&request).await;
        last = Instant::now();
        sent += 1;
        let error = match answer {
            Ok(200) => None,
            Ok(status) => Some(checks::error_name(status, connection.body())),
            Err(error) => {
                connection = match Connection::open(address).await {
                    Ok(connection) => connection,
                    Err(gone) => {
                        found.error(format!("{gone:#}"));
                        return Ok(found);
                    }
                };
                Some(format!("{error:#}"))
            }
        };
        if let Some(error) = error {
            failures += 1;
            found.error(error);
            continue;
        }
        failures = 0;
        if common.window.holds(last) {
            found.requests += 1;
            found.latencies.record(last - started);
            if records > 0 && sent.is_multiple_of(check_every) {
                found.checked += 1;
                found.failed_records += checks::failed_records(connection.body(), encoding).unwrap_or(0);
            }
        }
        if common.bytes.fetch_add(record_bytes, Ordering::Relaxed) + record_bytes >= max_bytes {
            common.window.cut(last);
        }
    }
    Ok(found)
}

impl Found {
    fn error(&mut self, name: String) {
        *self.errors.entry(name).or_default() += 1;
    }

    fn add(&mut self, other: &Self) -> Result<()> {
        self.latencies.add(&other.latencies)?;
        self.requests += other.requests;
        self.checked += other.checked;
        self.failed_records += other.failed_records;
        for (name, count) in &other.errors {
            *self.errors.entry(name.clone()).or_default() += count;
        }
        Ok(())
    }

    fn report(&self, common: &Common, used: &Value) -> Value {
        let arguments = &common.arguments;
        let looked_at = self.checked * arguments.records as u64;
        let failed = if looked_at == 0 { 0.0 } else { self.failed_records as f64 / looked_at as f64 };
        let seconds = common.window.seconds().max(1e-9);
        let bytes = self.requests as f64 * arguments.shape().record_bytes() as f64 * (1.0 - failed);
        json!({
            "seconds": seconds,
            "requests": self.requests,
            "record_bytes": bytes,
            "mb_per_s": bytes / 1e6 / seconds,
            "per_s": self.requests as f64 / seconds,
            "failed_share": failed,
            "errors": self.errors,
            "latency": self.latencies.summary(),
            "server": used,
        })
    }
}
