//! What one fdatasync costs here: the floor under every durable acknowledgement.

use crate::stats::Latencies;
use anyhow::{Context as _, Result};
use serde_json::Value;
use std::fs::File;
use std::os::unix::fs::FileExt as _;
use std::path::PathBuf;
use std::time::Instant;

const BLOCK: usize = 4_096;

#[derive(Debug, clap::Args)]
pub(crate) struct DiskArgs {
    /// A directory on the disk in question
    #[arg(long)]
    directory: PathBuf,
    #[arg(long, default_value_t = 300)]
    count: u64,
}

/// 4 KiB into a file written before, then fdatasync, one after another.
pub(crate) fn run(arguments: &DiskArgs) -> Result<Value> {
    let path = arguments.directory.join("fdatasync.probe");
    let measured = measure(arguments, &path);
    std::fs::remove_file(&path).with_context(|| format!("cannot remove {}", path.display()))?;
    measured
}

fn measure(arguments: &DiskArgs, path: &std::path::Path) -> Result<Value> {
    let file = File::create(path).with_context(|| format!("cannot make {}", path.display()))?;
    let block = [7_u8; BLOCK];
    for number in 0..arguments.count {
        file.write_all_at(&block, number * BLOCK as u64)?;
    }
    file.sync_all()?;
    let mut latencies = Latencies::new(3)?;
    for number in 0..arguments.count {
        let started = Instant::now();
        file.write_all_at(&block, number * BLOCK as u64)?;
        file.sync_data()?;
        latencies.record(started.elapsed());
    }
    Ok(latencies.summary())
}
