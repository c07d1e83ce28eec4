//! How much memory a worker uses, read from /proc. A cgroup would be exact but needs a delegated subtree, and
//! RLIMIT_AS counts address space, of which ordinary runtimes reserve gigabytes.

use crate::caps;
use crate::files;
use crate::sandbox::Isolation;
use millstream_host::fs;
use std::path::Path;

/// Processes looked at in one worker.
const MAX_LOOKED_AT: usize = 4_096;

/// The processes of one worker.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Tree {
    /// The outermost process, which is the server's child.
    pub pid: u32,
    pub isolation: Isolation,
}

impl Tree {
    /// How many generations are ours and not the function's.
    fn own_generations(self) -> usize {
        match self.isolation {
            Isolation::Namespaces => 2,
            Isolation::Process => 1,
        }
    }

    /// The function's processes, its first one first. Empty until it has started and after it has ended.
    pub(crate) fn processes(self) -> Vec<u32> {
        let mut generation = vec![self.pid];
        for _ in 0..self.own_generations() {
            generation = generation.iter().flat_map(|&pid| children(pid)).collect();
        }
        let mut at = 0;
        while at < generation.len() && generation.len() < MAX_LOOKED_AT {
            generation.extend(children(generation[at]));
            at += 1;
        }
        generation
    }

    /// Returns when the worker's memory has exceeded `limit_mb` MiB; never otherwise. `peak_kb` is kept up to date.
    pub(crate) async fn exceeds(self, limit_mb: u32, peak_kb: &mut u64) {
        let most = u64::from(limit_mb) * 1024;
        loop {
            tokio::time::sleep(caps::MEMORY_SAMPLE).await;
            let processes = self.processes();
            let resident: u64 =
                processes.iter().filter_map(|&pid| usage(pid)).map(|usage| usage.resident_kb).sum();
            // Pages shared between processes count once for each; only what is close is counted exactly.
            let used = if resident > most && processes.len() > 1 {
                processes.iter().map(|&pid| proportional_kb(pid)).sum()
            } else {
                resident
            };
            *peak_kb = (*peak_kb).max(used);
            if used > most {
                return;
            }
        }
    }
}

/// Memory of one process in KiB.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Usage {
    pub resident_kb: u64,
    pub peak_kb: u64,
}

/// `None` if the process has ended.
pub(crate) fn usage(pid: u32) -> Option<Usage> {
    let status = fs::read_to_string(Path::new(&format!("/proc/{pid}/status"))).ok()?;
    let value = |name| field(&status, name);
    Some(Usage { resident_kb: value("VmRSS:")?, peak_kb: value("VmHWM:")? })
}

fn proportional_kb(pid: u32) -> u64 {
    let rollup = fs::read_to_string(Path::new(&format!("/proc/{pid}/smaps_rollup"))).ok();
    rollup.and_then(|text| field(&text, "Pss:")).or_else(|| Some(usage(pid)?.resident_kb)).unwrap_or_default()
}

/// `Name:   123 kB`
fn field(text: &str, name: &str) -> Option<u64> {
    text.lines().find_map(|line| line.strip_prefix(name))?.split_whitespace().next()?.parse().ok()
}

/// The kernel lists children by the thread that started them.
fn children(pid: u32) -> Vec<u32> {
    let threads = files::list(Path::new(&format!("/proc/{pid}/task"))).unwrap_or_default();
    let mut found = Vec::new();
    for thread in threads.into_iter().take(MAX_LOOKED_AT) {
        let text = fs::read_to_string(&thread.join("children")).unwrap_or_default();
        found.extend(text.split_whitespace().filter_map(|pid| pid.parse::<u32>().ok()));
    }
    found
}

/// KiB to MiB, rounded up.
pub(crate) fn in_mb(kb: u64) -> u32 {
    u32::try_from(kb.div_ceil(1024)).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::{field, in_mb, usage};

    #[test]
    fn this_process_uses_memory() {
        let usage = usage(std::process::id()).unwrap();
        assert!(usage.resident_kb > 0 && usage.peak_kb >= usage.resident_kb / 2);
        assert_eq!(super::usage(u32::MAX), None);
    }

    #[test]
    fn fields_are_read_and_rounded_up() {
        assert_eq!(field("VmPeak:\t 9 kB\nVmHWM:\t  1025 kB\n", "VmHWM:"), Some(1_025));
        assert_eq!(field("", "VmHWM:"), None);
        assert_eq!((in_mb(1_024), in_mb(1_025)), (1, 2));
    }
}
