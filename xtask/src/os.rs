//! The machine, as far as these commands touch it: files, processes, the clock, the terminal.
//!
//! `xtask` is no part of the house and may not use `millstream_host`, so the calls that the workspace forbids elsewhere
//! are gathered here and nowhere else in this program.

#![expect(clippy::disallowed_methods, reason = "a build tool has no clock or disk to simulate")]
#![expect(clippy::print_stdout, reason = "the terminal is what these commands are for")]

use std::fs::File;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail};

/// A whole file as text.
pub(crate) fn read(path: &Path) -> anyhow::Result<String> {
    std::fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))
}

/// A whole file as text, bytes that are not UTF-8 replaced: for the logs of other programs.
pub(crate) fn read_lossy(path: &Path) -> anyhow::Result<String> {
    let bytes = std::fs::read(path).with_context(|| format!("cannot read {}", path.display()))?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

/// Replaces a file, making its directory if need be.
pub(crate) fn write(path: &Path, text: &str) -> anyhow::Result<()> {
    if let Some(parent) = path.parent() {
        std::fs::create_dir_all(parent).with_context(|| format!("cannot create {}", parent.display()))?;
    }
    std::fs::write(path, text).with_context(|| format!("cannot write {}", path.display()))
}

/// An empty file to write to, in a directory that is made if need be.
pub(crate) fn create(path: &Path) -> anyhow::Result<File> {
    if let Some(parent) = path.parent() {
        std::fs::create_dir_all(parent).with_context(|| format!("cannot create {}", parent.display()))?;
    }
    File::create(path).with_context(|| format!("cannot write {}", path.display()))
}

/// A directory, and those above it.
pub(crate) fn make_directory(path: &Path) -> anyhow::Result<()> {
    std::fs::create_dir_all(path).with_context(|| format!("cannot create {}", path.display()))
}

/// The start of a measurement.
pub(crate) fn now() -> Instant {
    Instant::now()
}

/// Prints one line.
pub(crate) fn say(line: &str) {
    println!("{line}");
}

/// Prints the beginning of a line at once, for a step whose end will be printed later on the same line.
pub(crate) fn say_start(text: &str) -> anyhow::Result<()> {
    print!("{text}");
    std::io::stdout().flush().context("cannot write to the terminal")
}

/// The directory of the workspace.
pub(crate) fn root() -> PathBuf {
    let own = Path::new(env!("CARGO_MANIFEST_DIR"));
    own.parent().expect("xtask is a directory of the workspace").to_owned()
}

/// The program called `name` on the search path, if there is one.
pub(crate) fn which(name: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    std::env::split_paths(&path).map(|directory| directory.join(name)).find(|file| file.is_file())
}

/// What a command prints on its standard output; an error with everything it said if it fails.
pub(crate) fn output(command: &mut Command) -> anyhow::Result<String> {
    let ran = command.output().with_context(|| format!("cannot start {}", describe(command)))?;
    if !ran.status.success() {
        bail!("{} failed ({}):\n{}", describe(command), ran.status, String::from_utf8_lossy(&ran.stderr));
    }
    String::from_utf8(ran.stdout)
        .with_context(|| format!("{} printed something that is not text", describe(command)))
}

/// How a command ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ended {
    Well,
    Badly,
    /// It was killed because it ran longer than its limit.
    TooLate,
}

/// Runs a command with all that it prints going to `log`, for at most `limit`.
pub(crate) fn run_logged(command: &mut Command, log: &File, limit: Duration) -> anyhow::Result<Ended> {
    let copy = || log.try_clone().context("cannot share the log file");
    let mut child = command
        .stdin(std::process::Stdio::null())
        .stdout(copy()?)
        .stderr(copy()?)
        .spawn()
        .with_context(|| format!("cannot start {}", describe(command)))?;
    let started = now();
    loop {
        if let Some(status) = child.try_wait().context("cannot wait for a child")? {
            return Ok(if status.success() { Ended::Well } else { Ended::Badly });
        }
        if started.elapsed() > limit {
            child.kill().context("cannot stop a child that ran too long")?;
            child.wait().context("cannot wait for a child")?;
            return Ok(Ended::TooLate);
        }
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// A command as one would type it.
pub(crate) fn describe(command: &Command) -> String {
    let mut words = vec![command.get_program().to_string_lossy().into_owned()];
    words.extend(command.get_args().map(|argument| argument.to_string_lossy().into_owned()));
    words.join(" ")
}
