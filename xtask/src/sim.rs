//! `cargo xtask sim`: the simulation of the whole server, which is a workspace of its own in `testing/sim`.

use anyhow::{Context as _, bail};
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::{os, workspace};

/// Simulate the whole server by seeds: `--seeds 1000 --from 0`; `-- --help` lists what else there is.
#[derive(Debug, clap::Args)]
pub(crate) struct SimArgs {
    /// For the simulation.
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    arguments: Vec<String>,
}

/// Where its workspace is.
pub(crate) fn directory() -> PathBuf {
    os::root().join("testing/sim")
}

/// Let a cargo command run in its workspace, whose settings cargo finds by the directory, and build beside the house.
pub(crate) fn prepare<'a>(command: &'a mut Command, target: &Path) -> &'a mut Command {
    command
        .current_dir(directory())
        .env("CARGO_TARGET_DIR", target.join("sim"))
        .env_remove("RUSTFLAGS")
        .env_remove("CARGO_ENCODED_RUSTFLAGS")
}

/// Runs it on the terminal; an error if a law is broken.
pub(crate) fn run(args: &SimArgs) -> anyhow::Result<()> {
    let target = workspace::load()?.target_directory;
    let mut command = Command::new("cargo");
    command.args(["run", "--quiet", "--"]).args(&args.arguments);
    let status = prepare(&mut command, &target).status().context("cannot start cargo")?;
    if !status.success() {
        bail!("the simulation failed");
    }
    Ok(())
}
