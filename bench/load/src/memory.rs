//! What fresh memory costs here. Some virtual machines give free memory back to their host, and have it again only page by
//! page: whatever keeps what it is sent then pays for that first.

use serde_json::{Value, json};
use std::hint::black_box;
use std::time::Instant;

#[derive(Debug, clap::Args)]
pub(crate) struct MemoryArgs {
    /// MiB to write to for the first time
    #[arg(long, default_value_t = 1_024)]
    mib: usize,
}

/// Writes to memory that the process has just been given.
pub(crate) fn run(arguments: &MemoryArgs) -> Value {
    let mut memory: Vec<u8> = Vec::with_capacity(arguments.mib << 20);
    let started = Instant::now();
    memory.resize(arguments.mib << 20, 7);
    let seconds = started.elapsed().as_secs_f64();
    let bytes = black_box(&memory).len();
    json!({ "gb_per_s": bytes as f64 / seconds / 1e9 })
}
