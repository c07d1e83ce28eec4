use crate::pipeline::{Front, Served};
use crate::{caps, pipeline};
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto::Builder;
use hyper_util::server::graceful::GracefulShutdown;
use std::io;
use std::sync::Arc;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Notify, Semaphore};
use tokio_util::sync::CancellationToken;

/// Where connections come from: a port, or what a simulated network has in its place.
pub trait Listener: Send + 'static {
    type Connection: AsyncRead + AsyncWrite + Send + Unpin + 'static;

    /// The next connection.
    ///
    /// # Errors
    /// If one cannot be taken right now; the caller may ask again.
    fn accept(&mut self) -> impl Future<Output = io::Result<Self::Connection>> + Send;
}

impl Listener for TcpListener {
    type Connection = TcpStream;

    async fn accept(&mut self) -> io::Result<TcpStream> {
        let (stream, _) = Self::accept(self).await?;
        stream.set_nodelay(true)?;
        Ok(stream)
    }
}

/// Serve until `shutdown`, then let requests under way finish. Subscriptions are ended, not waited for.
///
/// `open_files`: how many files and sockets the process may have open; half of them are left to the rest of it.
pub async fn serve(
    mut listener: impl Listener,
    front: Arc<Front>,
    open_files: u64,
    shutdown: CancellationToken,
) {
    let half = usize::try_from(open_files / 2).unwrap_or(usize::MAX);
    let slots = Arc::new(Semaphore::new(caps::CONNECTIONS.min(half.max(1))));
    let graceful = GracefulShutdown::new();
    let builder = builder();
    let served = Arc::new(Served { front, shutdown });
    loop {
        let accepted = tokio::select! {
            biased;
            () = served.shutdown.cancelled() => break,
            accepted = accept(&mut listener, &slots) => accepted,
        };
        let (stream, slot) = match accepted {
            Ok(accepted) => accepted,
            Err(error) => {
                // Out of file descriptors, mostly: wait for connections to close instead of spinning.
                tracing::warn!(%error, "a connection could not be accepted");
                tokio::time::sleep(std::time::Duration::from_millis(100)).await;
                continue;
            }
        };
        let asked = Arc::new(Notify::new());
        let service = {
            let (served, asked) = (served.clone(), asked.clone());
            service_fn(move |request| {
                asked.notify_one();
                // On the heap for as long as it lasts: hyper keeps the room for one in every connection, also in those
                // that are silent.
                Box::pin(pipeline::answer(served.clone(), request))
            })
        };
        let connection = builder.serve_connection(TokioIo::new(stream), service);
        // On the heap by itself: moved into the task and pinned there, it would have its room twice.
        let mut connection = Box::pin(graceful.watch(connection.into_owned()));
        let served = served.clone();
        tokio::spawn(async move {
            let metrics = served.front.metrics();
            metrics.connection_opened();
            // What comes before the first request has no time limit of hyper's: a client that says nothing, or half of
            // HTTP/2's greeting, would stay for ever.
            let asked_in_time =
                Box::pin(
                    async move { tokio::time::timeout(caps::FIRST_REQUEST, asked.notified()).await.is_ok() },
                );
            let ended = tokio::select! {
                biased;
                ended = &mut connection => Some(ended),
                // Its timer is let go here: a connection may be silent for long after its first request.
                in_time = asked_in_time => if in_time { Some(connection.await) } else { None },
            };
            match ended {
                Some(Ok(())) => {}
                Some(Err(error)) => tracing::debug!(%error, "a connection ended badly"),
                None => tracing::debug!("a connection brought no request and is closed"),
            }
            metrics.connection_closed();
            drop(slot);
        });
    }
    if tokio::time::timeout(caps::DRAIN, graceful.shutdown()).await.is_err() {
        tracing::warn!("some requests did not finish in time and were cut off");
    }
}

fn builder() -> Builder<TokioExecutor> {
    let mut builder = Builder::new(TokioExecutor::new());
    builder.http1().timer(TokioTimer::new()).header_read_timeout(caps::IDLE).keep_alive(true);
    builder
        .http2()
        .timer(TokioTimer::new())
        .max_concurrent_streams(caps::HTTP2_STREAMS)
        .initial_stream_window_size(caps::HTTP2_STREAM_WINDOW)
        .initial_connection_window_size(caps::HTTP2_CONNECTION_WINDOW)
        .keep_alive_interval(caps::IDLE)
        .keep_alive_timeout(caps::IDLE);
    builder
}

async fn accept<L: Listener>(
    listener: &mut L,
    slots: &Arc<Semaphore>,
) -> io::Result<(L::Connection, tokio::sync::OwnedSemaphorePermit)> {
    let slot = slots.clone().acquire_owned().await.map_err(io::Error::other)?;
    Ok((listener.accept().await?, slot))
}
