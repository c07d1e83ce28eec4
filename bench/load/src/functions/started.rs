//! Put to function: writers that put one record at a time, at a pace, and a function that tells when it had which.

use super::collect::{self, Batch};
use crate::http::{self, Connection};
use crate::stats::Latencies;
use anyhow::{Context as _, Result, bail};
use serde_json::{Value, json};
use std::net::SocketAddr;
use std::time::{Duration, Instant};
use tokio::task::JoinSet;

/// How long the last records may be under way.
const LAST: Duration = Duration::from_secs(20);

#[derive(Debug, Clone, clap::Args)]
pub(crate) struct StartedArgs {
    #[arg(long)]
    address: SocketAddr,
    #[arg(long, default_value = "bench")]
    stream: String,
    /// Where functions tell
    #[arg(long)]
    collector: SocketAddr,
    #[arg(long, default_value_t = 1)]
    connections: usize,
    /// Puts of each connection
    #[arg(long, default_value_t = 200)]
    puts: usize,
    /// Puts of each connection before the measurement begins
    #[arg(long, default_value_t = 20)]
    warm_up: usize,
    /// Milliseconds from one put of a connection to its next; one that is late is made at once
    #[arg(long)]
    every_ms: f64,
    /// Bytes of data in a record
    #[arg(long, default_value_t = 1_024)]
    size: usize,
}

pub(crate) async fn run(arguments: StartedArgs) -> Result<Value> {
    let mut told = collect::listen(arguments.collector).await?;
    let began = Instant::now();
    let mut writers = JoinSet::new();
    for number in 0..arguments.connections {
        writers.spawn(write(arguments.clone(), number, began));
    }
    // Both at the same time: what functions tell must not pile up.
    let expected = arguments.connections * (arguments.warm_up + arguments.puts);
    let gathering = tokio::spawn(async move {
        let mut all = Vec::new();
        while all.len() < expected {
            let batch = told.recv().await.context("nobody listens")?;
            let Batch { started, put, .. } = batch;
            all.extend(put.into_iter().map(|put| (put, started)));
        }
        anyhow::Ok(all)
    });
    let mut puts = Latencies::new(3)?;
    let mut first = 0;
    while let Some(done) = writers.join_next().await {
        let (latencies, warm) = done.context("a writer panicked")??;
        puts.add(&latencies)?;
        first = first.max(warm);
    }
    let seconds = began.elapsed().as_secs_f64();
    let Ok(gathered) = tokio::time::timeout(LAST, gathering).await else {
        bail!("not all of {expected} records reached the function");
    };
    let mut latencies = Latencies::new(3)?;
    for (put, started) in gathered.context("the collector panicked")?? {
        if put >= first {
            latencies.record(Duration::from_nanos(started.saturating_sub(put)));
        }
    }
    Ok(json!({
        "put": puts.summary(), "started": latencies.summary(), "puts_per_s": expected as f64 / seconds,
    }))
}

/// Puts at a pace. How long acknowledgements took, and when the warm-up was over.
async fn write(arguments: StartedArgs, number: usize, began: Instant) -> Result<(Latencies, u64)> {
    let address = arguments.address;
    let every = Duration::from_secs_f64(arguments.every_ms / 1_000.0);
    let mut connection = Connection::open(address).await?;
    let mut latencies = Latencies::new(3)?;
    let mut first = 0;
    // Not all in the same moment.
    let offset = every.mul_f64(number as f64 / arguments.connections as f64);
    for put in 0..arguments.warm_up + arguments.puts {
        let due = began + offset + every.mul_f64(put as f64);
        tokio::time::sleep_until(due.into()).await;
        let stamp = bench_worker::now();
        let data = format!(
            "{stamp:0digits$}{:rest$}",
            "",
            digits = bench_worker::STAMP,
            rest = arguments.size.saturating_sub(bench_worker::STAMP)
        );
        let body = json!({
            "StreamName": arguments.stream,
            "PartitionKey": format!("source-{number}-{put}"),
            "Data": base64_simd::STANDARD.encode_to_string(data),
        });
        let request = http::request(address, "PutRecord", http::JSON, body.to_string().as_bytes());
        let sent = Instant::now();
        let status = connection.exchange(&request).await?;
        if status != 200 {
            bail!("PutRecord: {status} {}", String::from_utf8_lossy(connection.body()));
        }
        if put == arguments.warm_up {
            first = stamp;
        }
        if put >= arguments.warm_up {
            latencies.record(sent.elapsed());
        }
    }
    Ok((latencies, first))
}
