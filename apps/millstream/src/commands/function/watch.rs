//! Deploying again whenever a file changes.

use super::deploy::{DeployArguments, update_code};
use super::package::Package;
use super::wait_until_ready;
use crate::commands::connection::Connection;
use crate::commands::times::shown;
use crate::interrupt;
use crate::terminal::note;
use anyhow::{Context, Result};
use millstream_host::{Clock, SystemClock};
use notify::{EventKind, RecursiveMode, Watcher};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Notify;

/// An editor touches a file several times when it saves it.
const QUIET: Duration = Duration::from_millis(150);

/// Until Ctrl-C. `deployed` is the hash of the code that the function has.
pub(super) async fn run(
    connection: &Connection,
    arguments: &DeployArguments,
    name: &str,
    mut deployed: String,
) -> Result<()> {
    let interrupted = interrupt::token()?;
    // One change that is not yet seen to says as much as many.
    let changes = Arc::new(Notify::new());
    let seen = Arc::clone(&changes);
    let mut watcher = notify::recommended_watcher(move |event: notify::Result<notify::Event>| {
        // What we read ourselves is no change.
        let is_change = event.map_or(true, |event| !matches!(event.kind, EventKind::Access(_)));
        if is_change {
            seen.notify_one();
        }
    })
    .context("cannot watch files")?;
    let directory = &arguments.directory;
    watcher
        .watch(directory, RecursiveMode::Recursive)
        .with_context(|| format!("cannot watch {}", directory.display()))?;
    note(format_args!("watching {}; Ctrl-C ends it", directory.display()));
    loop {
        // What changed since the last deployment, and before the watch began, counts too.
        if let Err(error) = again(connection, arguments, name, &mut deployed).await {
            note(format_args!("millstream: {error:#}"));
        }
        tokio::select! {
            () = changes.notified() => {}
            () = interrupted.cancelled() => return Ok(()),
        }
        while tokio::time::timeout(QUIET, changes.notified()).await.is_ok() {}
    }
}

async fn again(
    connection: &Connection,
    arguments: &DeployArguments,
    name: &str,
    deployed: &mut String,
) -> Result<()> {
    let package = Package::read(&arguments.directory, &arguments.exclude)?;
    if package.code_sha256 == *deployed {
        return Ok(());
    }
    let clock = SystemClock::new();
    let sha256 = package.code_sha256.clone();
    update_code(connection, name, package).await?;
    wait_until_ready(connection, name).await?;
    *deployed = sha256;
    note(format_args!("{name}: updated in {}", shown(clock.monotonic())));
    Ok(())
}
