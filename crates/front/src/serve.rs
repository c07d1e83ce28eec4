use crate::access::Peer;
use crate::line::{Line, Sending};
use crate::pipeline::{Front, Served};
use crate::tls::Tls;
use crate::{caps, pipeline};
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto::Builder;
use hyper_util::server::graceful::{GracefulShutdown, Watcher};
use std::io;
use std::sync::Arc;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_util::sync::CancellationToken;

/// Where connections come from: a port, or what a simulated network has in its place.
pub trait Listener: Send + 'static {
    type Connection: AsyncRead + AsyncWrite + Send + Unpin + 'static;

    /// The next connection.
    ///
    /// # Errors
    /// If one cannot be taken right now; the caller may ask again.
    fn accept(&mut self) -> impl Future<Output = io::Result<Self::Connection>> + Send;

    /// Who is at the other end of a connection.
    fn peer(_connection: &Self::Connection) -> Peer {
        Peer::default()
    }
}

impl Listener for TcpListener {
    type Connection = TcpStream;

    async fn accept(&mut self) -> io::Result<TcpStream> {
        let (stream, _) = Self::accept(self).await?;
        stream.set_nodelay(true)?;
        Ok(stream)
    }

    fn peer(connection: &TcpStream) -> Peer {
        Peer { address: connection.peer_addr().ok().map(|address| address.ip()), secure: false }
    }
}

/// How connections are served.
#[derive(Clone, Debug)]
pub struct Options {
    /// How many files and sockets the process may have open; half of them are left to the rest of it.
    pub open_files: u64,
    /// Every connection speaks TLS, if this is set.
    pub tls: Option<Tls>,
    /// The port is for functions, on loopback whatever the clients' port is on.
    pub inner: bool,
}

/// Serve until `shutdown`, then let requests under way finish. Subscriptions are ended, not waited for.
pub async fn serve<L: Listener>(
    mut listener: L,
    front: Arc<Front>,
    options: Options,
    shutdown: CancellationToken,
) {
    let half = usize::try_from(options.open_files / 2).unwrap_or(usize::MAX);
    let slots = Arc::new(Semaphore::new(caps::CONNECTIONS.min(half.max(1))));
    let graceful = GracefulShutdown::new();
    let builder = Arc::new(builder());
    // A page that somebody's DNS led here gets no TLS: the certificate is not for its name. In cleartext the name tells.
    let only_local_names = options.tls.is_none() && (options.inner || front.only_loopback);
    let served = Arc::new(Served { front, shutdown, only_local_names });
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
        let (served, builder, watcher) = (served.clone(), builder.clone(), graceful.watcher());
        served.front.metrics().connection_opened();
        let peer = Peer { secure: options.tls.is_some(), ..L::peer(&stream) };
        match options.tls.clone() {
            None => {
                let connection = connection((stream, peer), served.clone(), &builder, watcher);
                tokio::spawn(async move {
                    connection.await;
                    closed(&served, slot);
                });
            }
            Some(tls) => drop(tokio::spawn(async move {
                if let Some(stream) = Box::pin(tls.greet(stream)).await {
                    connection((stream, peer), served.clone(), &builder, watcher).await;
                }
                closed(&served, slot);
            })),
        }
    }
    if tokio::time::timeout(caps::DRAIN, graceful.shutdown()).await.is_err() {
        tracing::warn!("some requests did not finish in time and were cut off");
    }
}

fn closed(served: &Served, slot: OwnedSemaphorePermit) {
    served.front.metrics().connection_closed();
    drop(slot);
}

/// One connection, from its first request to its last.
fn connection<S: AsyncRead + AsyncWrite + Send + Unpin + 'static>(
    (stream, peer): (S, Peer),
    served: Arc<Served>,
    builder: &Builder<TokioExecutor>,
    watcher: Watcher,
) -> impl Future<Output = ()> + Send + use<S> {
    let line = Arc::new(Line::default());
    let service = {
        let line = line.clone();
        service_fn(move |request| {
            line.asked.notify_one();
            // On the heap for as long as it lasts: hyper keeps the room for one in every connection, also in those
            // that are silent.
            Box::pin(pipeline::answer(served.clone(), peer, line.clone(), request))
        })
    };
    let connection = builder.serve_connection(TokioIo::new(Sending::new(stream)), service);
    // On the heap by itself: moved into the task and pinned there, it would have its room twice.
    let mut connection = Box::pin(watcher.watch(connection.into_owned()));
    async move {
        // What comes before the first request has no time limit of hyper's: a client that says nothing, or half of
        // HTTP/2's greeting, would stay for ever.
        let asked_in_time = Box::pin(async {
            tokio::time::timeout(caps::FIRST_REQUEST, line.asked.notified()).await.is_ok()
        });
        let ended = tokio::select! {
            biased;
            ended = &mut connection => Some(ended),
            // Its timer is let go here: a connection may be silent for long after its first request.
            in_time = asked_in_time => {
                if !in_time {
                    tracing::debug!("a connection brought no request and is closed");
                    return;
                }
                tokio::select! {
                    biased;
                    ended = &mut connection => Some(ended),
                    () = line.stuck.notified() => None,
                }
            }
        };
        match ended {
            Some(Ok(())) => {}
            Some(Err(error)) => tracing::debug!(%error, "a connection ended badly"),
            None => {
                let client = peer.address;
                tracing::info!(?client, "a client does not read what it asked for: its connection is closed");
            }
        }
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
) -> io::Result<(L::Connection, OwnedSemaphorePermit)> {
    let slot = slots.clone().acquire_owned().await.map_err(io::Error::other)?;
    Ok((listener.accept().await?, slot))
}
