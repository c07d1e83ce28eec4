//! How much memory there is: that of the machine, and what is left of it to the control groups that the server is in. A
//! container sees the whole machine in /proc/meminfo, and is killed at its group's limit (cgroup v2).

use crate::caps;
use crate::groups;
use millstream_host::fs;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

const MEMINFO: &str = "/proc/meminfo";

/// Memory that is shared by whoever is under one limit, in KiB.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Memory {
    total: u64,
    available: u64,
}

impl Memory {
    /// Another worker would endanger what runs.
    fn is_short(self) -> bool {
        self.available < self.total / caps::KEPT_SHARE_OF_MEMORY
    }
}

/// Whether so little memory is left that another worker would endanger what runs. Not, where nothing is known.
pub(crate) fn is_short() -> bool {
    limits().any(Memory::is_short)
}

/// The memory that the server and its workers can have at most, in KiB.
pub(crate) fn total_kb() -> Option<u64> {
    limits().map(|memory| memory.total).min()
}

fn limits() -> impl Iterator<Item = Memory> {
    static GROUP: OnceLock<Option<PathBuf>> = OnceLock::new();
    let group = GROUP.get_or_init(|| groups::own_group().ok());
    let machine = fs::read_to_string(Path::new(MEMINFO)).ok().and_then(|text| of_machine(&text));
    machine.into_iter().chain(of_groups(group.as_deref()))
}

fn of_machine(meminfo: &str) -> Option<Memory> {
    let field = |name| crate::memory::field(meminfo, name);
    Some(Memory { total: field("MemTotal:")?, available: field("MemAvailable:")? })
}

/// Of a group and all those that it is in.
fn of_groups(own: Option<&Path>) -> impl Iterator<Item = Memory> {
    let all = own.into_iter().flat_map(Path::ancestors);
    // The first one has no limits of its own, and above it are no groups.
    all.take_while(|group| fs::read_to_string(&group.join("cgroup.controllers")).is_ok()).filter_map(of_group)
}

fn of_group(group: &Path) -> Option<Memory> {
    let read = |file: &str| fs::read_to_string(&group.join(file)).ok();
    let number = |file: &str| read(file)?.trim().parse::<u64>().ok();
    // "max" is no number, and no limit.
    let total = [number("memory.max"), number("memory.high")].into_iter().flatten().min()?;
    // The cache of files is given up before anything is killed.
    let stat = read("memory.stat").unwrap_or_default();
    let cached = ["active_file ", "inactive_file "]
        .iter()
        .filter_map(|name| stat.lines().find_map(|line| line.strip_prefix(name))?.parse::<u64>().ok());
    let used = number("memory.current")?.saturating_sub(cached.sum());
    Some(Memory { total: total / 1_024, available: total.saturating_sub(used) / 1_024 })
}

#[cfg(test)]
mod tests {
    use super::*;
    use millstream_host::fs::{create_dir_all, write};

    #[test]
    fn a_machine_keeps_a_share() {
        let with = |available: u64| {
            of_machine(&format!("MemTotal: 64000 kB\nMemFree: 9 kB\nMemAvailable: {available} kB\n")).unwrap()
        };
        assert!(with(1_999).is_short() && !with(2_000).is_short());
        assert_eq!(of_machine(""), None);
    }

    #[test]
    fn each_group_that_has_a_limit_counts() {
        let root = tempfile::tempdir().unwrap();
        let (outer, inner) = (root.path().join("pod"), root.path().join("pod/container/server"));
        create_dir_all(&inner).unwrap();
        let put = |group: &Path, file: &str, text: &str| write(&group.join(file), text.as_bytes()).unwrap();
        for group in [&outer, &outer.join("container"), &inner] {
            put(group, "cgroup.controllers", "memory pids\n");
            put(group, "memory.current", "73400320\n");
            put(group, "memory.stat", "anon 1\ninactive_file 10485760\nactive_file 1048576\n");
        }
        put(&outer, "memory.max", "104857600\n");
        put(&outer.join("container"), "memory.max", "max\n");
        put(&inner, "memory.max", "max\n");
        put(&inner, "memory.high", "73400320\n");
        let found: Vec<Memory> = of_groups(Some(&inner)).collect();
        let mib = |total: u64, available: u64| Memory { total: total << 10, available: available << 10 };
        assert_eq!(found, [mib(70, 11), mib(100, 41)]);
        assert_eq!(of_groups(None).count(), 0);
    }

    #[test]
    fn a_full_group_is_short() {
        let group = tempfile::tempdir().unwrap();
        write(&group.path().join("memory.max"), b"1048576").unwrap();
        write(&group.path().join("memory.current"), b"1048576").unwrap();
        assert!(of_group(group.path()).unwrap().is_short());
    }
}
