//! Clients that ask and do not read. What they asked for would wait for them, in memory and for ever: TCP's window, or HTTP/2's,
//! stays closed while everything else about the connection is well.

use crate::caps;
use std::io;
use std::pin::Pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Weak};
use std::task::{Context, Poll, ready};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::sync::{Notify, oneshot};
use tokio::time::{Instant, Sleep};

/// What a connection's requests and its server tell each other.
#[derive(Debug, Default)]
pub(crate) struct Line {
    /// The first request has come.
    pub(crate) asked: Notify,
    /// The connection is to be closed: its client does not read.
    pub(crate) stuck: Notify,
}

/// Where an answer stands: told by its body, looked at by [`look_after`].
#[derive(Debug)]
pub(crate) struct Watch {
    given: Arc<Given>,
    _alive: oneshot::Sender<()>,
}

/// Since when a piece waits for the client, in milliseconds from `from`; [`NOT`] while the client waits for one.
#[derive(Debug)]
struct Given {
    from: Instant,
    since: AtomicU64,
}

const NOT: u64 = u64::MAX;

impl Given {
    fn now(&self) -> u64 {
        u64::try_from(self.from.elapsed().as_millis()).unwrap_or(NOT - 1)
    }
}

impl Watch {
    /// Closes the connection when its client takes none of an answer for this long.
    pub(crate) fn start(line: &Arc<Line>, patience: Duration) -> Self {
        let given = Arc::new(Given { from: Instant::now(), since: AtomicU64::new(0) });
        let (alive, ended) = oneshot::channel();
        tokio::spawn(look_after(given.clone(), Arc::downgrade(line), patience, ended));
        Self { given, _alive: alive }
    }

    /// The connection wants the next piece: it has sent, or is about to send, what it had.
    pub(crate) fn wanted(&self) {
        self.given.since.store(NOT, Ordering::Relaxed);
    }

    /// It has got one.
    pub(crate) fn given(&self) {
        self.given.since.store(self.given.now(), Ordering::Relaxed);
    }
}

async fn look_after(
    given: Arc<Given>,
    line: Weak<Line>,
    patience: Duration,
    mut ended: oneshot::Receiver<()>,
) {
    let patience_millis = u64::try_from(patience.as_millis()).unwrap_or(NOT);
    let mut wait = patience;
    while tokio::time::timeout(wait, &mut ended).await.is_err() {
        let since = given.since.load(Ordering::Relaxed);
        let waited = if since == NOT { 0 } else { given.now().saturating_sub(since) };
        if waited >= patience_millis {
            if let Some(line) = line.upgrade() {
                line.stuck.notify_one();
            }
            return;
        }
        wait = Duration::from_millis(patience_millis - waited);
    }
}

/// A connection that breaks when nothing that is written to it leaves for [`caps::SEND_STALL`].
pub(crate) struct Sending<S> {
    stream: S,
    stalled: Option<Pin<Box<Sleep>>>,
}

impl<S> Sending<S> {
    pub(crate) fn new(stream: S) -> Self {
        Self { stream, stalled: None }
    }

    fn judge<T>(&mut self, context: &mut Context<'_>, polled: Poll<io::Result<T>>) -> Poll<io::Result<T>> {
        if polled.is_ready() {
            self.stalled = None;
            return polled;
        }
        let stalled = self.stalled.get_or_insert_with(|| Box::pin(tokio::time::sleep(caps::SEND_STALL)));
        ready!(stalled.as_mut().poll(context));
        Poll::Ready(Err(io::Error::new(io::ErrorKind::TimedOut, "the client does not read")))
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Sending<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(context, buffer)
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Sending<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let polled = Pin::new(&mut self.stream).poll_write(context, bytes);
        self.judge(context, polled)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        pieces: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let polled = Pin::new(&mut self.stream).poll_write_vectored(context, pieces);
        self.judge(context, polled)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let polled = Pin::new(&mut self.stream).poll_flush(context);
        self.judge(context, polled)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let polled = Pin::new(&mut self.stream).poll_shutdown(context);
        self.judge(context, polled)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::{AsyncReadExt, AsyncWriteExt, duplex};

    const NEARLY: Duration = Duration::from_secs(359);

    #[tokio::test(start_paused = true)]
    async fn what_cannot_be_sent_is_given_up() {
        let (ours, mut theirs) = duplex(4);
        let mut sending = Sending::new(ours);
        sending.write_all(b"full").await.unwrap();
        let reading = tokio::spawn(async move {
            tokio::time::sleep(NEARLY).await;
            theirs.read_exact(&mut [0; 4]).await.unwrap();
            theirs
        });
        sending.write_all(b"late").await.unwrap();
        let _theirs = reading.await.unwrap();
        let began = Instant::now();
        let error = sending.write_all(b"more").await.unwrap_err();
        assert_eq!((error.kind(), began.elapsed()), (io::ErrorKind::TimedOut, caps::SEND_STALL));
    }
}
