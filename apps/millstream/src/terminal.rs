//! What the person at the terminal reads: answers on standard output, trouble on standard error.

use std::io::{self, Write};
use std::process::ExitCode;

/// A line on standard output. Nobody reading it any more is no reason to stop.
pub(crate) fn say(text: impl std::fmt::Display) {
    drop(writeln!(io::stdout(), "{text}"));
}

/// A line on standard error.
pub(crate) fn note(text: impl std::fmt::Display) {
    drop(writeln!(io::stderr(), "{text}"));
}

/// Say why the program ends, with its causes, and give its exit code.
pub(crate) fn failed(error: &anyhow::Error) -> ExitCode {
    note(format_args!("millstream: {error:#}"));
    ExitCode::FAILURE
}
