//! Limits by the kernel's control groups (cgroup v2), where the server has been given a part of them: a service with
//! `Delegate=yes`, or a container that may write its own.
//!
//! ```text
//! …/millstream.service             what was delegated
//!    ├ millstream-server           this process: a group with controllers may have no process of its own
//!    └ millstream-worker-PID-ID    one for each worker
//! ```
//! Where there is none, memory is looked at ([`crate::memory`]) and processes are limited by rlimits, as they are here too:
//! a group counts what is in /tmp with the rest, so its wall stands behind the function's own limit, not in its place.

use crate::caps;
use crate::spec::FunctionSpec;
use millstream_host::{entropy, fs};
use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Once;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

/// The group that the server moves to.
const SERVER: &str = "millstream-server";
/// What the names of workers' groups begin with.
const WORKER: &str = "millstream-worker-";
/// Where processes enter a group.
pub(crate) const ENTRANCE: &str = "cgroup.procs";
/// Groups that were left behind are looked for once: what this process makes later is no leftover.
static SWEPT: Once = Once::new();

/// Whether functions may be put into control groups.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Cgroups {
    /// Wherever this process has been given some. It moves into a group of its own below the one that it is in.
    #[default]
    Use,
    /// Say whether they could be used, and change nothing.
    Look,
    /// Below this one, with the controllers that it hands down; this process stays where it is.
    Below(PathBuf),
    Off,
}

/// The controllers that workers' groups have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Controllers {
    memory: bool,
    cpu: bool,
    pids: bool,
}

impl Controllers {
    /// Those of a blank-separated list that are of use here.
    fn of(list: &str) -> Self {
        let has = |name| list.split_whitespace().any(|word| word == name);
        Self { memory: has("memory"), cpu: has("cpu"), pids: has("pids") }
    }

    fn names(self) -> Vec<&'static str> {
        let all = [(self.memory, "memory"), (self.cpu, "cpu"), (self.pids, "pids")];
        all.iter().filter_map(|&(has, name)| has.then_some(name)).collect()
    }
}

impl fmt::Display for Controllers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.names().join(", "))
    }
}

/// The group below which each worker gets one.
#[derive(Clone, Debug)]
pub(crate) struct Groups {
    parent: PathBuf,
    pub controllers: Controllers,
}

impl Groups {
    /// Those that this process may use; the error says why there are none.
    pub(crate) fn find(wanted: &Cgroups) -> Result<Self, String> {
        let pid = std::process::id();
        match wanted {
            Cgroups::Off => Err("not asked for".to_owned()),
            Cgroups::Look => Self::survey(&own_group()?, pid),
            Cgroups::Use => Self::take(&own_group()?, pid),
            Cgroups::Below(parent) => Self::below(parent),
        }
    }

    fn below(parent: &Path) -> Result<Self, String> {
        let list = fs::read_to_string(&parent.join("cgroup.subtree_control"))
            .map_err(|error| format!("{}: {error}", parent.display()))?;
        Ok(Self { parent: parent.to_owned(), controllers: Controllers::of(&list) })
    }

    /// Whether the group `parent`, in which process `pid` is, can have groups with controllers below it.
    fn survey(parent: &Path, pid: u32) -> Result<Self, String> {
        let shown = parent.display();
        let list = |name: &str| fs::read_to_string(&parent.join(name));
        let offered = list("cgroup.controllers").map_err(|error| format!("{shown}: {error}"))?;
        let controllers = Controllers::of(&offered);
        if controllers.names().is_empty() {
            return Err(format!("{shown} has no controller of memory, cpu or pids"));
        }
        for needed in [parent.to_owned(), parent.join(ENTRANCE), parent.join("cgroup.subtree_control")] {
            nix::unistd::access(&needed, nix::unistd::AccessFlags::W_OK)
                .map_err(|error| format!("{} is not delegated: {}", needed.display(), error.desc()))?;
        }
        let there = Self { parent: parent.to_owned(), controllers };
        if !there.is_handed_down() && !there.is_root() {
            let processes = list(ENTRANCE).map_err(|error| format!("{shown}: {error}"))?;
            let others = processes.lines().filter(|line| line.trim() != pid.to_string()).count();
            if others > 0 {
                return Err(format!(
                    "{others} other processes are in {shown}; as a service with Delegate=yes, Millstream is alone in its group"
                ));
            }
        }
        Ok(there)
    }

    /// Make it so that groups below `parent` have controllers.
    fn take(parent: &Path, pid: u32) -> Result<Self, String> {
        let there = Self::survey(parent, pid)?;
        if !there.is_handed_down() {
            let home = parent.join(SERVER);
            let moves = !there.is_root();
            if moves {
                make(&home)?;
                enter(&home, pid)?;
            }
            if let Err(why) = there.hand_down() {
                if moves {
                    enter(parent, pid)?;
                    fs::remove_dir(&home).map_err(|error| format!("{}: {error}", home.display()))?;
                }
                return Err(why);
            }
        }
        SWEPT.call_once(|| there.sweep(pid));
        Ok(there)
    }

    /// Only the root has no kind, and it may have both processes and controllers.
    fn is_root(&self) -> bool {
        !self.parent.join("cgroup.type").exists()
    }

    fn is_handed_down(&self) -> bool {
        let list = fs::read_to_string(&self.parent.join("cgroup.subtree_control"));
        list.is_ok_and(|list| Controllers::of(&list) == self.controllers)
    }

    fn hand_down(&self) -> Result<(), String> {
        let words: Vec<_> = self.controllers.names().iter().map(|name| format!("+{name}")).collect();
        put(&self.parent, "cgroup.subtree_control", &words.join(" "))
            .map_err(|error| format!("{} hands no controllers down: {error}", self.parent.display()))
    }

    /// Remove what servers have left behind that were killed. A group with processes in it stays.
    fn sweep(&self, pid: u32) {
        for name in fs::list(&self.parent).unwrap_or_default() {
            let owner =
                name.strip_prefix(WORKER).and_then(|rest| rest.split('-').next()?.parse::<u32>().ok());
            let Some(owner) = owner else { continue };
            if owner == pid || !Path::new(&format!("/proc/{owner}")).exists() {
                // One that is in use is not for us to remove.
                drop(fs::remove_dir(&self.parent.join(name)));
            }
        }
    }

    /// A group for a worker of `spec`.
    pub(crate) fn make(&self, spec: &FunctionSpec) -> io::Result<Group> {
        self.make_with(spec.memory_mb, spec.ephemeral_mb)
    }

    /// A group with limits by a function's memory and /tmp, in MiB.
    pub(crate) fn make_with(&self, memory_mb: u32, ephemeral_mb: u32) -> io::Result<Group> {
        let name = format!("{WORKER}{}-{:016x}", std::process::id(), entropy::u64());
        let path = self.parent.join(name);
        fs::create_dir(&path)?;
        // All there is while it starts, as on AWS; then by its memory.
        let cpu_quota = self.controllers.cpu.then(|| quota(memory_mb));
        let group = Group { path, cpu_quota, removed: AtomicBool::new(false) };
        if self.controllers.memory {
            let bytes = (u64::from(memory_mb) + u64::from(ephemeral_mb) + caps::GROUP_SPARE_MB) << 20;
            group.put("memory.max", &bytes.to_string())?;
            // Not there where the kernel has no swap, or before Linux 4.19.
            for (file, value) in [("memory.swap.max", "0"), ("memory.oom.group", "1")] {
                if let Err(error) = group.put(file, value) {
                    tracing::debug!(%error, file, "a control group goes without");
                }
            }
        }
        if self.controllers.pids {
            group.put("pids.max", &(caps::MAX_PROCESSES + caps::GROUP_SPARE_PROCESSES).to_string())?;
        }
        Ok(group)
    }
}

/// Microseconds of each [`caps::CPU_PERIOD`] for a function of `memory_mb`.
fn quota(memory_mb: u32) -> u64 {
    let period = u64::try_from(caps::CPU_PERIOD.as_micros()).unwrap_or(u64::MAX);
    // The kernel takes a millisecond at least.
    (u64::from(memory_mb).saturating_mul(period) / caps::MEMORY_MB_PER_CPU).max(1_000)
}

/// The control group of one worker. What is in it ends with it.
#[derive(Debug)]
pub(crate) struct Group {
    path: PathBuf,
    cpu_quota: Option<u64>,
    removed: AtomicBool,
}

impl Group {
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    fn put(&self, file: &str, value: &str) -> io::Result<()> {
        put(&self.path, file, value)
    }

    /// From now on the function has the share of the processors that its memory gives it.
    pub(crate) fn limit_cpu(&self) {
        let Some(quota) = self.cpu_quota else { return };
        if let Err(error) = self.put("cpu.max", &format!("{quota} {}", caps::CPU_PERIOD.as_micros())) {
            tracing::warn!(%error, "could not limit a function's share of the processors");
        }
    }

    /// Whether the kernel has ended it because it was at its limit.
    pub(crate) fn ran_out_of_memory(&self) -> bool {
        let events = fs::read_to_string(&self.path.join("memory.events")).unwrap_or_default();
        let killed = events.lines().find_map(|line| line.strip_prefix("oom_kill "));
        killed.is_some_and(|count| count.trim() != "0")
    }

    /// End what is in it, wherever it has hidden, and remove it.
    pub(crate) async fn end(&self) {
        self.kill();
        let mut left = caps::GROUP_REMOVAL;
        let pause = Duration::from_millis(5);
        while let Err(error) = self.remove() {
            if left.is_zero() {
                tracing::warn!(%error, path = %self.path.display(), "could not remove a worker's control group");
                return;
            }
            tokio::time::sleep(pause).await;
            left = left.saturating_sub(pause);
        }
    }

    fn kill(&self) {
        // Before Linux 5.14 there is no such file: its process 1 has ended all of it then.
        if let Err(error) = self.put("cgroup.kill", "1") {
            tracing::debug!(%error, "a control group cannot be killed as one");
        }
    }

    fn remove(&self) -> io::Result<()> {
        if !self.removed.load(Ordering::Relaxed) {
            fs::remove_dir(&self.path)?;
            self.removed.store(true, Ordering::Relaxed);
        }
        Ok(())
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        // For one that was never given to a worker; what cannot be removed now the next start removes.
        drop(self.remove());
    }
}

fn make(path: &Path) -> Result<(), String> {
    match fs::create_dir(path) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => {
            Err(format!("{} cannot be made: {error}", path.display()))
        }
        _ => Ok(()),
    }
}

fn enter(group: &Path, pid: u32) -> Result<(), String> {
    put(group, ENTRANCE, &pid.to_string())
        .map_err(|error| format!("{} cannot be entered: {error}", group.display()))
}

fn put(group: &Path, file: &str, value: &str) -> io::Result<()> {
    let path = group.join(file);
    fs::write(&path, value.as_bytes())
        .map_err(|error| io::Error::new(error.kind(), format!("{}: {error}", path.display())))
}

/// The directory of the group whose children may be ours.
pub(crate) fn own_group() -> Result<PathBuf, String> {
    let read = |path: &str| fs::read_to_string(Path::new(path)).map_err(|error| format!("{path}: {error}"));
    group_of(&read("/proc/self/cgroup")?, &read("/proc/self/mountinfo")?)
}

fn group_of(membership: &str, mounts: &str) -> Result<PathBuf, String> {
    let path = membership.lines().find_map(|line| line.strip_prefix("0::"));
    let path = Path::new(path.ok_or("this machine has no cgroup v2")?);
    let (root, at) = mounts.lines().find_map(cgroup2_mount).ok_or("cgroup v2 is not mounted")?;
    let below = path.strip_prefix(&root).ok().ok_or("this process's cgroup is not mounted here")?;
    if below.components().any(|part| part == std::path::Component::ParentDir) {
        return Err("this process's cgroup is outside of its cgroup namespace".to_owned());
    }
    let own = if below.as_os_str().is_empty() { at } else { at.join(below) };
    // A second service in one process finds the first one's move.
    let moved = own.file_name().is_some_and(|name| name == SERVER);
    Ok(own.parent().filter(|_| moved).map_or_else(|| own.clone(), Path::to_owned))
}

/// What is mounted, and where, if the line of mountinfo is of cgroup v2.
fn cgroup2_mount(line: &str) -> Option<(PathBuf, PathBuf)> {
    let (mount, file_system) = line.split_once(" - ")?;
    let mut fields = mount.split(' ').skip(3);
    file_system.starts_with("cgroup2 ").then_some(())?;
    Some((PathBuf::from(fields.next()?), PathBuf::from(fields.next()?)))
}

#[cfg(test)]
#[path = "groups_tests.rs"]
mod tests;
