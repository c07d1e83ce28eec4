//! How long a program takes from its start to the first byte that it prints: interpreters with nothing to do.

use crate::stats::Latencies;
use anyhow::{Context as _, Result, bail};
use serde_json::{Value, json};
use std::io::Read as _;
use std::process::{Command, Stdio};
use std::time::Instant;

#[derive(Debug, clap::Args)]
pub(crate) struct SpawnArgs {
    /// Start it so many times
    #[arg(long, default_value_t = 20)]
    starts: usize,
    #[arg(last = true, required = true)]
    command: Vec<String>,
}

pub(crate) fn run(arguments: &SpawnArgs) -> Result<Value> {
    let (program, rest) = arguments.command.split_first().context("no command")?;
    let mut latencies = Latencies::new(3)?;
    for _ in 0..arguments.starts {
        let mut command = Command::new(program);
        command.args(rest).stdin(Stdio::null()).stdout(Stdio::piped());
        let spawned = Instant::now();
        let mut child = command.spawn().with_context(|| format!("cannot start {program}"))?;
        let mut output = child.stdout.take().context("no output")?;
        let first = output.read(&mut [0]).context("cannot read what it prints")?;
        latencies.record(spawned.elapsed());
        let status = child.wait()?;
        if first == 0 || !status.success() {
            bail!("{program} printed nothing, or failed ({status})");
        }
    }
    Ok(json!({ "start": latencies.summary() }))
}
