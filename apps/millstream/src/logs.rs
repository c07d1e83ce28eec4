use crate::config::LogFormat;
use anyhow::{Context, Result};
use std::io::{IsTerminal, stderr};
use tracing_subscriber::EnvFilter;

/// Start logging to standard error.
pub(crate) fn start(level: &str, format: LogFormat) -> Result<()> {
    let filter =
        EnvFilter::try_new(level).with_context(|| format!("{level:?} is not a log level or filter"))?;
    let builder = tracing_subscriber::fmt().with_env_filter(filter).with_writer(stderr);
    match format {
        LogFormat::Text => builder.with_ansi(stderr().is_terminal()).try_init(),
        LogFormat::Json => builder.json().flatten_event(true).try_init(),
    }
    .map_err(|error| anyhow::anyhow!("logging cannot start: {error}"))
}
