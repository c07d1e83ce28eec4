//! The commands everyone relies on: `cargo xtask --help`.

mod bench;
mod codegen;
mod fuzz;
mod os;
mod sim;
mod test;
mod tidy;
mod workspace;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// Builds, checks and measures Millstream. Start with `cargo xtask test`.
#[derive(Debug, Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask")]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run every check and every test, and end with a line that says how many passed.
    Test(test::StepArgs),
    /// Run the slow suites: the AWS CLI, Go and Java clients as their users run them.
    Interop(test::StepArgs),
    /// Check the rules that the compiler cannot: floors, file lengths, manifests, forbidden text.
    Tidy(tidy::TidyArgs),
    /// Write the API crates from the service models in models/.
    Codegen(codegen::CodegenArgs),
    /// Write docs/compatibility.md from the models, the code and the tests.
    Compatibility(codegen::CompatibilityArgs),
    /// Measure this machine and write the results into BENCHMARKS.md.
    Bench(bench::BenchArgs),
    /// Fuzz every decoder of bytes from a disk or a client.
    Fuzz(fuzz::FuzzArgs),
    /// Simulate the whole server in seeded time, network and disk.
    Sim(sim::SimArgs),
}

fn main() -> ExitCode {
    let done = match Cli::parse().command {
        Command::Test(args) => return ended(test::run(&args)),
        Command::Interop(args) => return ended(test::run_interop(&args)),
        Command::Tidy(args) => tidy::run(&args),
        Command::Codegen(args) => codegen::run(&args),
        Command::Compatibility(args) => codegen::write_compatibility(&args),
        Command::Bench(args) => bench::run(&args),
        Command::Fuzz(args) => fuzz::run(&args),
        Command::Sim(args) => sim::run(&args),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => failed(&error),
    }
}

/// How a run of steps ends. Its summary is the last line, whatever it says.
fn ended(verdict: anyhow::Result<test::Verdict>) -> ExitCode {
    match verdict {
        Ok(test::Verdict::Passed) => ExitCode::SUCCESS,
        Ok(test::Verdict::Failed) => ExitCode::FAILURE,
        Err(error) => failed(&error),
    }
}

fn failed(error: &anyhow::Error) -> ExitCode {
    os::say(&format!("error: {error:#}"));
    ExitCode::FAILURE
}
