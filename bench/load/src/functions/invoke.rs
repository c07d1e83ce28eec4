//! Invocations one after another, as a client sees them.

use super::request;
use crate::http::Connection;
use crate::stats::Latencies;
use anyhow::{Context as _, Result, bail};
use serde_json::{Value, json};
use std::net::SocketAddr;
use std::time::{Duration, Instant};

#[derive(Debug, clap::Args)]
pub(crate) struct InvokeArgs {
    #[arg(long)]
    address: SocketAddr,
    #[arg(long)]
    function: String,
    #[arg(long, default_value_t = 1_000)]
    requests: usize,
    /// Invocations before the measurement begins
    #[arg(long, default_value_t = 0)]
    warm_up: usize,
    /// Milliseconds from an answer to the next invocation
    #[arg(long, default_value_t = 0)]
    pause_ms: u64,
    /// Ask for the log, and tell what it says of the start
    #[arg(long)]
    init: bool,
}

pub(crate) async fn run(arguments: &InvokeArgs) -> Result<Value> {
    let InvokeArgs { address, function, requests, warm_up, pause_ms, init } = arguments;
    let path = format!("/2015-03-31/functions/{function}/invocations");
    let more = if *init { "X-Amz-Log-Type: Tail\r\n" } else { "" };
    let request = request(*address, "POST", &path, more, b"{}");
    let mut connection = Connection::open(*address).await?;
    let mut latencies = Latencies::new(3)?;
    let mut log = None;
    for number in 0..warm_up + requests {
        tokio::time::sleep(Duration::from_millis(*pause_ms)).await;
        let started = Instant::now();
        let status = connection.exchange(&request).await?;
        let took = started.elapsed();
        if status != 200 || connection.header("x-amz-function-error").is_some() {
            let answer = String::from_utf8_lossy(connection.body()).into_owned();
            bail!("invocation {number} of {function}: {status} {answer}");
        }
        if number >= *warm_up {
            latencies.record(took);
        }
        log = connection.header("x-amz-log-result").map(ToOwned::to_owned).or(log);
    }
    Ok(json!({ "latency": latencies.summary(), "init_ms": log.map(|log| init_of(&log)).transpose()? }))
}

/// Milliseconds that the REPORT line in the end of a log, in base64, says of the start. Nothing if there was none.
fn init_of(log: &str) -> Result<Option<f64>> {
    let log = base64_simd::STANDARD.decode_to_vec(log).context("the log is not base64")?;
    let log = String::from_utf8_lossy(&log).into_owned();
    let Some((_, rest)) = log.split_once("Init Duration: ") else { return Ok(None) };
    let number = rest.split(' ').next().unwrap_or_default();
    number.parse().map(Some).with_context(|| format!("an init duration of {number:?}"))
}

#[cfg(test)]
mod tests {
    use super::init_of;

    #[test]
    fn a_log_tells_of_a_start() {
        let encode = |text: &str| base64_simd::STANDARD.encode_to_string(text);
        let cold = encode("REPORT RequestId: 1\tMax Memory Used: 3 MB\tInit Duration: 12.34 ms\t\n");
        assert_eq!(init_of(&cold).unwrap(), Some(12.34));
        assert_eq!(init_of(&encode("REPORT RequestId: 1\tMax Memory Used: 3 MB\t\n")).unwrap(), None);
        assert!(init_of("?").is_err());
    }
}
