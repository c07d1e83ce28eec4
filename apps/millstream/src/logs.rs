use crate::config::LogFormat;
use anyhow::{Context, Result, ensure};
use std::io::{IsTerminal, stderr};
use tracing_subscriber::EnvFilter;

/// Start logging to standard error.
pub(crate) fn start(level: &str, format: LogFormat) -> Result<()> {
    let filter = filter(level)?;
    let builder = tracing_subscriber::fmt().with_env_filter(filter).with_writer(stderr);
    match format {
        LogFormat::Text => builder.with_ansi(stderr().is_terminal()).try_init(),
        LogFormat::Json => builder.json().flatten_event(true).try_init(),
    }
    .map_err(|error| anyhow::anyhow!("logging cannot start: {error}"))
}

const LEVELS: [&str; 6] = ["off", "error", "warn", "info", "debug", "trace"];

/// The filter of a level, or of directives. A bare word that is no level would name a target, and turn off all others.
fn filter(text: &str) -> Result<EnvFilter> {
    let help = || {
        format!(
            "{text:?} is not a log level: use {}, or a filter such as \"info,millstream_mapping=debug\"",
            LEVELS.join(", ")
        )
    };
    let is_level = |word: &str| LEVELS.iter().any(|level| level.eq_ignore_ascii_case(word));
    let parts: Vec<&str> = text.split(',').map(str::trim).collect();
    ensure!(parts.iter().all(|part| part.contains('=') || is_level(part)), help());
    EnvFilter::try_new(parts.join(",")).with_context(help)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_word_that_is_no_level_is_refused_with_those_that_are() {
        for good in ["info", "WARN", "off", "info,millstream_mapping=debug", "warn, function=info"] {
            assert!(filter(good).is_ok(), "{good}");
        }
        for bad in ["loud", "", "info,", "info,loud", "millstream_mapping", "info,function=loud"] {
            let text = format!("{:#}", filter(bad).unwrap_err());
            assert!(text.contains("trace") && text.contains("millstream_mapping=debug"), "{text}");
        }
    }
}
