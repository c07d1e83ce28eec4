//! A component's standard output and error.

use crate::caps;
use bytes::{Bytes, BytesMut};
use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use tokio::io::AsyncWrite;
use wasmtime_wasi::cli::{IsTerminal, StdoutStream};

/// Takes what a component writes to its standard error. Called while the component runs, so it must be quick.
pub trait Log: Send + Sync {
    fn write(&self, bytes: &[u8]);
}

/// Standard error.
#[derive(Clone)]
pub(crate) struct ToLog(pub Arc<dyn Log>);

/// Standard output, within a limit.
#[derive(Clone)]
pub(crate) struct Kept {
    limit: usize,
    state: Arc<Mutex<State>>,
}

#[derive(Default)]
struct State {
    bytes: BytesMut,
    over: bool,
}

impl Kept {
    pub(crate) fn new(limit: usize) -> Self {
        Self { limit, state: Arc::default() }
    }

    /// What was written, unless it was too much.
    pub(crate) fn take(&self) -> Option<Bytes> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let bytes = std::mem::take(&mut state.bytes).freeze();
        (!state.over).then_some(bytes)
    }

    fn add(&self, bytes: &[u8]) -> io::Result<usize> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        if state.over || bytes.len() > self.limit - state.bytes.len() {
            // What is too large is not sent in part, so there is no use in going on.
            state.over = true;
            state.bytes.clear();
            return Err(io::Error::new(io::ErrorKind::FileTooLarge, "the result is too large"));
        }
        state.bytes.extend_from_slice(bytes);
        Ok(bytes.len())
    }
}

macro_rules! stream {
    ($name:ty, $write:expr) => {
        impl AsyncWrite for $name {
            fn poll_write(
                self: Pin<&mut Self>,
                _context: &mut Context<'_>,
                bytes: &[u8],
            ) -> Poll<io::Result<usize>> {
                let write: fn(&Self, &[u8]) -> io::Result<usize> = $write;
                Poll::Ready(write(&self, bytes))
            }

            fn poll_flush(self: Pin<&mut Self>, _context: &mut Context<'_>) -> Poll<io::Result<()>> {
                Poll::Ready(Ok(()))
            }

            fn poll_shutdown(self: Pin<&mut Self>, _context: &mut Context<'_>) -> Poll<io::Result<()>> {
                Poll::Ready(Ok(()))
            }
        }

        impl IsTerminal for $name {
            fn is_terminal(&self) -> bool {
                false
            }
        }

        impl StdoutStream for $name {
            fn async_stream(&self) -> Box<dyn AsyncWrite + Send + Sync> {
                Box::new(self.clone())
            }

            fn p2_stream(&self) -> Box<dyn wasmtime_wasi::p2::OutputStream> {
                Box::new(Direct(self.clone()))
            }
        }

        impl Sink for $name {
            fn take_in(&self, bytes: &[u8]) -> io::Result<()> {
                let write: fn(&Self, &[u8]) -> io::Result<usize> = $write;
                write(self, bytes).map(drop)
            }
        }
    };
}

stream!(ToLog, |log, bytes| {
    log.0.write(bytes);
    Ok(bytes.len())
});
stream!(Kept, |kept, bytes| kept.add(bytes));

trait Sink: Send + Sync + 'static {
    fn take_in(&self, bytes: &[u8]) -> io::Result<()>;
}

/// Written at once: nothing of it is on its way when the component ends.
struct Direct<S>(S);

#[wasmtime_wasi::async_trait]
impl<S: Sink> wasmtime_wasi::p2::Pollable for Direct<S> {
    async fn ready(&mut self) {}
}

#[wasmtime_wasi::async_trait]
impl<S: Sink> wasmtime_wasi::p2::OutputStream for Direct<S> {
    fn write(&mut self, bytes: Bytes) -> wasmtime_wasi::p2::StreamResult<()> {
        let failed = |error| wasmtime_wasi::p2::StreamError::LastOperationFailed(wasmtime::Error::new(error));
        self.0.take_in(&bytes).map_err(failed)
    }

    fn flush(&mut self) -> wasmtime_wasi::p2::StreamResult<()> {
        Ok(())
    }

    fn check_write(&mut self) -> wasmtime_wasi::p2::StreamResult<usize> {
        Ok(caps::LOG_PIECE)
    }
}
