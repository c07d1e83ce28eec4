//! `cargo xtask fuzz`: libFuzzer on every decoder of bytes that somebody else wrote. The targets are in `fuzz/`, a
//! workspace of its own.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, bail};

use crate::{os, workspace};

/// Fuzz every decoder of bytes from a disk or a client, guided by coverage; needs a C++ compiler.
///
/// A corpus grows in target/fuzz/corpus, beginning with the golden files. An input that breaks a law is kept, and the
/// command that replays it is printed.
#[derive(Debug, clap::Args)]
pub(crate) struct FuzzArgs {
    /// Only this target; all of them otherwise, one after another.
    target: Option<String>,
    /// How long to fuzz each target.
    #[arg(long, default_value_t = 60)]
    seconds: u64,
    /// List the targets and exit.
    #[arg(long)]
    list: bool,
    /// Run the target once, on the bytes of this file. Needs no C++ compiler.
    #[arg(long, value_name = "FILE", requires = "target")]
    replay: Option<PathBuf>,
    /// Run the target once, on the mutant that `cargo xtask test` makes of this seed. Needs no C++ compiler.
    #[arg(long, requires = "target", conflicts_with = "replay")]
    seed: Option<u64>,
}

/// Coverage as libFuzzer counts it. All of it is stable: only the sanitizers that look for broken memory, of which this
/// house has no unsafe code to make any, want a nightly compiler.
const COVERAGE: &str = "-Cpasses=sancov-module -Cllvm-args=-sanitizer-coverage-level=4 \
    -Cllvm-args=-sanitizer-coverage-inline-8bit-counters -Cllvm-args=-sanitizer-coverage-pc-table \
    -Cllvm-args=-sanitizer-coverage-trace-compares -Ccodegen-units=1 --cfg fuzzing";

/// Where the workspace of the targets is.
pub(crate) fn directory() -> PathBuf {
    os::root().join("fuzz")
}

/// Let a cargo command run in that workspace and build beside the house.
pub(crate) fn prepare<'a>(command: &'a mut Command, target: &Path) -> &'a mut Command {
    command
        .current_dir(directory())
        .env("CARGO_TARGET_DIR", target.join("fuzz"))
        .env_remove("RUSTFLAGS")
        .env_remove("CARGO_ENCODED_RUSTFLAGS")
}

/// Runs it on the terminal; an error if a law is broken.
pub(crate) fn run(args: &FuzzArgs) -> anyhow::Result<()> {
    let target = workspace::load()?.target_directory;
    if args.list {
        return show(&target, &["list"]);
    }
    if let Some((name, file)) = args.target.as_ref().zip(args.replay.as_ref()) {
        let file = std::path::absolute(file).context("the directory that this runs in is gone")?;
        return show(&target, &["replay", name, &file.display().to_string()]);
    }
    if let Some((name, seed)) = args.target.as_ref().zip(args.seed) {
        return show(&target, &["mutant", name, &seed.to_string()]);
    }
    let listed = helper(&target, &["list"])?;
    let names: Vec<&str> = listed.lines().filter_map(|line| line.split('\t').next()).collect();
    let wanted = match &args.target {
        Some(name) if !names.contains(&name.as_str()) => {
            bail!("there is no target `{name}`; `cargo xtask fuzz --list` lists them")
        }
        Some(name) => vec![name.as_str()],
        None => names,
    };
    if !["c++", "g++", "clang++"].iter().any(|compiler| os::which(compiler).is_some()) {
        bail!("libFuzzer is C++, and no compiler for it is installed; --seed and --replay need none");
    }
    let programs = build(&target, &wanted)?;
    let mut broken = Vec::new();
    for name in wanted {
        if !fuzz(&target, &programs, name, args.seconds)? {
            broken.push(name);
        }
    }
    if !broken.is_empty() {
        bail!("laws are broken: {}", broken.join(", "));
    }
    Ok(())
}

/// What the program that needs no libFuzzer prints.
fn helper(target: &Path, arguments: &[&str]) -> anyhow::Result<String> {
    let mut command = Command::new("cargo");
    command.args(["run", "--quiet", "--bin", "millstream-fuzz", "--"]).args(arguments);
    os::output(prepare(&mut command, target))
}

fn show(target: &Path, arguments: &[&str]) -> anyhow::Result<()> {
    os::say(helper(target, arguments)?.trim_end());
    Ok(())
}

/// Builds the programs; where they are. Naming the machine's own target keeps the flags away from build scripts and
/// macros, which run while libFuzzer does not.
fn build(target: &Path, names: &[&str]) -> anyhow::Result<PathBuf> {
    let version = os::output(Command::new("rustc").arg("-vV"))?;
    let host = version.lines().find_map(|line| line.strip_prefix("host: ")).context("rustc names no host")?;
    os::say("building the targets with coverage");
    let mut command = Command::new("cargo");
    command.args(["build", "--release", "--features", "libfuzzer", "--target", host]);
    command.args(names.iter().flat_map(|name| ["--bin", name]));
    let status =
        prepare(&mut command, target).env("RUSTFLAGS", COVERAGE).status().context("cannot start cargo")?;
    if !status.success() {
        bail!("the targets do not build");
    }
    Ok(target.join("fuzz").join(host).join("release"))
}

/// Whether all laws of one target held.
fn fuzz(target: &Path, programs: &Path, name: &str, seconds: u64) -> anyhow::Result<bool> {
    let place = |kind: &str| target.join("fuzz").join(kind).join(name);
    let (seeds, corpus, broken) = (place("seeds"), place("corpus"), place("broken"));
    helper(target, &["seeds", name, &seeds.display().to_string()])?;
    os::make_directory(&corpus)?;
    os::make_directory(&broken)?;
    os::say(&format!("\n{name}, {seconds} s"));
    let mut command = Command::new(programs.join(name));
    command
        .args([&corpus, &seeds])
        .arg(format!("-max_total_time={seconds}"))
        .arg(format!("-artifact_prefix={}/", broken.display()))
        .args(["-timeout=20", "-rss_limit_mb=2048", "-print_final_stats=1", "-verbosity=0"]);
    let status = command.status().with_context(|| format!("cannot start the target {name}"))?;
    if status.success() {
        return Ok(true);
    }
    os::say(&format!(
        "\n{name} breaks a law. Replay the input, which is named above, with\n\n    cargo xtask fuzz {name} --replay {}/FILE\n",
        broken.display()
    ));
    Ok(false)
}
