//! How much memory a worker uses, read from /proc. A cgroup would be exact but needs a delegated subtree, and
//! RLIMIT_AS counts address space, of which ordinary runtimes reserve gigabytes.

use crate::caps;
use crate::files;
use crate::machine;
use crate::sandbox::{Ending, Isolation};
use crate::spec::FunctionSpec;
use millstream_host::fs;
use nix::sys::statvfs::statvfs;
use std::collections::HashMap;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use tokio::sync::{Notify, watch};

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

    /// What the worker uses now.
    fn sample(self, limit_kb: u64, ephemeral_mb: u32) -> Sample {
        let processes = self.processes();
        let resident: u64 =
            processes.iter().filter_map(|&pid| usage(pid)).map(|usage| usage.resident_kb).sum();
        // Pages shared between processes count once for each; only what is close is counted exactly.
        let used = if resident > limit_kb && processes.len() > 1 {
            processes.iter().map(|&pid| proportional_kb(pid)).sum()
        } else {
            resident
        };
        let in_tmp = match (self.isolation, processes.first()) {
            (Isolation::Namespaces, Some(&first)) => used_of_tmp(first, ephemeral_mb),
            _ => 0,
        };
        let first = processes.first().and_then(|&pid| usage(pid)).map_or(0, |usage| usage.peak_kb);
        let alone = match processes.as_slice() {
            [alone] => *alone,
            _ => NOBODY,
        };
        Sample { used, peak: used.max(first), in_tmp, alone }
    }
}

/// In KiB.
struct Sample {
    used: u64,
    /// The most that is known of until now.
    peak: u64,
    in_tmp: u64,
    /// The function's only process, or [`NOBODY`].
    alone: u32,
}

/// No process has this number.
const NOBODY: u32 = 0;

/// What the private /tmp of process `pid` holds, in KiB: memory too, which belongs to no process.
fn used_of_tmp(pid: u32, tmp_mb: u32) -> u64 {
    let Ok(found) = statvfs(Path::new(&format!("/proc/{pid}/root/tmp"))) else { return 0 };
    let kb = |blocks: u64| blocks.saturating_mul(found.fragment_size()) / 1024;
    // The process may have ended and its number be another's, whose /tmp is not of our making.
    let is_ours = kb(found.blocks()) == u64::from(tmp_mb) * 1024;
    if is_ours { kb(found.blocks().saturating_sub(found.blocks_free())) } else { 0 }
}

/// The directories /tmp of all workers: together they may take a share of the machine's memory.
#[derive(Debug)]
pub(crate) struct Tmps {
    limit_kb: u64,
    used_kb: Mutex<HashMap<u32, u64>>,
}

impl Tmps {
    pub(crate) fn new() -> Self {
        let total = machine::total_kb().unwrap_or(u64::MAX);
        Self::within(total / caps::TMP_SHARE_OF_MEMORY)
    }

    fn within(limit_kb: u64) -> Self {
        Self { limit_kb, used_kb: Mutex::default() }
    }

    /// Note what the worker uses. Returns whether it is the one to end, because all together are over the limit and
    /// none uses more.
    fn note(&self, worker: u32, used_kb: u64) -> bool {
        let mut all = self.used_kb.lock().unwrap_or_else(PoisonError::into_inner);
        all.insert(worker, used_kb);
        all.values().fold(0_u64, |sum, kb| sum.saturating_add(*kb)) > self.limit_kb
            && all.values().all(|kb| *kb <= used_kb)
    }

    fn forget(&self, worker: u32) {
        self.used_kb.lock().unwrap_or_else(PoisonError::into_inner).remove(&worker);
    }
}

/// Looks at one worker's memory for as long as the worker lives, and ends it when it has used too much.
#[derive(Debug)]
pub(crate) struct Sampler {
    tree: Tree,
    limit_kb: u64,
    ephemeral_mb: u32,
    tmps: Arc<Tmps>,
    peak_kb: AtomicU64,
    /// The function's process if it had no other when it was looked at last, or [`NOBODY`].
    alone: AtomicU32,
    busy: AtomicBool,
    /// Set while nobody looks for longer than [`caps::MEMORY_SAMPLE`]; whoever makes the worker busy ends it.
    resting: AtomicBool,
    wake: Notify,
    over: watch::Sender<bool>,
    ending: Ending,
}

impl Sampler {
    pub(crate) fn new(tree: Tree, spec: &FunctionSpec, tmps: Arc<Tmps>, ending: Ending) -> Arc<Self> {
        Arc::new(Self {
            tree,
            limit_kb: u64::from(spec.memory_mb) * 1024,
            ephemeral_mb: spec.ephemeral_mb,
            tmps,
            peak_kb: AtomicU64::new(0),
            alone: AtomicU32::new(NOBODY),
            busy: AtomicBool::new(true),
            resting: AtomicBool::new(false),
            wake: Notify::new(),
            over: watch::Sender::new(false),
            ending,
        })
    }

    /// Look until the worker is over its limit.
    pub(crate) async fn run(self: Arc<Self>) {
        let mut idle = caps::IDLE_MEMORY_SAMPLE;
        while !self.is_over() {
            if self.rests() {
                tokio::select! {
                    () = tokio::time::sleep(idle) => {}
                    () = self.wake.notified() => {
                        idle = caps::IDLE_MEMORY_SAMPLE;
                        continue;
                    }
                }
                // The longer it rests the less it is looked at: a thousand workers at rest must cost nothing.
                idle = (idle * 2).min(caps::LONG_IDLE_MEMORY_SAMPLE);
            } else {
                // Invocations may come and go meanwhile: they must not put off the next look.
                tokio::time::sleep(caps::MEMORY_SAMPLE).await;
                idle = caps::IDLE_MEMORY_SAMPLE;
            }
            self.look().await;
        }
    }

    /// Whether the worker has nothing to do. If so, it wakes the sampler when it has. Of this and [`Sampler::set_busy`]
    /// one at least sees what the other has written.
    fn rests(&self) -> bool {
        self.resting.store(true, Ordering::SeqCst);
        let rests = !self.busy.load(Ordering::SeqCst);
        if !rests {
            self.resting.store(false, Ordering::SeqCst);
        }
        rests
    }

    /// The highest use so far, in MiB, of which the kernel keeps account itself for a process that is alone. Of others it
    /// is known as of now.
    pub(crate) async fn latest_peak_mb(self: &Arc<Self>) -> u32 {
        let alone = self.alone.load(Ordering::Relaxed);
        let usage = if alone == NOBODY { None } else { usage(alone) };
        match usage {
            // One file, which the kernel makes in microseconds: sooner than another thread is awake.
            Some(Usage { peak_kb, .. }) if peak_kb <= self.limit_kb => {
                self.peak_kb.fetch_max(peak_kb, Ordering::Relaxed);
            }
            _ => self.look().await,
        }
        in_mb(self.peak_kb.load(Ordering::Relaxed))
    }

    /// Look now. Reading /proc takes the kernel a while for a worker of many processes, so it is done elsewhere.
    pub(crate) async fn look(self: &Arc<Self>) {
        let sampler = Arc::clone(self);
        if let Err(error) = tokio::task::spawn_blocking(move || sampler.look_now()).await {
            tracing::warn!(%error, "could not look at a worker's memory");
        }
    }

    fn look_now(&self) {
        let sample = self.tree.sample(self.limit_kb, self.ephemeral_mb);
        self.peak_kb.fetch_max(sample.peak, Ordering::Relaxed);
        self.alone.store(sample.alone, Ordering::Relaxed);
        let tmps_full = self.tmps.note(self.tree.pid, sample.in_tmp);
        if tmps_full {
            tracing::warn!(
                limit_kb = self.tmps.limit_kb,
                used_kb = sample.in_tmp,
                "the directories /tmp of all functions take too much of this machine's memory; ending the worker with the largest"
            );
        }
        if sample.used > self.limit_kb || tmps_full {
            // First the reason, then the end.
            self.over.send_replace(true);
            self.ending.end();
        }
    }

    /// How often to look: a worker with nothing to do changes little.
    pub(crate) fn set_busy(&self, busy: bool) {
        self.busy.store(busy, Ordering::SeqCst);
        if busy && self.resting.swap(false, Ordering::SeqCst) {
            self.wake.notify_one();
        }
    }

    pub(crate) fn is_over(&self) -> bool {
        *self.over.borrow()
    }

    /// Returns when the worker has used too much; never otherwise.
    pub(crate) async fn exceeded(&self) {
        // `self` holds the sender, so this is no error.
        drop(self.over.subscribe().wait_for(|over| *over).await);
    }
}

impl Drop for Sampler {
    fn drop(&mut self) {
        self.tmps.forget(self.tree.pid);
    }
}

/// Memory of one process in KiB.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Usage {
    resident_kb: u64,
    peak_kb: u64,
}

/// `None` if the process has ended.
fn usage(pid: u32) -> Option<Usage> {
    let status = fs::read_to_string(Path::new(&format!("/proc/{pid}/status"))).ok()?;
    let value = |name| field(&status, name);
    Some(Usage { resident_kb: value("VmRSS:")?, peak_kb: value("VmHWM:")? })
}

fn proportional_kb(pid: u32) -> u64 {
    let rollup = fs::read_to_string(Path::new(&format!("/proc/{pid}/smaps_rollup"))).ok();
    rollup.and_then(|text| field(&text, "Pss:")).or_else(|| Some(usage(pid)?.resident_kb)).unwrap_or_default()
}

/// `Name:   123 kB`
pub(crate) fn field(text: &str, name: &str) -> Option<u64> {
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
fn in_mb(kb: u64) -> u32 {
    u32::try_from(kb.div_ceil(1024)).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::{Tmps, field, in_mb, usage};

    #[test]
    fn this_process_uses_memory() {
        let usage = usage(std::process::id()).unwrap();
        assert!(usage.resident_kb > 0 && usage.peak_kb >= usage.resident_kb / 2);
        assert_eq!(super::usage(u32::MAX), None);
    }

    #[test]
    fn the_largest_tmp_makes_room_for_the_others() {
        let tmps = Tmps::within(100);
        assert!(!tmps.note(1, 60) && !tmps.note(2, 40));
        assert!(!tmps.note(2, 50), "over the limit, but another has more");
        assert!(tmps.note(1, 60));
        tmps.forget(1);
        assert!(!tmps.note(2, 50));
    }

    #[test]
    fn fields_are_read_and_rounded_up() {
        assert_eq!(field("VmPeak:\t 9 kB\nVmHWM:\t  1025 kB\n", "VmHWM:"), Some(1_025));
        assert_eq!(field("", "VmHWM:"), None);
        assert_eq!((in_mb(1_024), in_mb(1_025)), (1, 2));
    }
}
