//! The workspace as `cargo metadata` tells it: which crates there are and what they depend on.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::Context as _;
use serde::Deserialize;

use crate::{fuzz, os, sim};

/// The members of the workspace, and where cargo builds.
#[derive(Debug, Deserialize)]
pub(crate) struct Workspace {
    pub(crate) packages: Vec<Package>,
    pub(crate) target_directory: PathBuf,
}

/// One member.
#[derive(Debug, Deserialize)]
pub(crate) struct Package {
    pub(crate) name: String,
    pub(crate) manifest_path: PathBuf,
    pub(crate) dependencies: Vec<Dependency>,
}

/// One dependency of a member, of any kind (normal, build or dev).
#[derive(Debug, Deserialize)]
pub(crate) struct Dependency {
    pub(crate) name: String,
    /// Set if and only if the dependency is a directory, which here means a member of the workspace.
    pub(crate) path: Option<PathBuf>,
}

/// Asks cargo. Needs no network.
pub(crate) fn load() -> anyhow::Result<Workspace> {
    load_in(&os::root())
}

/// The workspace of the programs that measure.
pub(crate) fn load_bench() -> anyhow::Result<Workspace> {
    load_in(&os::root().join("bench"))
}

/// The workspace of the simulation.
pub(crate) fn load_sim() -> anyhow::Result<Workspace> {
    load_in(&sim::directory())
}

/// The workspace of the fuzz targets.
pub(crate) fn load_fuzz() -> anyhow::Result<Workspace> {
    load_in(&fuzz::directory())
}

fn load_in(directory: &Path) -> anyhow::Result<Workspace> {
    let mut command = Command::new("cargo");
    command.args(["metadata", "--no-deps", "--format-version", "1"]).current_dir(directory);
    let text = os::output(&mut command)?;
    serde_json::from_str(&text).context("cargo metadata has a form this program does not know")
}
