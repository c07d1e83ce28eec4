//! Runs targets without libFuzzer: one input from a file, or the mutants of seeds. `cargo xtask fuzz` calls it.

#![expect(clippy::print_stdout, reason = "the terminal is what this program is for")]

use anyhow::{Context as _, bail};
use clap::{Parser, Subcommand};
use millstream_fuzz::{TARGETS, Target, find};
use millstream_host::fs;
use std::path::PathBuf;

#[derive(Debug, Parser)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// List the targets: name, tab, what is decoded.
    List,
    /// Write the good inputs of a target into a directory, as a corpus to start from.
    Seeds { target: String, directory: PathBuf },
    /// Run a target on the bytes of a file.
    Replay { target: String, file: PathBuf },
    /// Run a target on the mutant of one seed, or of as many seeds from there on as `--tries` says.
    Mutant {
        target: String,
        seed: u64,
        #[arg(long, default_value_t = 1)]
        tries: u64,
    },
}

fn target(name: &str) -> anyhow::Result<&'static Target> {
    find(name).with_context(|| format!("there is no target {name}"))
}

fn main() -> anyhow::Result<()> {
    match Cli::parse().command {
        Command::List => TARGETS.iter().for_each(|target| println!("{}\t{}", target.name, target.about)),
        Command::Seeds { target: name, directory } => {
            fs::create_dir_all(&directory)?;
            for (number, seed) in (target(&name)?.seeds)().iter().enumerate() {
                fs::write(&directory.join(format!("seed-{number:04}")), seed)?;
            }
        }
        Command::Replay { target: name, file } => {
            let input = fs::read(&file).with_context(|| file.display().to_string())?;
            println!("{name}: {:?}", target(&name)?.run(&input));
        }
        Command::Mutant { target: name, seed, tries } => {
            let target = target(&name)?;
            let seeds = (target.seeds)();
            if seeds.is_empty() {
                bail!("{name} has no seeds");
            }
            for seed in (seed..).take(usize::try_from(tries)?) {
                let mutant = target.mutant(&seeds, seed);
                if tries == 1 {
                    println!("{name}: {}", mutant.escape_ascii());
                }
                let verdict = target.run(&mutant);
                if tries == 1 {
                    println!("{name}: {verdict:?}");
                }
            }
        }
    }
    Ok(())
}
