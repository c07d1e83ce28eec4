use anyhow::{Context, Result};
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio_util::sync::CancellationToken;

/// What a shell takes for "ended by Ctrl-C": 128 and the signal's number.
pub(crate) const EXIT_CODE: u8 = 130;

/// A token that Ctrl-C or SIGTERM cancels. A second Ctrl-C ends the process at once.
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
        end();
    });
    Ok(token)
}

#[expect(
    clippy::exit,
    reason = "somebody who interrupts twice waits for nothing any more; what is durable stays so"
)]
fn end() -> ! {
    std::process::exit(EXIT_CODE.into())
}

pub(crate) fn listen(kind: SignalKind) -> Result<Signal> {
    signal(kind).context("cannot listen for signals")
}
