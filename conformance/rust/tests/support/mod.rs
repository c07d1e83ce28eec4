//! A real server process for the tests of this directory.

use std::path::PathBuf;
use std::process::Stdio;
use std::time::Duration;

use tokio::process::{Child, Command};
use tokio::time::{sleep, timeout};

const START_LIMIT: Duration = Duration::from_mins(1);

/// A server in memory that asks for signatures. Ends with the test.
pub(crate) struct Server {
    pub(crate) address: String,
    pub(crate) key: (String, String),
    /// Killed when it is dropped.
    _process: Child,
    _scratch: tempfile::TempDir,
}

pub(crate) async fn start() -> Server {
    let default = concat!(env!("CARGO_MANIFEST_DIR"), "/../../target/debug/millstream");
    let binary = std::env::var_os("MILLSTREAM_BIN").map_or_else(|| PathBuf::from(default), PathBuf::from);
    assert!(
        binary.is_file(),
        "{} does not exist; run `cargo xtask test --only build --only conformance-rust`, or set MILLSTREAM_BIN",
        binary.display()
    );
    let scratch = tempfile::tempdir().expect("a temporary directory");
    let ready = scratch.path().join("ready");
    let credentials = scratch.path().join("credentials.json");
    let made = Command::new(&binary)
        .args(["credentials", "create", "test", "--admin", "--format", "json", "--credentials"])
        .arg(&credentials)
        .output();
    let made = made.await.expect("the program runs").stdout;
    let made: serde_json::Value = serde_json::from_slice(&made).expect("a key");
    let text = |name: &str| made[name].as_str().expect("a key has both").to_owned();
    let key = (text("AccessKeyId"), text("SecretAccessKey"));
    let process = Command::new(binary)
        .args(["serve", "--bind", "127.0.0.1:0", "--memory", "--ready-file"])
        .arg(&ready)
        .arg("--credentials")
        .arg(&credentials)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .kill_on_drop(true)
        .spawn()
        .expect("the server starts");
    let address = timeout(START_LIMIT, async {
        loop {
            match tokio::fs::read_to_string(&ready).await {
                Ok(address) if !address.trim().is_empty() => break address.trim().to_owned(),
                _ => sleep(Duration::from_millis(10)).await,
            }
        }
    });
    let address = address.await.expect("the server is ready in time");
    Server { address, key, _process: process, _scratch: scratch }
}
