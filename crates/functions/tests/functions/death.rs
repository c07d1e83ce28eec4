//! What happens to workers when the server is killed.

use crate::common::{call, py, start};
use millstream_functions::{Isolation, Options};
use millstream_host::fs;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

/// Set in the process that plays the server.
const ROLE: &str = "MILLSTREAM_TEST_SERVER";

/// Not a test of its own: the server that the test below kills. It runs a function that never returns.
#[tokio::test(flavor = "multi_thread")]
async fn server_to_be_killed() {
    let Ok(role) = std::env::var(ROLE) else { return };
    let isolation = if role == "process" { Isolation::Process } else { Isolation::Namespaces };
    let Some(functions) = start(Options { isolation, ..Options::default() }).await else { return };
    let spec = py(
        &functions,
        "import subprocess, time\n\
         def handler(event, context):\n\
         \x20   subprocess.Popen(['sleep', event], start_new_session=True)\n\
         \x20   while True:\n        time.sleep(1)\n",
    )
    .await;
    let event = std::env::var("MILLSTREAM_TEST_MARK").unwrap();
    functions.invoke(spec, call(&format!("\"{event}\""))).await.unwrap();
}

pub(crate) fn processes_with(mark: &str) -> Vec<PathBuf> {
    let all = Path::new("/proc").read_dir().unwrap().map(|entry| entry.unwrap().path());
    all.filter(|path| {
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        let line =
            name.parse::<u32>().ok().and_then(|_| fs::read(&path.join("cmdline")).ok()).unwrap_or_default();
        line.starts_with(b"sleep\0") && String::from_utf8_lossy(&line).contains(mark)
    })
    .collect()
}

fn workers_die_with_the_server(role: &str) {
    // A sleep of a length that nobody else uses marks the worker's own child, which is in a session of its own.
    let mark = format!("{}.{}", 100_000 + millstream_host::entropy::u64() % 100_000, std::process::id());
    let place = fs::create_unique_dir(&std::env::temp_dir(), "millstream-killed-").unwrap();
    let mut server = Command::new(std::env::current_exe().unwrap())
        .args(["death::server_to_be_killed", "--exact", "--nocapture"])
        .env(ROLE, role)
        .env("MILLSTREAM_TEST_MARK", &mark)
        .env("TMPDIR", &place)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    while processes_with(&mark).is_empty() {
        if server.try_wait().unwrap().is_some() {
            fs::remove_dir_all(&place).unwrap();
            println!("SKIPPED: no sandbox on this machine");
            return;
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    server.kill().unwrap();
    assert_eq!(server.wait().unwrap().signal(), Some(9));
    fs::remove_dir_all(&place).unwrap();
    for _ in 0..1_000 {
        if processes_with(&mark).is_empty() {
            return;
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    panic!("these outlived the server: {:?}", processes_with(&mark));
}

#[test]
fn workers_in_namespaces_die_with_a_killed_server() {
    workers_die_with_the_server("namespaces");
}

#[test]
fn plain_workers_die_with_a_killed_server() {
    workers_die_with_the_server("process");
}
