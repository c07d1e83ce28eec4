//! Processes that are measured: started with their output in a log, stopped when they go out of scope.

use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use anyhow::{Context as _, bail};

use super::context::Bench;
use super::system;
use crate::os;

/// A running process.
#[derive(Debug)]
pub(crate) struct Process {
    name: String,
    child: Child,
    pub(crate) log: PathBuf,
}

/// How long a process may take to end when it is asked to.
const END: Duration = Duration::from_secs(20);

impl Process {
    /// Starts `command`. Where the system has `setpriv`, the process ends with this one, however that ends.
    pub(crate) fn start(bench: &Bench, name: &str, command: &Command) -> anyhow::Result<Self> {
        let mut wrapped = if let Some(setpriv) = os::which("setpriv") {
            let mut wrapped = Command::new(setpriv);
            wrapped.args(["--pdeathsig", "KILL", "--"]).arg(command.get_program());
            wrapped
        } else {
            Command::new(command.get_program())
        };
        wrapped.args(command.get_args());
        for (name, value) in command.get_envs() {
            match value {
                Some(value) => wrapped.env(name, value),
                None => wrapped.env_remove(name),
            };
        }
        if let Some(directory) = command.get_current_dir() {
            wrapped.current_dir(directory);
        }
        let path = bench.logs.join(format!("{name}.log"));
        let log = os::create(&path)?;
        let child = wrapped
            .stdin(Stdio::null())
            .stdout(log.try_clone().context("cannot share the log file")?)
            .stderr(log)
            .spawn()
            .with_context(|| format!("cannot start {}", os::describe(command)))?;
        Ok(Self { name: name.to_owned(), child, log: path })
    }

    /// `setpriv` becomes the program that it starts, so this is the program's.
    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Asks until there is an answer; an error with the log when the process ends or takes longer than `limit`.
    pub(crate) fn wait_for<T>(
        &mut self,
        limit: Duration,
        mut ask: impl FnMut(&Self) -> anyhow::Result<Option<T>>,
    ) -> anyhow::Result<T> {
        let started = os::now();
        loop {
            if let Some(answer) = ask(self)? {
                return Ok(answer);
            }
            if let Some(status) = self.child.try_wait().context("cannot wait for a child")? {
                bail!("{} ended ({status}): {}", self.name, self.last_words());
            }
            if started.elapsed() > limit {
                bail!("{} was not ready after {} s: {}", self.name, limit.as_secs(), self.last_words());
            }
            system::sleep(0.001);
        }
    }

    /// The end of the log, on one line.
    fn last_words(&self) -> String {
        let text = os::read_lossy(&self.log).unwrap_or_default();
        let lines: Vec<&str> = text.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
        let words = lines[lines.len().saturating_sub(3)..].join(" / ");
        words.chars().filter(|c| !c.is_control()).take(400).collect()
    }

    /// Asks it to end, and waits.
    pub(crate) fn terminate(&mut self) -> anyhow::Result<()> {
        os::output(Command::new("kill").args(["-TERM", &self.pid().to_string()]))?;
        let started = os::now();
        while self.child.try_wait().context("cannot wait for a child")?.is_none() {
            if started.elapsed() > END {
                bail!("{} did not end within {} s", self.name, END.as_secs());
            }
            system::sleep(0.005);
        }
        Ok(())
    }

    /// `kill -9`. Harmless when it has ended already.
    pub(crate) fn kill(&mut self) {
        // An error says that it has ended already.
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.kill();
    }
}

/// A directory that goes when this does.
#[derive(Debug)]
pub(crate) struct Scratch(pub(crate) PathBuf);

impl Scratch {
    /// A new directory, empty.
    pub(crate) fn new(bench: &Bench, name: &str) -> anyhow::Result<Self> {
        let path = bench.scratch.join(name);
        system::remove_all(&path)?;
        system::create_all(&path)?;
        Ok(Self(path))
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        if let Err(error) = system::remove_all(&self.0) {
            os::say(&format!("{error:#}"));
        }
    }
}
