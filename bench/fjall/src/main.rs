//! The log as a library, beside fjall doing the same job: 16 writers that append batches to 16 shards and wait until they
//! are on the disk, a start after a hard stop, and a reader that catches up with everything.
//!
//! fjall is keyed (shard, position), once with a key for each record and once with a key for each batch; its writers share
//! each fdatasync as far as its interface lets them. Every command prints one JSON object.

mod embedded;
mod lsm;

use anyhow::Result;
use clap::Parser;
use hdrhistogram::Histogram;
use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::{Duration, Instant};

/// What is measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Engine {
    /// millstream-log-embedded
    Embedded,
    /// fjall with a key for each record
    FjallRecords,
    /// fjall with a key for each batch
    FjallBatches,
}

#[derive(Debug, Parser)]
#[command(name = "bench-fjall")]
enum Command {
    /// Append until the time is over, then leave without closing anything, as after kill -9
    Append(AppendArgs),
    /// Open what is there, and read all of it
    Reopen {
        #[arg(long, value_enum)]
        engine: Engine,
        #[arg(long)]
        directory: PathBuf,
    },
}

#[derive(Debug, Clone, clap::Args)]
struct AppendArgs {
    #[arg(long, value_enum)]
    engine: Engine,
    #[arg(long)]
    directory: PathBuf,
    #[arg(long, default_value_t = 3.0)]
    seconds: f64,
    /// Seconds before the measurement begins: files made, buffers filled, background work under way
    #[arg(long, default_value_t = 0.0)]
    warm_up: f64,
    /// Stop after so many bytes, those of the warm-up among them
    #[arg(long, default_value_t = u64::MAX)]
    max_bytes: u64,
}

const WRITERS: u64 = 16;
const READERS: u64 = 4;
const RECORDS: u32 = 500;
const RECORD_BYTES: usize = 1_024;
const BATCH_BYTES: u64 = RECORDS as u64 * RECORD_BYTES as u64;

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> Result<()> {
    match Command::parse() {
        Command::Append(arguments) => {
            let result = match arguments.engine {
                Engine::Embedded => embedded::append(&arguments)?,
                Engine::FjallRecords | Engine::FjallBatches => lsm::append(&arguments)?,
            };
            println!("{result}");
            // Nothing is dropped: what comes next is a recovery.
            std::process::exit(0)
        }
        Command::Reopen { engine, directory } => {
            let result = match engine {
                Engine::Embedded => embedded::reopen(&directory)?,
                Engine::FjallRecords | Engine::FjallBatches => lsm::reopen(engine, &directory)?,
            };
            println!("{result}");
            Ok(())
        }
    }
}

/// One writer's own records: data that cannot be compressed.
fn records(writer: u64) -> Vec<Vec<u8>> {
    let mut state = (writer + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let mut word = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state.to_le_bytes()
    };
    let record = |_| (0..RECORD_BYTES / 8).flat_map(|_| word()).collect();
    (0..RECORDS).map(record).collect()
}

/// What a writer did.
#[derive(Debug)]
struct Written {
    /// Of all batches, those of the warm-up among them: they have their places in the shard.
    batches: u64,
    latencies: Histogram<u64>,
}

impl Written {
    fn new() -> Result<Self> {
        Ok(Self { batches: 0, latencies: Histogram::new_with_bounds(1, 600_000_000, 3)? })
    }

    /// A batch that was begun at `started` is on the disk now.
    fn note(&mut self, until: &Until, started: Instant) {
        self.batches += 1;
        if started < until.begin {
            return;
        }
        let latency = started.elapsed();
        self.latencies.saturating_record(u64::try_from(latency.as_micros()).unwrap_or(u64::MAX));
    }
}

/// Until when writers write, and from when on it counts.
#[derive(Debug, Clone, Copy)]
struct Until {
    begin: Instant,
    end: Instant,
    /// Batches of one writer.
    batches: u64,
}

impl Until {
    fn new(arguments: &AppendArgs) -> Self {
        let begin = Instant::now() + Duration::from_secs_f64(arguments.warm_up);
        let batches = arguments.max_bytes / BATCH_BYTES / WRITERS;
        Self { begin, end: begin + Duration::from_secs_f64(arguments.seconds), batches }
    }

    fn goes_on(&self, written: u64) -> bool {
        written < self.batches && Instant::now() < self.end
    }
}

fn appended(until: &Until, all: &[Written]) -> Result<Value> {
    let seconds = until.begin.elapsed().as_secs_f64();
    let mut total = Written::new()?;
    for written in all {
        total.latencies.add(&written.latencies)?;
    }
    let bytes = total.latencies.len() * BATCH_BYTES;
    Ok(json!({
        "seconds": seconds,
        "batches": total.latencies.len(),
        "record_bytes": bytes,
        "mb_per_s": bytes as f64 / 1e6 / seconds,
        "p50_us": total.latencies.value_at_quantile(0.5),
        "p99_us": total.latencies.value_at_quantile(0.99),
    }))
}

fn reopened(opening: Duration, reading: Duration, bytes: u64, directory: &Path) -> Value {
    json!({
        "directory": directory.display().to_string(),
        "open_seconds": opening.as_secs_f64(),
        "record_bytes": bytes,
        "read_seconds": reading.as_secs_f64(),
        "read_mb_per_s": bytes as f64 / 1e6 / reading.as_secs_f64(),
    })
}
