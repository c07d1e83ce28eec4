//! Millstream and the ladder as processes to measure.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::Context as _;
use serde_json::Value;

use super::context::{Bench, words};
use super::process::{Process, Scratch};
use super::system;
use crate::os;

/// How long a server may take until it answers: recovery included.
const START: Duration = Duration::from_mins(2);

/// Something that takes records, and where.
#[derive(Debug)]
pub(crate) struct Server {
    pub(crate) process: Process,
    /// `host:port`.
    pub(crate) address: String,
    /// Goes after the process.
    _data: Option<Scratch>,
}

impl Server {
    /// Millstream with a new data directory, called `name` in logs.
    pub(crate) fn on_disk(bench: &Bench, name: &str) -> anyhow::Result<Self> {
        let data = Scratch::new(bench, name)?;
        let server = Self::on(bench, name, Some(&data.0))?;
        Ok(Self { _data: Some(data), ..server })
    }

    pub(crate) fn in_memory(bench: &Bench, name: &str) -> anyhow::Result<Self> {
        Self::on(bench, name, None)
    }

    /// Millstream on a directory that stays, or in memory.
    pub(crate) fn on(bench: &Bench, name: &str, data: Option<&Path>) -> anyhow::Result<Self> {
        Self::on_with(bench, name, data, &[])
    }

    fn on_with(bench: &Bench, name: &str, data: Option<&Path>, flags: &[String]) -> anyhow::Result<Self> {
        let ready = Scratch::new(bench, &format!("{name}.ready"))?;
        let file = ready.0.join("url");
        let mut command = millstream(bench, "127.0.0.1:0", data);
        command.arg("--ready-file").arg(&file).args(flags);
        Self::started(bench, name, &command, &file)
    }

    /// Millstream with a new data directory and more flags.
    pub(crate) fn with_flags(bench: &Bench, name: &str, flags: &str) -> anyhow::Result<Self> {
        let data = Scratch::new(bench, name)?;
        let server = Self::on_with(bench, name, Some(&data.0), &words(flags))?;
        Ok(Self { _data: Some(data), ..server })
    }

    /// Millstream with as many open files as the system lets it have.
    pub(crate) fn with_open_files(bench: &Bench, name: &str, files: u64) -> anyhow::Result<Self> {
        let (data, ready) = (Scratch::new(bench, name)?, Scratch::new(bench, &format!("{name}.ready"))?);
        let file = ready.0.join("url");
        let plain = millstream(bench, "127.0.0.1:0", Some(&data.0));
        let mut command = with_open_files(&plain, files);
        command.arg("--ready-file").arg(&file);
        let server = Self::started(bench, name, &command, &file)?;
        Ok(Self { _data: Some(data), ..server })
    }

    /// Millstream with a new data directory, for many workers and under the isolation that it has by default; without where
    /// the machine has none, which is what the second value says.
    pub(crate) fn for_functions(bench: &Bench, name: &str, workers: u64) -> anyhow::Result<(Self, String)> {
        let mut flags = format!("--max-workers {workers}");
        let server = Self::with_limits(bench, name, workers, &flags)?;
        let facts = server.facts()?;
        if facts["functions"] == "ok" {
            return Ok((server, facts["isolation"].as_str().unwrap_or("unknown").to_owned()));
        }
        drop(server);
        flags.push_str(" --function-isolation process");
        let server = Self::with_limits(bench, name, workers, &flags)?;
        Ok((server, format!("**not isolated**, because this machine refuses: {}", facts["functions"])))
    }

    fn with_limits(bench: &Bench, name: &str, workers: u64, flags: &str) -> anyhow::Result<Self> {
        // A worker has its sockets and pipes.
        let files = 10_000 + workers * 16;
        let (data, ready) = (Scratch::new(bench, name)?, Scratch::new(bench, &format!("{name}.ready"))?);
        let file = ready.0.join("url");
        let mut plain = millstream(bench, "127.0.0.1:0", Some(&data.0));
        plain.arg("--ready-file").arg(&file).args(words(flags));
        let server = Self::started(bench, name, &with_open_files(&plain, files), &file)?;
        Ok(Self { _data: Some(data), ..server })
    }

    /// What the server says of itself.
    fn facts(&self) -> anyhow::Result<Value> {
        let text = system::get(&self.address, "/_millstream/health")?;
        serde_json::from_str(&text).with_context(|| format!("the server's health is {text:?}"))
    }

    fn started(bench: &Bench, name: &str, command: &Command, ready: &Path) -> anyhow::Result<Self> {
        let mut process = Process::start(bench, name, command)?;
        let url = process.wait_for(START, |_| {
            let text = if ready.is_file() { os::read(ready)? } else { String::new() };
            Ok((!text.is_empty()).then_some(text))
        })?;
        let address = url.trim().trim_start_matches("http://").to_owned();
        Ok(Self { process, address, _data: None })
    }

    /// The ladder with these rungs. What it writes is gone when it is.
    pub(crate) fn ladder(bench: &Bench, name: &str, rungs: &str) -> anyhow::Result<Self> {
        let data = Scratch::new(bench, name)?;
        let mut command = Command::new(bench.program("bench-ladder"));
        for word in words(rungs) {
            match word.as_str() {
                "--wal" => command.arg("--wal").arg(data.0.join("wal")),
                other => command.arg(other),
            };
        }
        let mut process = Process::start(bench, name, &command)?;
        let address = process.wait_for(START, |process| {
            let text = os::read_lossy(&process.log)?;
            Ok(text.split_once('\n').map(|(first, _)| first.trim().to_owned()))
        })?;
        Ok(Self { process, address, _data: Some(data) })
    }

    pub(crate) fn pid(&self) -> u32 {
        self.process.pid()
    }

    /// Makes a stream and waits until it is active.
    pub(crate) fn create(&self, bench: &Bench, stream: &str, shards: u32) -> anyhow::Result<()> {
        let line = format!("create --address {} --stream {stream} --shards {shards}", self.address);
        bench.load(&words(&line)).with_context(|| format!("stream {stream} with {shards} shards")).map(drop)
    }
}

/// The command that serves.
pub(crate) fn millstream(bench: &Bench, bind: &str, data: Option<&Path>) -> Command {
    let mut command = Command::new(&bench.server);
    command.args(["serve", "--log-level", "warn", "--bind", bind]);
    match data {
        Some(data) => command.arg("--data").arg(data),
        None => command.arg("--memory"),
    };
    command
}

/// The same command with so many open files allowed, or as many as the system lets us have. A shell can raise that
/// limit without a line of unsafe code here.
pub(crate) fn with_open_files(command: &Command, files: u64) -> Command {
    let script = format!("ulimit -Hn {files} 2>/dev/null; ulimit -Sn \"$(ulimit -Hn)\"; exec \"$@\"");
    let mut wrapped = Command::new("sh");
    wrapped.args(["-c", &script, "sh"]).arg(command.get_program()).args(command.get_args());
    wrapped
}

/// The most open files that a process started by [`with_open_files`] may have.
pub(crate) fn open_files(files: u64) -> anyhow::Result<u64> {
    let mut ask = Command::new("sh");
    ask.args(["-c", "ulimit -Hn"]);
    let printed = os::output(&mut with_open_files(&ask, files))?;
    match printed.trim() {
        "unlimited" => Ok(u64::MAX),
        number => number.parse().with_context(|| format!("ulimit printed {number:?}")),
    }
}

/// Where Millstream's write-ahead log is.
pub(crate) fn wal_of(data: &Path) -> PathBuf {
    data.join("wal")
}
