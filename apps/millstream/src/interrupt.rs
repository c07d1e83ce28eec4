use anyhow::{Context, Result};
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio_util::sync::CancellationToken;

/// A token that Ctrl-C or SIGTERM cancels. A second Ctrl-C ends the process at once, in the way of the shell.
pub(crate) fn token() -> Result<CancellationToken> {
    let token = CancellationToken::new();
    let mut interrupt = listen(SignalKind::interrupt())?;
    let mut terminate = listen(SignalKind::terminate())?;
    let cancel = token.clone();
    tokio::spawn(async move {
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
        }
        cancel.cancel();
        interrupt.recv().await;
        tracing::warn!("interrupted twice: ending without waiting");
        std::process::abort();
    });
    Ok(token)
}

fn listen(kind: SignalKind) -> Result<Signal> {
    signal(kind).context("cannot listen for signals")
}
