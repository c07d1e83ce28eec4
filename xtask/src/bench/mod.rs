//! `cargo xtask bench`: measures this machine and writes what it found into `BENCHMARKS.md`.
//!
//! Everything that is compared runs in the same run, on the same disk, in turns (A B A B), and medians are reported. The
//! programs that measure are the workspace in `bench/`; here they are started, stopped and made tables of.

mod book;
mod context;
mod figures;
mod functions;
mod languages;
mod machine;
mod parts;
mod peers;
mod process;
mod put;
mod report;
mod server;
mod system;

use std::collections::BTreeMap;

use anyhow::{Context as _, bail};
use serde_json::{Value, json};

use self::context::Bench;
use self::parts::PARTS;
use self::report::Section;
use crate::os;

/// Measure this machine and write the results into BENCHMARKS.md.
///
/// Leave the machine alone meanwhile: it takes about three quarters of an hour, some minutes with --quick. What is started is stopped
/// again, what is written goes below the target directory and is removed. Raw numbers are kept in target/bench/results.
#[derive(Debug, clap::Args)]
#[expect(clippy::struct_excessive_bools, reason = "each is a flag of the command line")]
pub(crate) struct BenchArgs {
    /// Measure only this part (may be given more than once). See --list. The others' tables stay as they are.
    #[arg(long, value_name = "PART")]
    only: Vec<String>,
    /// Leave this part out (may be given more than once).
    #[arg(long, value_name = "PART")]
    skip: Vec<String>,
    /// List the parts and exit.
    #[arg(long)]
    list: bool,
    /// Short rounds and small data, to see that everything works: the numbers are noise, BENCHMARKS.md stays as it is.
    #[arg(long)]
    quick: bool,
    /// Print the tables and leave BENCHMARKS.md as it is.
    #[arg(long)]
    dry_run: bool,
    /// Measure in turns so many times.
    #[arg(long, value_name = "N")]
    rounds: Option<usize>,
    /// Where data is written: a directory on the disk to measure [default: target/bench/scratch].
    #[arg(long, value_name = "DIR")]
    scratch: Option<std::path::PathBuf>,
    /// Measure this server instead of building one.
    #[arg(long, value_name = "FILE")]
    server: Option<std::path::PathBuf>,
    /// Ask no package manager for the peers that are not installed yet.
    #[arg(long)]
    offline: bool,
}

/// Builds, measures part by part, and replaces the tables of the parts that were measured.
pub(crate) fn run(args: &BenchArgs) -> anyhow::Result<()> {
    if args.list {
        for part in PARTS {
            os::say(&format!("{:<16} {}", part.name, part.about));
        }
        return Ok(());
    }
    let known = |name: &&String| PARTS.iter().any(|part| part.name == **name);
    if let Some(unknown) = args.only.iter().chain(&args.skip).find(|name| !known(name)) {
        bail!("there is no part `{unknown}`; `cargo xtask bench --list` lists them");
    }
    let bench = Bench::prepare(args)?;
    let mut sections: BTreeMap<&str, Section> = BTreeMap::new();
    let mut failed = Vec::new();
    for part in PARTS {
        let named = |names: &[String]| names.iter().any(|name| name == part.name);
        if !(args.only.is_empty() || named(&args.only)) || named(&args.skip) {
            continue;
        }
        os::say(&format!("\n── {}: {}", part.name, part.about));
        let started = os::now();
        match (part.run)(&bench) {
            Ok(section) => {
                os::say(&format!("\n{}\n", section.markdown()));
                sections.insert(part.name, section);
            }
            Err(error) => {
                os::say(&format!("not measured: {error:#}"));
                failed.push(part.name);
            }
        }
        os::say(&format!("── {}: {:.0} s", part.name, started.elapsed().as_secs_f64()));
    }
    keep_raw(&bench, &sections)?;
    say_targets(&sections);
    if args.quick {
        os::say("BENCHMARKS.md is as it was: --quick measures only whether everything works");
    } else if !args.dry_run {
        let file = os::root().join("BENCHMARKS.md");
        let measured: Vec<_> =
            PARTS.iter().filter_map(|part| Some((part.name, sections.get(part.name)?.markdown()))).collect();
        let order: Vec<&str> = PARTS.iter().map(|part| part.name).collect();
        let text = book::replace(&book::current(&file)?, &order, &measured).context("BENCHMARKS.md")?;
        os::write(&file, &text)?;
    }
    if !failed.is_empty() {
        bail!("not measured: {}; why is said above, and their tables are as they were", failed.join(", "));
    }
    Ok(())
}

/// All numbers of this run, for comparisons later.
fn keep_raw(bench: &Bench, sections: &BTreeMap<&str, Section>) -> anyhow::Result<()> {
    let parts: BTreeMap<&str, &Value> =
        sections.iter().map(|(name, section)| (*name, &section.raw)).collect();
    let all = json!({ "date": bench.date, "machine": bench.machine, "quick": bench.quick, "parts": parts });
    let file = bench.results.join(format!("{}.json", machine::file_stamp()?));
    os::write(&file, &serde_json::to_string_pretty(&all)?)?;
    os::say(&format!("\nraw numbers: {}", file.display()));
    Ok(())
}

fn say_targets(sections: &BTreeMap<&str, Section>) {
    let targets: Vec<_> = sections.values().flat_map(|section| &section.targets).collect();
    let missed: Vec<_> = targets.iter().filter(|target| !target.met).collect();
    os::say(&format!(
        "{} targets, {} met, {} missed",
        targets.len(),
        targets.len() - missed.len(),
        missed.len()
    ));
    for target in missed {
        os::say(&format!("  missed: {}: {} (target {})", target.what, target.measured, target.wanted));
    }
}
