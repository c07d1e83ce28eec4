//! `millstream log`: looking at a data directory that no server uses, and repairing it.

use anyhow::{Context, Result, ensure};
use clap::{Args, Subcommand};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use millstream_host::disk::{Disk, OsDisk};
use millstream_host::{Clock, SystemClock};
use millstream_log_embedded::{Depth, Inspection, Repairer, inspect};
use std::io::{self, IsTerminal};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

use crate::terminal::{note, say};

#[derive(Debug, Subcommand)]
pub(crate) enum LogCommand {
    /// Say what a data directory holds and what is wrong with it; changes nothing
    #[command(after_help = INSPECT_HELP)]
    Inspect(InspectArguments),
    /// Make a damaged data directory one that a server starts on; says first what that loses
    #[command(after_help = REPAIR_HELP)]
    Repair(RepairArguments),
}

const INSPECT_HELP: &str = "The server must not be running. The exit code is 0 if all is well and 1 if there is a \
    problem.\n\nExample:\n  millstream log inspect ./millstream-data";

const REPAIR_HELP: &str = "The server must not be running. Damaged files are copied to DIR/damaged/ before they go. A \
    copy of the whole directory, made before, is better still.\n\nExample:\n  millstream log inspect ./millstream-data\n  \
    millstream log repair ./millstream-data --yes";

#[derive(Debug, Args)]
pub(crate) struct InspectArguments {
    /// The data directory, as `serve --data` has it
    #[arg(value_name = "DIR")]
    directory: PathBuf,

    /// Do not look at the records in segments, which takes the time
    #[arg(long)]
    quick: bool,

    /// Print JSON
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Args)]
pub(crate) struct RepairArguments {
    /// The data directory, as `serve --data` has it
    #[arg(value_name = "DIR")]
    directory: PathBuf,

    /// Do it without asking
    #[arg(long)]
    yes: bool,
}

/// Blocks: nothing else goes on in this process.
pub(crate) fn run(command: LogCommand) -> Result<ExitCode> {
    match command {
        LogCommand::Inspect(arguments) => run_inspect(&arguments),
        LogCommand::Repair(arguments) => run_repair(&arguments),
    }
}

/// The directory, which is not made if it is not there.
fn open(directory: &Path) -> Result<Arc<dyn Disk>> {
    let is_ours =
        ["FORMAT", "wal", "checkpoint", "segments"].iter().any(|name| directory.join(name).exists());
    ensure!(
        is_ours,
        "{} is no data directory of Millstream: it has neither a FORMAT file nor a wal directory",
        directory.display()
    );
    let disk = OsDisk::open(directory).with_context(|| format!("cannot open {}", directory.display()))?;
    Ok(Arc::new(disk))
}

/// A bar on standard error, if that is a terminal.
struct Bar(ProgressBar);

impl Bar {
    fn new() -> Self {
        let target = if io::stderr().is_terminal() {
            ProgressDrawTarget::stderr()
        } else {
            ProgressDrawTarget::hidden()
        };
        let bar = ProgressBar::with_draw_target(None, target);
        let style = ProgressStyle::with_template("looking {bar:40} {bytes} of {total_bytes}, {eta} left");
        Self(bar.with_style(style.unwrap_or_else(|_bad| ProgressStyle::default_bar())))
    }

    fn show(&self, done: u64, all: u64) {
        self.0.set_length(all);
        self.0.set_position(done);
    }
}

impl Drop for Bar {
    fn drop(&mut self) {
        self.0.finish_and_clear();
    }
}

fn run_inspect(arguments: &InspectArguments) -> Result<ExitCode> {
    let disk = open(&arguments.directory)?;
    let depth = if arguments.quick { Depth::Quick } else { Depth::Deep };
    let bar = Bar::new();
    let inspection = inspect(&disk, depth, &|done, all| bar.show(done, all))?;
    drop(bar);
    if arguments.json {
        say(serde_json::to_string_pretty(&inspection).context("the inspection as JSON")?);
    } else {
        say(&inspection);
        if let Some(advice) = advice(&inspection, &arguments.directory) {
            say(advice);
        }
    }
    Ok(if inspection.is_sound() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn advice(inspection: &Inspection, directory: &Path) -> Option<String> {
    let directory = directory.display();
    (!inspection.is_sound()).then(|| {
        format!(
            "\nRestore the directory from a copy if there is one. Otherwise copy it as it is, and run\n  millstream log \
             repair {directory}"
        )
    })
}

fn run_repair(arguments: &RepairArguments) -> Result<ExitCode> {
    let disk = open(&arguments.directory)?;
    let bar = Bar::new();
    let repair = Repairer::new(Arc::clone(&disk), &|done, all| bar.show(done, all))?;
    drop(bar);
    let inspection = repair.inspection();
    if inspection.is_sound() {
        say(format_args!("{} has no problem: nothing is to be done", arguments.directory.display()));
        return Ok(ExitCode::SUCCESS);
    }
    say("Problems:");
    for problem in &inspection.problems {
        say(format_args!("  {problem}"));
    }
    say(format_args!("\nWhat a repair loses:\n{}", inspection.loss_text()));
    if !(arguments.yes || agreed()?) {
        note("millstream: nothing was changed. To repair, run it again with --yes");
        return Ok(ExitCode::FAILURE);
    }
    let repaired = repair.repair(&label(SystemClock::new().now()))?;
    for copy in &repaired.aside {
        say(format_args!("{} is kept", arguments.directory.join(copy).display()));
    }
    let left = inspect(&disk, Depth::Quick, &|_, _| ())?;
    ensure!(
        left.is_sound(),
        "the directory still has problems after the repair; please report this:\n{left}"
    );
    say(format_args!("Repaired: {} segments were written. The server can be started", repaired.segments));
    Ok(ExitCode::SUCCESS)
}

/// Ask the person at the terminal; nobody there is a no.
fn agreed() -> Result<bool> {
    if !(io::stdin().is_terminal() && io::stderr().is_terminal()) {
        return Ok(false);
    }
    note("Go on? Type yes:");
    let mut answer = String::new();
    io::stdin().read_line(&mut answer).context("cannot read the answer")?;
    Ok(answer.trim() == "yes")
}

/// `20261122T173000.123Z`
fn label(now: millstream_types::Timestamp) -> String {
    let (year, month, day, hour, minute, second, millis) = now.civil();
    format!("{year:04}{month:02}{day:02}T{hour:02}{minute:02}{second:02}.{millis:03}Z")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_label_is_a_time_that_sorts() {
        let at = millstream_types::Timestamp::from_millis(1_700_000_000_123);
        assert_eq!(label(at), "20231114T221320.123Z");
    }

    #[test]
    fn a_directory_that_is_none_of_ours_is_left_alone() {
        let home = tempfile::tempdir().unwrap();
        let error = open(home.path()).unwrap_err().to_string();
        assert!(error.contains("no data directory"), "{error}");
        assert!(open(&home.path().join("nowhere")).is_err());
        assert!(!home.path().join("nowhere").exists());
    }
}
