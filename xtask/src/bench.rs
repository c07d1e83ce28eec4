//! `cargo xtask bench`: measures this machine and writes what it found into `BENCHMARKS.md`.

use std::path::Path;
use std::process::Command;

use anyhow::Context as _;

use crate::{os, workspace};

/// Measure this machine and write the results into BENCHMARKS.md.
#[derive(Debug, clap::Args)]
pub(crate) struct BenchArgs {
    /// How many records to measure with.
    #[arg(long, default_value_t = 200)]
    records: u32,
    /// Print the table and leave BENCHMARKS.md as it is.
    #[arg(long)]
    dry_run: bool,
}

/// The measured table stands between these two lines; everything else in the file is written by hand.
const BEGIN: &str = "<!-- measured by `cargo xtask bench`: begin -->";
const END: &str = "<!-- measured by `cargo xtask bench`: end -->";

const NEW_FILE: &str = "# Benchmarks\n\n\
    Ratios from one run on one machine, never absolute promises. `cargo xtask bench` measures and replaces the tables below.\n\n";

/// Builds the release binary, measures, and replaces the tables.
pub(crate) fn run(args: &BenchArgs) -> anyhow::Result<()> {
    let target = workspace::load()?.target_directory;
    let root = os::root();
    let build = ["build", "--release", "--package", "millstream"];
    os::say("building the release binary");
    os::output(Command::new("cargo").args(build).current_dir(&root))?;
    os::say("measuring; leave the machine alone for a minute");
    let mut measure = Command::new("python3");
    measure
        .arg(root.join("conformance/bench/put_to_invoke.py"))
        .args(["--records", &args.records.to_string()])
        .env("PYTHONPATH", root.join("conformance/python"))
        .env("PYTHONDONTWRITEBYTECODE", "1")
        .env("MILLSTREAM_BIN", target.join("release/millstream"))
        .current_dir(&root);
    let tables = os::output(&mut measure)?;
    os::say(&tables);
    if args.dry_run {
        return Ok(());
    }
    let file = root.join("BENCHMARKS.md");
    os::write(&file, &replace(&current(&file)?, &tables).context("BENCHMARKS.md")?)
}

fn current(file: &Path) -> anyhow::Result<String> {
    if file.is_file() { os::read(file) } else { Ok(format!("{NEW_FILE}{BEGIN}\n{END}\n")) }
}

/// Puts the tables between the markers.
fn replace(text: &str, tables: &str) -> anyhow::Result<String> {
    let (before, rest) = text.split_once(BEGIN).context("the line that begins the measured part is gone")?;
    let (_, after) = rest.split_once(END).context("the line that ends the measured part is gone")?;
    Ok(format!("{before}{BEGIN}\n\n{}\n\n{END}{after}", tables.trim()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_between_the_markers_is_replaced() {
        let text = format!("# A\n{BEGIN}\nold\n{END}\nmore\n");
        assert_eq!(replace(&text, "new\n").unwrap(), format!("# A\n{BEGIN}\n\nnew\n\n{END}\nmore\n"));
        let again = replace(&replace(&text, "new").unwrap(), "new").unwrap();
        assert_eq!(again, replace(&text, "new").unwrap());
    }

    #[test]
    fn a_file_without_markers_is_left_alone() {
        assert!(replace("# A\n", "new").is_err());
    }
}
