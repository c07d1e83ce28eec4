//! What every part works with: the programs, the places, and how long to measure.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, ensure};
use serde_json::Value;

use super::machine::Machine;
use super::{BenchArgs, machine, system};
use crate::{os, workspace};

/// A run.
#[derive(Debug)]
pub(crate) struct Bench {
    /// The server to measure.
    pub(crate) server: PathBuf,
    /// Where the programs of the workspace `bench/` are.
    programs: PathBuf,
    /// Where peers are installed.
    pub(crate) peers: PathBuf,
    pub(crate) offline: bool,
    /// Where logs of what is started go.
    pub(crate) logs: PathBuf,
    pub(crate) results: PathBuf,
    pub(crate) scratch: PathBuf,
    pub(crate) quick: bool,
    /// How often each side of a comparison has its turn.
    pub(crate) rounds: usize,
    /// Seconds of a turn, after its warm-up.
    pub(crate) seconds: f64,
    pub(crate) warm_up: f64,
    pub(crate) machine: Machine,
    pub(crate) date: String,
    /// Tells this run from others.
    pub(crate) run_id: String,
}

const MIB: u64 = 1 << 20;

impl Bench {
    /// Builds what is measured and what measures, and looks at the machine.
    pub(crate) fn prepare(args: &BenchArgs) -> anyhow::Result<Self> {
        let target = workspace::load()?.target_directory;
        let root = os::root();
        let own = target.join("bench");
        let server = if let Some(server) = &args.server {
            server.clone()
        } else {
            os::say("building the release binary");
            let build = ["build", "--release", "--package", "millstream"];
            os::output(Command::new("cargo").args(build).current_dir(&root))?;
            target.join("release/millstream")
        };
        ensure!(server.is_file(), "{} does not exist", server.display());
        os::say("building the programs that measure");
        let mut build = Command::new("cargo");
        build.args(["build", "--release", "--target-dir"]).arg(&own).current_dir(root.join("bench"));
        os::output(&mut build)?;
        let scratch = args.scratch.clone().unwrap_or_else(|| own.join("scratch"));
        // What an earlier run left when it was killed.
        system::remove_all(&scratch)?;
        system::create_all(&scratch)?;
        let programs = own.join("release");
        let measured = |arguments: &[String]| program_json(&programs, "bench-load", arguments);
        let machine = machine::look(&scratch, &measured(&disk(&scratch))?, &measured(&touch(1.0)?)?)?;
        os::say(&format!("{machine}"));
        let (rounds, seconds) = if args.quick { (2, 1.0) } else { (3, 4.0) };
        Ok(Self {
            server,
            programs,
            peers: own.join("peers"),
            offline: args.offline,
            logs: own.join("logs"),
            results: own.join("results"),
            scratch,
            quick: args.quick,
            rounds: args.rounds.unwrap_or(rounds).max(1),
            seconds,
            warm_up: if args.quick { 0.3 } else { 1.0 },
            machine,
            date: machine::date()?,
            run_id: std::process::id().to_string(),
        })
    }

    pub(crate) fn program(&self, name: &str) -> PathBuf {
        self.programs.join(name)
    }

    /// What one of the measuring programs prints.
    pub(crate) fn measure(&self, program: &str, arguments: &[String]) -> anyhow::Result<Value> {
        program_json(&self.programs, program, arguments)
    }

    /// One command of the load generator.
    pub(crate) fn load(&self, arguments: &[String]) -> anyhow::Result<Value> {
        self.measure("bench-load", arguments)
    }

    /// One fdatasync of 4 KiB on the disk that is measured.
    pub(crate) fn fdatasync(&self) -> anyhow::Result<Value> {
        self.load(&disk(&self.scratch))
    }

    /// A value for a run that counts and one for a quick run.
    pub(crate) fn or_quick<T>(&self, real: T, quick: T) -> T {
        if self.quick { quick } else { real }
    }

    /// Flags of the ladder with a write-ahead log.
    pub(crate) fn with_wal(&self, rungs: &str) -> String {
        format!("{rungs} --wal --wal-bytes {}", self.or_quick(1_024, 128) * MIB)
    }

    /// Bytes that one turn may write to the disk when there are so many, half of the room being left alone.
    pub(crate) fn disk_share(&self, turns: u64) -> anyhow::Result<u64> {
        let free = system::free_disk(&self.scratch)?;
        let share = free / 2 / turns.max(1);
        ensure!(share >= 256 * MIB, "{} MiB of disk is too little room", free / MIB);
        Ok(share.min(6_144 * MIB))
    }

    /// The line that says what the numbers are from.
    pub(crate) fn provenance(&self) -> String {
        let Self { rounds, seconds, date, machine, .. } = self;
        format!("Machine: {machine}. Measured on {date}: medians of {rounds} turns of {seconds} s each.")
    }
}

/// Bytes of records that a server in memory may be given: it needs some times as much.
pub(crate) fn memory_share() -> anyhow::Result<u64> {
    Ok((system::free_memory()? / 5).min(3_072 * MIB))
}

/// Writes to as much memory for the first time as a server in memory is given, or some times as much.
pub(crate) fn touch(times: f64) -> anyhow::Result<Vec<String>> {
    #[expect(clippy::cast_precision_loss, reason = "mebibytes, in the thousands")]
    let mib = (memory_share()? / MIB) as f64 * times;
    Ok(words(&format!("memory --mib {mib:.0}")))
}

fn disk(directory: &Path) -> Vec<String> {
    ["disk", "--directory", &directory.display().to_string()].map(str::to_owned).to_vec()
}

fn program_json(programs: &Path, program: &str, arguments: &[String]) -> anyhow::Result<Value> {
    let printed = os::output(Command::new(programs.join(program)).args(arguments))?;
    serde_json::from_str(&printed).with_context(|| format!("{program} printed {printed:?}"))
}

/// Arguments as the measuring programs want them.
pub(crate) fn words(text: &str) -> Vec<String> {
    text.split_whitespace().map(str::to_owned).collect()
}
