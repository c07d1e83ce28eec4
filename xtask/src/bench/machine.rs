//! What the numbers are from.

use std::fmt;
use std::path::Path;
use std::process::Command;

use serde::Serialize;
use serde_json::Value;

use crate::os;

#[derive(Debug, Serialize)]
pub(crate) struct Machine {
    cpu: String,
    cores: usize,
    memory_gib: u64,
    kernel: String,
    disk: String,
    /// One fdatasync of 4 KiB, in milliseconds.
    pub(crate) fdatasync_p50_ms: f64,
    fdatasync_p99_ms: f64,
    /// Writing to memory that the process has just been given.
    fresh_memory_gb_per_s: f64,
    /// Load of the last minute when the run began: what else was going on.
    load: String,
}

impl fmt::Display for Machine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { cpu, cores, memory_gib, kernel, disk, .. } = self;
        write!(f, "{cpu}, {cores} cores, {memory_gib} GiB, Linux {kernel}, {disk} with ")?;
        write!(f, "an fdatasync of 4 KiB in {:.2} ms (p50) and ", self.fdatasync_p50_ms)?;
        write!(f, "{:.2} ms (p99), fresh memory at ", self.fdatasync_p99_ms)?;
        write!(f, "{:.2} GB/s, load {} before the run", self.fresh_memory_gb_per_s, self.load)
    }
}

/// Looks at the machine; `fdatasync` is what was measured in `directory`, and `memory` of fresh memory.
pub(crate) fn look(directory: &Path, fdatasync: &Value, memory: &Value) -> anyhow::Result<Machine> {
    let milliseconds = |name: &str| fdatasync[name].as_f64().unwrap_or(f64::NAN) / 1e3;
    Ok(Machine {
        cpu: cpu()?,
        cores: std::thread::available_parallelism()?.get(),
        memory_gib: memory_gib()?,
        kernel: os::read(Path::new("/proc/sys/kernel/osrelease"))?.trim().to_owned(),
        disk: disk(directory)?,
        fdatasync_p50_ms: milliseconds("p50_us"),
        fdatasync_p99_ms: milliseconds("p99_us"),
        fresh_memory_gb_per_s: memory["gb_per_s"].as_f64().unwrap_or(f64::NAN),
        load: os::read(Path::new("/proc/loadavg"))?.split(' ').next().unwrap_or_default().to_owned(),
    })
}

fn cpu() -> anyhow::Result<String> {
    let text = os::read(Path::new("/proc/cpuinfo"))?;
    let name = text.lines().find_map(|line| line.strip_prefix("model name")?.split_once(':'));
    Ok(name.map_or_else(|| std::env::consts::ARCH.to_owned(), |(_, name)| name.trim().to_owned()))
}

fn memory_gib() -> anyhow::Result<u64> {
    let text = os::read(Path::new("/proc/meminfo"))?;
    let kib = text
        .lines()
        .find_map(|line| line.strip_prefix("MemTotal:")?.split_whitespace().next()?.parse::<u64>().ok());
    Ok(kib.unwrap_or(0) >> 20)
}

/// The file system and the device below a directory.
fn disk(directory: &Path) -> anyhow::Result<String> {
    let mut df = Command::new("df");
    df.args(["--output=fstype,source"]).arg(directory);
    let printed = os::output(&mut df)?;
    let words: Vec<&str> = printed.lines().last().unwrap_or_default().split_whitespace().collect();
    let (kind, source) = (words.first().unwrap_or(&"?"), words.get(1).unwrap_or(&"?"));
    let device = source.trim_start_matches("/dev/");
    // A partition has its queue in the directory of its disk.
    let whole = device.trim_end_matches(|c: char| c.is_ascii_digit());
    let rotates = [device, whole]
        .iter()
        .find_map(|name| os::read(Path::new(&format!("/sys/block/{name}/queue/rotational"))).ok());
    let what = match rotates.as_deref().map(str::trim) {
        Some("0") => ", not rotating",
        Some("1") => ", said to rotate",
        Some(_) | None => "",
    };
    Ok(format!("{kind} on {source}{what}"))
}

/// Today, in UTC.
pub(crate) fn date() -> anyhow::Result<String> {
    Ok(os::output(Command::new("date").args(["-u", "+%Y-%m-%d"]))?.trim().to_owned())
}

/// Now, in UTC, fit for a file's name.
pub(crate) fn file_stamp() -> anyhow::Result<String> {
    Ok(os::output(Command::new("date").args(["-u", "+%Y%m%dT%H%M%SZ"]))?.trim().to_owned())
}
