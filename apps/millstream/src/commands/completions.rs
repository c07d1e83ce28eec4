//! `millstream completions`: what a shell needs to complete commands and flags.

use anyhow::{Context, Result};
use clap::{Args, CommandFactory};
use clap_complete::Shell;
use std::io::{self, Write};
use std::process::ExitCode;

#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  source <(millstream completions bash)\n  millstream completions zsh > \
    ~/.zfunc/_millstream\n  millstream completions fish > ~/.config/fish/completions/millstream.fish")]
pub(crate) struct CompletionsArguments {
    shell: Shell,
}

pub(crate) fn run(arguments: &CompletionsArguments) -> Result<ExitCode> {
    let mut script = Vec::new();
    clap_complete::generate(arguments.shell, &mut crate::cli::Cli::command(), "millstream", &mut script);
    match io::stdout().write_all(&script) {
        Err(error) if super::pipe::is_closed(&error) => {}
        written => written.context("cannot write to standard output")?,
    }
    Ok(ExitCode::SUCCESS)
}
