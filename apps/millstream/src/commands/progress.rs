//! What somebody at a terminal sees while a command works. Where standard error is no terminal there is nothing.

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use std::io::{IsTerminal, stderr};
use std::time::Duration;

const REDRAW: Duration = Duration::from_millis(100);

/// A bar or a spinner, gone when it is dropped.
#[derive(Debug)]
pub(crate) struct Progress(ProgressBar);

impl Progress {
    /// A spinner beside a sentence.
    pub(crate) fn waiting(sentence: impl Into<String>) -> Self {
        let bar = Self::new(None, "{spinner} {msg} ({elapsed})");
        bar.0.set_message(sentence.into());
        bar
    }

    /// Records that pass, of a number that nobody knows.
    pub(crate) fn records(doing: &str) -> Self {
        Self::new(None, &format!("{{spinner}} {doing} {{human_pos}} records, {{per_sec}}{{msg}}"))
    }

    /// Bytes of a file.
    pub(crate) fn bytes(doing: &str, length: u64) -> Self {
        let template = format!("{doing} {{bar:32}} {{bytes}} of {{total_bytes}}, {{eta}} left{{msg}}");
        Self::new(Some(length), &template)
    }

    fn new(length: Option<u64>, template: &str) -> Self {
        let seen = stderr().is_terminal();
        let target = if seen { ProgressDrawTarget::stderr() } else { ProgressDrawTarget::hidden() };
        let bar = ProgressBar::with_draw_target(length, target);
        let style = ProgressStyle::with_template(template);
        let bar = bar.with_style(style.unwrap_or_else(|_bad| ProgressStyle::default_bar()));
        if seen {
            bar.enable_steady_tick(REDRAW);
        }
        Self(bar)
    }

    pub(crate) fn advance(&self, by: u64) {
        self.0.inc(by);
    }

    pub(crate) fn say(&self, message: impl Into<String>) {
        self.0.set_message(message.into());
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.0.finish_and_clear();
    }
}
