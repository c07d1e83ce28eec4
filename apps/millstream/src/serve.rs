//! `millstream serve`: the server until it is told to stop.

use crate::cli::ServeArguments;
use crate::config::{Config, Storage};
use crate::server::Server;
use crate::{interrupt, logs};
use anyhow::{Context, Result};
use std::process::ExitCode;

pub(crate) async fn run(arguments: ServeArguments) -> Result<ExitCode> {
    let config = Config::load(arguments)?;
    logs::start(&config.log_level, config.log_format)?;
    let interrupted = interrupt::token()?;
    let server = tokio::select! {
        server = Server::start(&config) => server?,
        // A long recovery can be given up: it changes nothing that was acknowledged.
        () = interrupted.cancelled() => return Ok(ExitCode::SUCCESS),
    };
    let kept = match &config.storage {
        Storage::Memory => "in memory, gone at the end".to_owned(),
        Storage::Directory(directory) => directory.display().to_string(),
    };
    tracing::info!(
        endpoint = server.endpoint(),
        data = kept,
        region = config.home.region,
        "Millstream is ready"
    );
    if let Some(path) = &config.ready_file {
        millstream_host::fs::write_durable(path, server.endpoint().as_bytes())
            .with_context(|| format!("cannot write {}", path.display()))?;
    }
    interrupted.cancelled().await;
    tracing::info!("stopping");
    server.stop().await;
    tracing::info!("stopped");
    Ok(ExitCode::SUCCESS)
}
