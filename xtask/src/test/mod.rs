//! `cargo xtask test`: every check and every test, from a clean checkout; and `cargo xtask interop`, the slow suites of
//! other people's clients, run in the same way.

mod count;
mod interop;
mod steps;
mod tools;

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context as _, bail};

use self::count::{Counts, Format};
use self::steps::Step;
use crate::os::Ended;
use crate::{os, workspace};

/// Which steps to run, and for how long.
///
/// A step that fails does not stop the others, except those that need what it makes. What a failing step printed is
/// shown in full; what every step printed is kept in target/xtask/logs. The last line is `N passed, N failed, N skipped`.
#[derive(Debug, clap::Args)]
pub(crate) struct StepArgs {
    /// Run only this step (may be given more than once). See --list.
    #[arg(long, value_name = "STEP")]
    only: Vec<String>,
    /// Leave this step out (may be given more than once).
    #[arg(long, value_name = "STEP")]
    skip: Vec<String>,
    /// List the steps and exit.
    #[arg(long)]
    list: bool,
    /// Let tests that can go on for longer do so (sets `MILLSTREAM_LONG=1`).
    #[arg(long)]
    long: bool,
}

/// What a step has to work with.
#[derive(Debug)]
pub(crate) struct Context {
    /// The directory of the workspace.
    pub(crate) root: PathBuf,
    /// Where cargo builds.
    pub(crate) target: PathBuf,
    long: bool,
    log: File,
    log_path: PathBuf,
    limit: Duration,
}

/// How a step went.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Report {
    /// It ran; this many tests of it went well and badly.
    Ran(Counts),
    /// It could not be run on this machine, and why.
    Skipped(String),
}

impl Context {
    /// A command in the root of the workspace, with the environment that every test may rely on.
    pub(crate) fn command(&self, program: impl AsRef<std::ffi::OsStr>) -> Command {
        let mut command = Command::new(program);
        command
            .current_dir(&self.root)
            .env("MILLSTREAM_BIN", self.target.join("debug/millstream"))
            .env("PYTHONDONTWRITEBYTECODE", "1")
            .env("PYTHONUNBUFFERED", "1");
        if self.long {
            command.env("MILLSTREAM_LONG", "1");
        }
        command
    }

    /// Runs a command into the log and counts the tests it tells of.
    pub(crate) fn run(&self, command: &mut Command, format: Format) -> anyhow::Result<Report> {
        let ended = self.run_to_end(command)?;
        let printed = os::read_lossy(&self.log_path)?;
        Ok(Report::Ran(count::count(format, &printed, ended == Ended::Well)))
    }

    /// Runs a command that prepares something; an error if it fails.
    pub(crate) fn prepare(&self, command: &mut Command) -> anyhow::Result<()> {
        match self.run_to_end(command)? {
            Ended::Well => Ok(()),
            Ended::Badly | Ended::TooLate => bail!("`{}` failed", os::describe(command)),
        }
    }

    fn run_to_end(&self, command: &mut Command) -> anyhow::Result<Ended> {
        self.note(&format!("$ {}", os::describe(command)))?;
        let ended = os::run_logged(command, &self.log, self.limit)?;
        if ended == Ended::TooLate {
            self.note(&format!("killed: it ran for more than {} s", self.limit.as_secs()))?;
        }
        Ok(ended)
    }

    fn note(&self, line: &str) -> anyhow::Result<()> {
        use std::io::Write as _;
        writeln!(&self.log, "{line}").with_context(|| format!("cannot write {}", self.log_path.display()))
    }
}

/// What a run came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verdict {
    Passed,
    Failed,
}

/// Runs the steps of `cargo xtask test`.
pub(crate) fn run(args: &StepArgs) -> anyhow::Result<Verdict> {
    run_steps("test", steps::STEPS, args)
}

/// Runs the steps of `cargo xtask interop`.
pub(crate) fn run_interop(args: &StepArgs) -> anyhow::Result<Verdict> {
    run_steps("interop", interop::STEPS, args)
}

/// Runs the steps in order and prints the summary; an error if it could not even do that.
fn run_steps(command: &str, steps: &[Step], args: &StepArgs) -> anyhow::Result<Verdict> {
    if args.list {
        for step in steps {
            os::say(&format!("{:<20} {}", step.name, step.about));
        }
        return Ok(Verdict::Passed);
    }
    if let Some(unknown) =
        args.only.iter().chain(&args.skip).find(|name| !steps.iter().any(|step| step.name == **name))
    {
        bail!("there is no step `{unknown}`; `cargo xtask {command} --list` lists them");
    }
    let target = workspace::load()?.target_directory;
    let mut total = Counts::default();
    let mut broken: Vec<&str> = Vec::new();
    for step in steps.iter().filter(|step| is_wanted(args, step)) {
        let counts = run_step(step, args.long, &target, &broken)?;
        if counts.failed > 0 {
            broken.push(step.name);
        }
        total.add(counts);
    }
    if !broken.is_empty() {
        os::say(&format!(
            "\nfailed: {}; the logs are in {}",
            broken.join(", "),
            target.join("xtask/logs").display()
        ));
    }
    os::say(&format!("\n{total}"));
    Ok(if total.failed == 0 { Verdict::Passed } else { Verdict::Failed })
}

fn is_wanted(args: &StepArgs, step: &Step) -> bool {
    let named = |names: &[String]| names.iter().any(|name| name == step.name);
    (args.only.is_empty() || named(&args.only)) && !named(&args.skip)
}

/// Runs one step between its two halves of a line.
fn run_step(step: &Step, long: bool, target: &Path, broken: &[&str]) -> anyhow::Result<Counts> {
    os::say_start(&format!("{:<20} ", step.name))?;
    let log_path = target.join(format!("xtask/logs/{}.log", step.name));
    let limit = Duration::from_secs(step.limit_minutes * 60 * if long { 10 } else { 1 });
    let context = Context {
        root: os::root(),
        target: target.to_owned(),
        long,
        log: os::create(&log_path)?,
        log_path,
        limit,
    };
    let started = os::now();
    let report = match step.needs.iter().find(|need| broken.contains(need)) {
        Some(need) => Report::Skipped(format!("it needs `{need}`, which failed")),
        None => (step.run)(&context).or_else(|error| {
            context.note(&format!("error: {error:#}"))?;
            anyhow::Ok(Report::Ran(Counts { failed: 1, ..Counts::default() }))
        })?,
    };
    let seconds = started.elapsed().as_secs_f64();
    let counts = match report {
        Report::Skipped(why) => {
            os::say(&format!("skipped  {seconds:>7.1} s  {why}"));
            Counts { skipped: 1, ..Counts::default() }
        }
        Report::Ran(counts) if counts.failed == 0 => {
            os::say(&format!("ok       {seconds:>7.1} s  {counts}"));
            counts
        }
        Report::Ran(counts) => {
            os::say(&format!("FAILED   {seconds:>7.1} s  {counts}"));
            os::say(&format!("{}\n", os::read_lossy(&context.log_path)?));
            counts
        }
    };
    Ok(counts)
}
