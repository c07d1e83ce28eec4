//! Other servers that speak the Kinesis API, as they come, in memory. They are installed below the target directory by
//! their own package managers when they are first needed.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context as _, bail};
use serde_json::Value;

use super::context::{Bench, memory_share, words};
use super::process::Process;
use super::put::Load;
use super::system;
use crate::os;

/// Who comes from where.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Source {
    Cargo,
    Npm,
    Pip,
}

#[derive(Debug)]
pub(crate) struct Peer {
    pub(crate) name: &'static str,
    pub(crate) version: &'static str,
    source: Source,
    /// Has SubscribeToShard.
    pub(crate) pushes: bool,
}

pub(crate) const PEERS: &[Peer] = &[
    Peer { name: "ferrokinesis", version: "0.7.0", source: Source::Cargo, pushes: true },
    Peer { name: "kinesis-local", version: "0.6.2", source: Source::Npm, pushes: true },
    Peer { name: "kinesalite", version: "3.3.3", source: Source::Npm, pushes: false },
    Peer { name: "moto", version: "5.2.5", source: Source::Pip, pushes: false },
];

/// How long a peer may take until it listens.
const START: Duration = Duration::from_mins(1);

/// A peer that runs.
#[derive(Debug)]
pub(crate) struct Running {
    process: Process,
    pub(crate) address: String,
}

/// Runs each load against a fresh peer.
pub(crate) fn put(bench: &Bench, peer: &Peer, loads: &[Load]) -> Vec<anyhow::Result<Value>> {
    loads
        .iter()
        .map(|load| {
            let found = put_once(bench, peer, *load);
            let told = match &found {
                Ok(found) => {
                    format!("{} MB/s", super::figures::shown(super::figures::number(found, &["mb_per_s"])))
                }
                Err(error) => format!("not measured: {}", short(error)),
            };
            os::say(&format!("{}, {} × {} B: {told}", peer.name, load.records, load.size));
            found
        })
        .collect()
}

fn put_once(bench: &Bench, peer: &Peer, load: Load) -> anyhow::Result<Value> {
    let running = start(bench, peer)?;
    create(bench, &running.address, "bench", 4)?;
    let Load { records, size, encoding, connections } = load;
    // Some of them take seconds for an answer.
    let seconds = bench.or_quick(10, 4);
    let found = bench.load(&words(&format!(
        "put --address {} --records {records} --size {size} --encoding {encoding} --connections {connections} \
         --seconds {seconds} --warm-up 2 --check-every 1 --max-bytes {} --pid {}",
        running.address,
        memory_share()? / 4,
        running.process.pid(),
    )))?;
    if found["requests"].as_u64() == Some(0) {
        bail!("no request was answered within {seconds} s: {}", found["errors"]);
    }
    Ok(found)
}

pub(crate) fn create(bench: &Bench, address: &str, stream: &str, shards: u32) -> anyhow::Result<()> {
    bench.load(&words(&format!("create --address {address} --stream {stream} --shards {shards}"))).map(drop)
}

/// Installs the peer if need be, and starts it on a free port.
pub(crate) fn start(bench: &Bench, peer: &Peer) -> anyhow::Result<Running> {
    let home = install(bench, peer)?;
    let (port, other) = (system::free_port()?, system::free_port()?);
    let text = port.to_string();
    let modules = home.join("node_modules").join(peer.name);
    let mut command = match peer.name {
        "ferrokinesis" => Command::new(home.join("bin/ferrokinesis")),
        "moto" => Command::new(home.join("bin/moto_server")),
        _ => Command::new("node"),
    };
    match peer.name {
        "ferrokinesis" => command.args(["--port", &text, "--log-level", "error"]),
        "moto" => command.args(["-H", "127.0.0.1", "-p", &text]),
        "kinesalite" => command.arg(modules.join("cli.js")).args(["--port", &text]),
        // It reads files beside its program from where it is started.
        _ => command
            .arg("main.js")
            .current_dir(&modules)
            .env("KINESIS_MOCK_PLAIN_PORT", &text)
            .env("KINESIS_MOCK_TLS_PORT", other.to_string()),
    };
    let mut process = Process::start(bench, peer.name, &command)?;
    process.wait_for(START, |_| Ok(system::is_open(port).then_some(())))?;
    // Some listen before they can answer.
    system::sleep(1.0);
    Ok(Running { process, address: format!("127.0.0.1:{port}") })
}

/// Where the peer is installed, after installing it. What failed once is not tried again in the same run.
fn install(bench: &Bench, peer: &Peer) -> anyhow::Result<PathBuf> {
    let home = bench.peers.join(peer.name);
    let stamp = home.join("installed-version");
    if stamp.is_file() && os::read(&stamp)? == peer.version {
        return Ok(home);
    }
    let failed = bench.logs.join(format!("install-{}.failed", peer.name));
    if failed.is_file() && os::read(&failed)? == bench.run_id {
        bail!("it could not be installed, see above");
    }
    if bench.offline {
        bail!("it is not installed, and --offline forbids to install it");
    }
    os::say(&format!("installing {} {} (once)", peer.name, peer.version));
    system::remove_all(&home)?;
    system::create_all(&home)?;
    if let Err(error) = install_into(bench, peer, &home) {
        os::write(&failed, &bench.run_id)?;
        return Err(error).context("it cannot be installed");
    }
    os::write(&stamp, peer.version)?;
    Ok(home)
}

fn install_into(bench: &Bench, peer: &Peer, home: &Path) -> anyhow::Result<()> {
    let exact = match peer.source {
        Source::Cargo => peer.version.to_owned(),
        Source::Npm => format!("{}@{}", peer.name, peer.version),
        Source::Pip => format!("{}[server]=={}", peer.name, peer.version),
    };
    match peer.source {
        Source::Cargo => {
            let mut install = Command::new("cargo");
            install.args(["install", peer.name, "--locked", "--version", &exact, "--root"]).arg(home);
            let build = bench.peers.join("build");
            install.arg("--target-dir").arg(&build);
            os::output(&mut install)?;
            system::remove_all(&build)
        }
        Source::Npm => {
            let mut install = Command::new("npm");
            install.args(["install", "--no-audit", "--no-fund", "--prefix"]).arg(home).arg(&exact);
            os::output(&mut install).map(drop)
        }
        Source::Pip => {
            os::output(Command::new("python3").args(["-m", "venv", "--clear"]).arg(home))?;
            let mut install = Command::new(home.join("bin/python"));
            install.args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check", &exact]);
            os::output(&mut install).map(drop)
        }
    }
}

/// The last line of an error, which is where other programs say what was wrong.
pub(crate) fn short(error: &anyhow::Error) -> String {
    let text = format!("{error:#}");
    let lines: Vec<&str> = text.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
    lines.last().unwrap_or(&"").chars().take(200).collect()
}
