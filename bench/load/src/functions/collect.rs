//! What functions tell of the batches that they had: see `bench/worker`.

use anyhow::{Context as _, Result, bail};
use serde_json::{Value, json};
use std::net::SocketAddr;
use std::time::{Duration, Instant};
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;

/// Lines that may wait for whoever counts.
const WAITING: usize = 10_000;

#[derive(Debug, clap::Args)]
pub(crate) struct CollectArgs {
    /// Where functions tell
    #[arg(long)]
    collector: SocketAddr,
    /// Records after which it is over
    #[arg(long, default_value_t = u64::MAX)]
    records: u64,
    /// Seconds of the measurement, after the warm-up
    #[arg(long)]
    seconds: f64,
    /// Seconds after the first batch that are not measured
    #[arg(long, default_value_t = 0.0)]
    warm_up: f64,
    /// Seconds until the first batch, at most
    #[arg(long, default_value_t = 60.0)]
    patience: f64,
}

/// A batch as its function told of it.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Batch {
    /// When the function had it, in nanoseconds since 1970.
    pub(crate) started: u64,
    pub(crate) records: u64,
    /// When its records were put, where that was asked for.
    pub(crate) put: Vec<u64>,
}

impl Batch {
    fn parse(line: &str) -> Result<Self> {
        let numbers: Result<Vec<u64>, _> = line.split_whitespace().map(str::parse).collect();
        match numbers.with_context(|| format!("a function tells {line:?}"))?.as_slice() {
            [started, records, put @ ..] => {
                Ok(Self { started: *started, records: *records, put: put.to_vec() })
            }
            _ => bail!("a function tells {line:?}"),
        }
    }
}

/// Batches of all functions that connect, from now on.
pub(crate) async fn listen(collector: SocketAddr) -> Result<mpsc::Receiver<Batch>> {
    let listener =
        TcpListener::bind(collector).await.with_context(|| format!("cannot listen on {collector}"))?;
    let (tell, told) = mpsc::channel(WAITING);
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(read(stream, tell.clone()));
        }
    });
    Ok(told)
}

async fn read(stream: TcpStream, tell: mpsc::Sender<Batch>) {
    let mut lines = BufReader::new(stream).lines();
    while let Ok(Some(line)) = lines.next_line().await {
        match Batch::parse(&line) {
            // Who listens may have had enough.
            Ok(batch) => match tell.send(batch).await {
                Ok(()) => {}
                Err(_) => return,
            },
            Err(error) => {
                eprintln!("{error:#}");
                return;
            }
        }
    }
}

/// Counts records that reach functions.
pub(crate) async fn run(arguments: &CollectArgs) -> Result<Value> {
    let mut told = listen(arguments.collector).await?;
    let patience = Duration::from_secs_f64(arguments.patience);
    let first = tokio::time::timeout(patience, told.recv()).await.context("no function told of a batch")?;
    let mut seen = first.context("nobody listens")?.records;
    let warm = Instant::now() + Duration::from_secs_f64(arguments.warm_up);
    let end = warm + Duration::from_secs_f64(arguments.seconds);
    let mut counted = Counted::default();
    while seen < arguments.records {
        let Ok(batch) = tokio::time::timeout_at(end.into(), told.recv()).await else { break };
        let batch = batch.context("nobody listens")?;
        seen += batch.records;
        if Instant::now() >= warm {
            counted.add(&batch);
        }
    }
    Ok(counted.summary())
}

/// From the first batch that counts, whose records were made ready before, to the last.
#[derive(Debug, Default)]
struct Counted {
    began: Option<u64>,
    ended: u64,
    batches: u64,
    records: u64,
}

impl Counted {
    fn add(&mut self, batch: &Batch) {
        if self.began.is_none() {
            self.began = Some(batch.started);
            return;
        }
        self.ended = self.ended.max(batch.started);
        self.batches += 1;
        self.records += batch.records;
    }

    fn summary(&self) -> Value {
        let seconds = self.ended.saturating_sub(self.began.unwrap_or(self.ended)) as f64 / 1e9;
        let per = |count: u64| count as f64 / seconds;
        json!({
            "records": self.records,
            "batches": self.batches,
            "seconds": seconds,
            "per_s": per(self.records),
            "batches_per_s": per(self.batches),
            "batch": self.records as f64 / self.batches as f64,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_a_batch() {
        assert_eq!(Batch::parse("5 2 3 4").unwrap(), Batch { started: 5, records: 2, put: vec![3, 4] });
        assert!(Batch::parse("5").is_err());
        assert!(Batch::parse("5 x").is_err());
    }

    #[test]
    fn a_rate_is_of_what_came_after_the_first() {
        let mut counted = Counted::default();
        for (started, records) in [(1_000_000_000, 100), (1_500_000_000, 10), (2_000_000_000, 20)] {
            counted.add(&Batch { started, records, put: Vec::new() });
        }
        let found = counted.summary();
        assert_eq!((found["per_s"].as_f64(), found["batch"].as_f64()), (Some(30.0), Some(15.0)));
    }
}
