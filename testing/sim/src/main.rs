//! `millstream-sim`: run seeds. `cargo xtask sim` is the way to call it.
#![expect(clippy::print_stdout, reason = "the terminal is what this program is for")]

use anyhow::{Result, bail};
use clap::Parser;
use millstream_host::{Clock, SystemClock};
use millstream_sim::{Mutation, Plan, Scenario, Storage, Workshop, run};
use std::path::PathBuf;
use std::time::Duration;

/// Simulate the whole server, one seed after another, and check what its clients saw.
#[derive(Debug, Parser)]
struct Cli {
    /// The first seed.
    #[arg(long, default_value_t = 0)]
    from: u64,
    /// How many seeds to run.
    #[arg(long, default_value_t = 100)]
    seeds: u64,
    /// Begin no further seed after so many seconds.
    #[arg(long)]
    seconds: Option<u64>,
    /// Stand on the model of the log, in memory, instead of the embedded log on a simulated disk.
    #[arg(long)]
    memory: bool,
    /// What the clients are about.
    #[arg(long, value_enum, default_value_t)]
    scenario: Scenario,
    /// Let the log break a promise, to see that it is noticed.
    #[arg(long, value_enum)]
    mutation: Option<Mutation>,
    /// Write the trace of the last seed here.
    #[arg(long)]
    trace: Option<PathBuf>,
    /// Run every seed twice and compare the traces.
    #[arg(long)]
    twice: bool,
}

fn main() -> Result<()> {
    let cli = Cli::parse();
    let workshop = Workshop::open()?;
    let storage = if cli.memory { Storage::Memory } else { Storage::Disk };
    let clock = SystemClock::new();
    let began = clock.monotonic();
    let mut ran = 0;
    for seed in cli.from..cli.from.saturating_add(cli.seeds) {
        let late = |limit| clock.monotonic().saturating_sub(began) >= Duration::from_secs(limit);
        if cli.seconds.is_some_and(late) {
            break;
        }
        let plan = Plan::of(cli.scenario, seed, storage, cli.mutation);
        let report = run(&plan, &workshop);
        ran += 1;
        if let Some(path) = &cli.trace {
            millstream_host::fs::write(path, report.trace.as_bytes())?;
        }
        if cli.twice {
            let again = run(&plan, &workshop);
            if let Some((first, second)) = difference(&report.trace, &again.trace) {
                bail!("seed {seed} gave two traces; the first line that differs:\n  {first}\n  {second}");
            }
        }
        let (puts, acknowledged, reads, starts) =
            (report.puts, report.acknowledged, report.reads, report.starts);
        match cli.scenario {
            Scenario::Streams | Scenario::Queues => println!(
                "seed {seed}: {puts} puts, {acknowledged} acknowledged, {reads} records read, {starts} starts"
            ),
            Scenario::Events => println!(
                "seed {seed}: {} events, {} calls, {} told, {starts} starts",
                report.events, report.calls, report.told
            ),
        }
        if cli.scenario == Scenario::Queues {
            println!(
                "  {} received, {} of them dead, {} settled",
                report.received, report.dead, report.settled
            );
        }
        if !report.violations.is_empty() {
            report.violations.iter().take(20).for_each(|violation| println!("  {violation}"));
            bail!("seed {seed} breaks a law; run it again with: {}", replay(&cli, seed));
        }
    }
    println!("{ran} seeds, every law kept");
    Ok(())
}

fn difference<'a>(first: &'a str, second: &'a str) -> Option<(&'a str, &'a str)> {
    let end = [""];
    let (first, second) = (first.lines().chain(end), second.lines().chain(end));
    first.zip(second).find(|(first, second)| first != second)
}

fn replay(cli: &Cli, seed: u64) -> String {
    let memory = if cli.memory { " --memory" } else { "" };
    let scenario = match cli.scenario {
        Scenario::Streams => "",
        Scenario::Queues => " --scenario queues",
        Scenario::Events => " --scenario events",
    };
    format!("cargo xtask sim --from {seed} --seeds 1{scenario}{memory} --trace /tmp/trace")
}
