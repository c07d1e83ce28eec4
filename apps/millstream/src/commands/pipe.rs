//! Standard output that somebody may close: `millstream stream tail … | head`.

use std::io;
use std::os::fd::AsFd;
use tokio::io::Interest;
use tokio::net::unix::pipe::Sender;

/// Whether a write failed because nobody reads any more, which is no failure.
pub(super) fn is_closed(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::BrokenPipe
}

/// Comes to its end when nobody reads standard output any more, also while nothing is written; never where that cannot
/// be known, as for files.
pub(super) async fn closed() {
    // Not `from_owned_fd`: that makes the descriptor non-blocking for everybody who has it, and we write to it blocking.
    let stdout = io::stdout().as_fd().try_clone_to_owned().and_then(Sender::from_owned_fd_unchecked);
    // Only an error is waited for: that the pipe can be written to says nothing of its reader.
    if let Ok(stdout) = stdout
        && stdout.ready(Interest::ERROR).await.is_ok()
    {
        return;
    }
    std::future::pending::<()>().await;
}
