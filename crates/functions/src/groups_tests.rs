//! A directory stands for the kernel's; where this machine has real groups, those too.

use super::{Controllers, Group, Groups, group_of, quota};
use millstream_host::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::AtomicBool;
use tempfile::TempDir;

const PID: u32 = 4_242;

/// A delegated group with one process in it.
fn delegated(controllers: &str) -> TempDir {
    let directory = tempfile::tempdir().unwrap();
    for (file, text) in [
        ("cgroup.controllers", controllers),
        ("cgroup.subtree_control", ""),
        ("cgroup.procs", "4242\n"),
        ("cgroup.type", "domain\n"),
    ] {
        fs::write(&directory.path().join(file), text.as_bytes()).unwrap();
    }
    directory
}

fn text(directory: &Path, file: &str) -> String {
    fs::read_to_string(&directory.join(file)).unwrap_or_else(|error| panic!("{file}: {error}"))
}

#[test]
fn the_server_moves_down_and_hands_the_controllers_to_its_workers() {
    let there = delegated("cpuset cpu io memory pids\n");
    let groups = Groups::take(there.path(), PID).unwrap();
    assert_eq!(groups.controllers.to_string(), "memory, cpu, pids");
    assert_eq!(text(there.path(), "millstream-server/cgroup.procs"), "4242");
    assert_eq!(text(there.path(), "cgroup.subtree_control"), "+memory +cpu +pids");
}

#[test]
fn a_worker_has_its_limits() {
    let there = delegated("memory pids cpu");
    let groups = Groups::take(there.path(), PID).unwrap();
    let group = groups.make_with(1_769, 512).unwrap();
    let put = |file| text(group.path(), file);
    assert_eq!(put("memory.max"), ((1_769_u64 + 512 + 16) << 20).to_string());
    assert_eq!((put("memory.swap.max"), put("memory.oom.group")), ("0".to_owned(), "1".to_owned()));
    assert_eq!(put("pids.max"), "1032");
    assert!(!group.path().join("cpu.max").exists(), "it starts with all there is");
    group.limit_cpu();
    assert_eq!(put("cpu.max"), "100000 100000");
    assert_eq!((quota(128), quota(10_240), quota(1)), (7_235, 578_858, 1_000));
}

#[test]
fn only_what_was_delegated_is_limited() {
    let there = delegated("pids");
    let groups = Groups::take(there.path(), PID).unwrap();
    assert_eq!(groups.controllers, Controllers { memory: false, cpu: false, pids: true });
    let group = groups.make_with(128, 512).unwrap();
    group.limit_cpu();
    for absent in ["memory.max", "cpu.max"] {
        assert!(!group.path().join(absent).exists(), "{absent}");
    }
    assert_eq!(text(group.path(), "pids.max"), "1032");
}

#[test]
fn without_a_delegated_group_it_says_why() {
    let none = delegated("hugetlb");
    assert!(Groups::take(none.path(), PID).unwrap_err().contains("has no controller"));
    let shared = delegated("memory");
    fs::write(&shared.path().join("cgroup.procs"), b"4242\n17\n").unwrap();
    let why = Groups::take(shared.path(), PID).unwrap_err();
    assert!(why.starts_with("1 other processes are in") && why.contains("Delegate=yes"), "{why}");
    assert!(!shared.path().join("millstream-server").exists(), "nothing is changed");
    let gone = shared.path().join("gone");
    assert!(Groups::take(&gone, PID).unwrap_err().contains("No such file"));
}

#[test]
fn looking_changes_nothing() {
    let there = delegated("memory");
    assert_eq!(Groups::survey(there.path(), PID).unwrap().controllers.to_string(), "memory");
    assert_eq!(text(there.path(), "cgroup.subtree_control"), "");
    assert!(!there.path().join("millstream-server").exists());
}

#[test]
fn a_refused_hand_over_is_undone() {
    let there = delegated("memory");
    // A directory in the file's place: it can be looked at and not be written.
    fs::remove_file(&there.path().join("cgroup.subtree_control")).unwrap();
    fs::create_dir_all(&there.path().join("cgroup.subtree_control")).unwrap();
    let why = Groups::take(there.path(), PID).unwrap_err();
    // In a real group the files go with the directory; here they are in its way.
    assert!(why.contains("millstream-server") || why.contains("hands no controllers down"), "{why}");
    assert_eq!(text(there.path(), "cgroup.procs"), "4242", "it has moved back");
}

#[test]
fn the_root_has_processes_and_controllers() {
    let root = delegated("memory");
    fs::remove_file(&root.path().join("cgroup.type")).unwrap();
    fs::write(&root.path().join("cgroup.procs"), b"1\n2\n4242\n").unwrap();
    Groups::take(root.path(), PID).unwrap();
    assert!(!root.path().join("millstream-server").exists());
    assert_eq!(text(root.path(), "cgroup.subtree_control"), "+memory");
}

#[test]
fn what_a_killed_server_left_is_removed() {
    let there = delegated("memory");
    let left = |owner: u32| there.path().join(format!("millstream-worker-{owner}-0123456789abcdef"));
    let (dead, own, living) = (left(u32::MAX), left(PID), left(1));
    for path in [&dead, &own, &living] {
        fs::create_dir_all(path).unwrap();
    }
    Groups::survey(there.path(), PID).unwrap().sweep(PID);
    assert_eq!((dead.exists(), own.exists(), living.exists()), (false, false, true));
}

#[test]
fn the_kernel_says_that_it_ended_a_worker() {
    let there = delegated("memory");
    let group = Groups::survey(there.path(), PID).unwrap().make_with(128, 512).unwrap();
    assert!(!group.ran_out_of_memory());
    fs::write(&group.path().join("memory.events"), b"low 0\nmax 3\noom 1\noom_kill 0\noom_group_kill 0\n")
        .unwrap();
    assert!(!group.ran_out_of_memory());
    fs::write(&group.path().join("memory.events"), b"low 0\nmax 3\noom 1\noom_kill 2\noom_group_kill 1\n")
        .unwrap();
    assert!(group.ran_out_of_memory());
}

#[test]
fn the_own_group_is_found_from_what_the_kernel_says() {
    const UNIFIED: &str = "29 22 0:26 / /sys/fs/cgroup rw,nosuid shared:4 - cgroup2 cgroup2 rw,nsdelegate\n";
    const HYBRID: &str = "30 25 0:26 / /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory\n\
                          31 25 0:27 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw\n";
    const PART: &str = "29 22 0:26 /docker/x /sys/fs/cgroup rw - cgroup2 cgroup2 rw\n";
    let found = |membership, mounts| group_of(membership, mounts);
    let service = "0::/system.slice/millstream.service\n";
    let at = |path: &str| Ok(PathBuf::from(path));
    assert_eq!(found(service, UNIFIED), at("/sys/fs/cgroup/system.slice/millstream.service"));
    assert_eq!(found("4:memory:/x\n0::/\n", HYBRID), at("/sys/fs/cgroup/unified"));
    assert_eq!(found("0::/docker/x/y\n", PART), at("/sys/fs/cgroup/y"));
    let moved = "0::/system.slice/millstream.service/millstream-server\n";
    assert_eq!(found(moved, UNIFIED), found(service, UNIFIED));
    assert!(found("4:memory:/x\n", UNIFIED).unwrap_err().contains("no cgroup v2"));
    assert!(found(service, "").unwrap_err().contains("not mounted"));
    assert!(found("0::/elsewhere\n", PART).unwrap_err().contains("not mounted here"));
    assert!(found("0::/../x\n", UNIFIED).unwrap_err().contains("outside"));
}

/// The real thing, as far as this machine has it: all processes in a group end at once, and the group goes.
#[tokio::test]
async fn all_that_is_in_a_real_group_ends_with_it() {
    let made = super::own_group().and_then(|own| {
        let path = own.join(format!("millstream-test-{:016x}", millstream_host::entropy::u64()));
        fs::create_dir(&path).map_err(|error| format!("{}: {error}", path.display()))?;
        Ok(path)
    });
    let path = match made {
        Ok(path) => path,
        Err(why) => {
            println!("SKIPPED: no group can be made here: {why}");
            return;
        }
    };
    let group = Group { path, cpu_quota: None, removed: AtomicBool::new(false) };
    if !group.path().join("cgroup.kill").exists() {
        println!("SKIPPED: this kernel is older than 5.14");
        return;
    }
    let script =
        format!("echo 0 > {}/cgroup.procs && setsid sleep 600 & exec sleep 600", group.path().display());
    let mut shell = Command::new("/bin/sh").args(["-c", &script]).stdin(Stdio::null()).spawn().unwrap();
    while text(group.path(), "cgroup.procs").is_empty() {
        tokio::time::sleep(std::time::Duration::from_millis(5)).await;
    }
    group.end().await;
    assert!(!group.path().exists());
    shell.kill().unwrap();
    shell.wait().unwrap();
}
