//! Workers in control groups: real ones where this machine lets us make some, with whatever controllers it has.

use crate::common::{invoke, json, py, start};
use millstream_functions::{Cgroups, Isolation, Options};
use millstream_host::fs;
use std::path::{Path, PathBuf};

/// A group of this process's own, below the one that it is in.
fn real_group() -> Option<PathBuf> {
    let membership = fs::read_to_string(Path::new("/proc/self/cgroup")).ok()?;
    let own = membership.lines().find_map(|line| line.strip_prefix("0::/"))?;
    let mounts = fs::read_to_string(Path::new("/proc/self/mounts")).ok()?;
    let mounted = mounts.lines().find(|line| line.split(' ').nth(2) == Some("cgroup2"))?.split(' ').nth(1)?;
    let name = format!("millstream-test-{}", millstream_host::entropy::uuid());
    let path = Path::new(mounted).join(own).join(name);
    fs::create_dir(&path).ok().map(|()| path)
}

fn below(group: &Path) -> Vec<String> {
    let names = fs::list(group).unwrap();
    names.into_iter().filter(|name| name.starts_with("millstream-worker-")).collect()
}

async fn in_its_own_group(isolation: Isolation) {
    let Some(group) = real_group() else {
        println!("SKIPPED: no control group can be made here");
        return;
    };
    let options = Options { cgroups: Cgroups::Below(group.clone()), isolation, ..Options::default() };
    if let Some(functions) = start(options).await {
        assert!(functions.protection().cgroups.is_ok(), "{}", functions.protection());
        assert_eq!(below(&group), Vec::<String>::new(), "that of the trial is gone");
        let code = "import subprocess\n\
                    def handler(event, context):\n\
                    \x20   subprocess.Popen(['sleep', '1000'], start_new_session=True)\n\
                    \x20   return open('/proc/self/cgroup').read()\n";
        let told = json(&invoke(&functions, &py(&functions, code).await, "{}").await.payload);
        let there = below(&group);
        assert_eq!(there.len(), 1);
        let path = told.as_str().unwrap().lines().find(|line| line.starts_with("0::")).unwrap().to_owned();
        assert!(path.ends_with(&there[0]), "{path} is not {}", there[0]);
        let processes = fs::read_to_string(&group.join(&there[0]).join("cgroup.procs")).unwrap();
        assert!(processes.lines().count() >= 3, "the sandbox's own, the function and its child: {processes}");
        functions.shutdown().await;
        assert_eq!(below(&group), Vec::<String>::new(), "it goes with its worker");
    }
    fs::remove_dir(&group).unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_is_in_a_group_of_its_own_that_goes_with_it() {
    in_its_own_group(Isolation::Namespaces).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn so_is_one_without_namespaces() {
    in_its_own_group(Isolation::Process).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn where_no_worker_can_enter_a_group_functions_run_without() {
    // Its files can be written, and nothing in it is the kernel's.
    let directory = tempfile::tempdir().unwrap();
    fs::write(&directory.path().join("cgroup.subtree_control"), b"memory pids cpu").unwrap();
    let options = Options { cgroups: Cgroups::Below(directory.path().to_owned()), ..Options::default() };
    let Some(functions) = start(options).await else { return };
    let why = functions.protection().cgroups.clone().unwrap_err();
    assert!(why.contains("No such file"), "{why}");
    assert!(functions.protection().to_string().contains("resident memory is watched"));
    let function = py(&functions, "def handler(event, context): return 1").await;
    assert_eq!(json(&invoke(&functions, &function, "{}").await.payload), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_group_that_is_not_there_is_told_of() {
    let options = Options { cgroups: Cgroups::Below("/nonexistent".into()), ..Options::default() };
    let Some(functions) = start(options).await else { return };
    assert!(functions.protection().cgroups.clone().unwrap_err().contains("/nonexistent"));
    let Some(functions) = start(Options { cgroups: Cgroups::Off, ..Options::default() }).await else {
        return;
    };
    assert_eq!(functions.protection().cgroups, Err("not asked for".to_owned()));
}
