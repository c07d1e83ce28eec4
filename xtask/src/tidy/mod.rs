//! Rules that neither the compiler nor clippy can check.

mod floors;
mod manifests;
mod pins;
mod text;

use anyhow::bail;

use crate::{codegen, os, workspace};

/// Check the rules that the compiler cannot: floors, file lengths, manifests, forbidden text.
#[derive(Debug, clap::Args)]
pub(crate) struct TidyArgs {}

/// One broken rule, and where.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Finding {
    /// A path, with a line if there is one, or the name of a crate.
    pub(crate) place: String,
    /// What is wrong and what to do about it.
    pub(crate) what: String,
}

/// Prints every finding; fails if there is one.
pub(crate) fn run(_args: &TidyArgs) -> anyhow::Result<()> {
    let workspace = workspace::load()?;
    let mut findings = floors::check(&workspace)?;
    findings.extend(manifests::check(&workspace)?);
    // A workspace of its own, so its dependencies are its own; its manifests follow the same rules.
    findings.extend(manifests::check(&workspace::load_bench()?)?);
    findings.extend(manifests::check(&workspace::load_sim()?)?);
    findings.extend(manifests::check(&workspace::load_fuzz()?)?);
    findings.extend(pins::check()?);
    findings.extend(text::check()?);
    let stale = codegen::compatibility_findings(&os::root())?;
    findings.extend(stale.into_iter().map(|(place, what)| Finding { place, what }));
    findings.sort();
    for finding in &findings {
        os::say(&format!("{}: {}", finding.place, finding.what));
    }
    if !findings.is_empty() {
        bail!("{} rules broken", findings.len());
    }
    os::say("tidy");
    Ok(())
}
