//! `cargo xtask compatibility`: every operation and parameter of the APIs, and what becomes of it, as
//! `docs/compatibility.md`.
//!
//! An operation is supported if it has a file; the services' tests hold the page against what they really answer. A
//! parameter is supported if the operation's file reads it. What is not read there, or not taken as it is, must have a rule in
//! `models/compatibility.toml`: without one the page cannot be written, so that nothing is ignored in silence.

mod judge;
mod page;
mod rules;
mod tests_of;

use super::{SERVICES, model, workspace_root};
use anyhow::{Context, Result, bail};
use clap::Args;
use std::path::Path;

const PAGE: &str = "docs/compatibility.md";

#[derive(Debug, Args)]
pub(crate) struct CompatibilityArgs {
    /// Write nothing; fail if the page is not what the code says.
    #[arg(long)]
    check: bool,
}

pub(crate) fn run(args: &CompatibilityArgs) -> Result<()> {
    let root = workspace_root()?;
    let page = generate(&root)?;
    if !args.check {
        return std::fs::write(root.join(PAGE), page).with_context(|| format!("writing {PAGE}"));
    }
    if read(&root.join(PAGE))? != page {
        bail!("{STALE}");
    }
    Ok(())
}

const STALE: &str = "is not what the code says; run `cargo xtask compatibility` and commit";

/// What is wrong with the page in the tree: where, and what to do.
pub(crate) fn findings(root: &Path) -> Result<Vec<(String, String)>> {
    match generate(root) {
        Err(error) => Ok(vec![("models/compatibility.toml".to_owned(), format!("{error:#}"))]),
        Ok(page) if read(&root.join(PAGE))? != page => Ok(vec![(PAGE.to_owned(), STALE.to_owned())]),
        Ok(_) => Ok(Vec::new()),
    }
}

fn generate(root: &Path) -> Result<String> {
    let rules = rules::read(&root.join("models/compatibility.toml"))?;
    let mut services = Vec::new();
    for service in &SERVICES {
        let model = model::read(&root.join(format!("models/{}.json", service.name)))?;
        let of = rules.of(service.name)?;
        let operations = judge::operations(root, service.name, &model, of)?;
        services.push((service.name, operations));
    }
    Ok(page::write(&services))
}

/// A file that may be missing: then it is empty.
fn read(path: &Path) -> Result<String> {
    match std::fs::read_to_string(path) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(String::new()),
        other => other.with_context(|| format!("reading {}", path.display())),
    }
}
