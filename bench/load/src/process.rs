//! What a process has used, from `/proc`.

use crate::stats::Window;
use anyhow::{Context as _, Result};
use serde_json::{Value, json};

/// Clock ticks in `/proc/<pid>/stat` per second: fixed by Linux's interface to programs, whatever the kernel's own rate.
const TICKS: f64 = 100.0;

/// Seconds of all cores that a process has used, its ended children not among them.
pub(crate) fn cpu_seconds(pid: u32) -> Result<f64> {
    let path = format!("/proc/{pid}/stat");
    let text = std::fs::read_to_string(&path).with_context(|| format!("cannot read {path}"))?;
    // The name in parentheses may hold blanks; what comes after the last one is fields 3 and up.
    let fields: Vec<&str> = text.rsplit(')').next().unwrap_or_default().split_whitespace().collect();
    let ticks = |field: usize| fields.get(field - 3).and_then(|text| text.parse::<f64>().ok());
    let (user, system) = (ticks(14).context("utime")?, ticks(15).context("stime")?);
    Ok((user + system) / TICKS)
}

/// Resident memory of a process in bytes: (now, most so far).
pub(crate) fn memory(pid: u32) -> Result<(u64, u64)> {
    let path = format!("/proc/{pid}/status");
    let text = std::fs::read_to_string(&path).with_context(|| format!("cannot read {path}"))?;
    let kib = |name: &str| {
        let line = text.lines().find_map(|line| line.strip_prefix(name))?;
        line.split_whitespace().next()?.parse::<u64>().ok()
    };
    Ok((kib("VmRSS:").context("VmRSS")? * 1_024, kib("VmHWM:").context("VmHWM")? * 1_024))
}

/// What the process used during the window; null without a process.
pub(crate) async fn watch(pid: Option<u32>, window: &Window) -> Result<Value> {
    let Some(pid) = pid else { return Ok(Value::Null) };
    tokio::time::sleep_until(window.begin.into()).await;
    let before = cpu_seconds(pid)?;
    window.over().await;
    let used = cpu_seconds(pid)? - before;
    let (resident, peak) = memory(pid)?;
    Ok(json!({ "cpu_seconds": used, "rss_bytes": resident, "rss_peak_bytes": peak }))
}
