//! A response that is handed on while the function still writes it.

use crate::caps;
use crate::spec::{InvokeError, InvokeReply};
use bytes::Bytes;
use std::sync::{Arc, Mutex, PoisonError};
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;

/// The content type of a response that has begun.
type Begun = Option<String>;

/// Where the Runtime API puts the pieces of a response. A reader that is slow holds the function up; one that is gone is
/// no reason to stop it.
#[derive(Debug)]
pub(crate) struct Sink {
    begun: Mutex<Option<oneshot::Sender<Begun>>>,
    chunks: mpsc::Sender<Bytes>,
}

/// The other end of a [`Sink`].
#[derive(Debug)]
pub(crate) struct Source {
    pub on_begin: oneshot::Receiver<Begun>,
    pub chunks: mpsc::Receiver<Bytes>,
}

impl Sink {
    pub(crate) fn new() -> (Arc<Self>, Source) {
        let (begun, on_begin) = oneshot::channel();
        let (chunks, receiver) = mpsc::channel(caps::STREAM_CHUNKS);
        let sink = Self { begun: Mutex::new(Some(begun)), chunks };
        (Arc::new(sink), Source { on_begin, chunks: receiver })
    }

    /// The response begins.
    pub(crate) fn begin(&self, content_type: Begun) {
        if let Some(begun) = self.begun.lock().unwrap_or_else(PoisonError::into_inner).take() {
            // Nobody may be there any more to hear of it.
            drop(begun.send(content_type));
        }
    }

    /// Hand on a piece as soon as there is room for it.
    pub(crate) async fn send(&self, chunk: Bytes) {
        if !chunk.is_empty() {
            // As on AWS the function goes on when its caller is gone; what it writes is thrown away.
            drop(self.chunks.send(chunk).await);
        }
    }
}

/// An invocation that runs, and its response as it comes. The invocation goes on to its end if this is dropped, as on
/// AWS.
#[derive(Debug)]
pub struct Streaming {
    executed_version: String,
    content_type: Option<String>,
    chunks: Option<mpsc::Receiver<Bytes>>,
    state: State,
}

#[derive(Debug)]
enum State {
    Running(JoinHandle<Result<InvokeReply, InvokeError>>),
    /// It is over. What is left of a response that came whole.
    Over(Box<Result<InvokeReply, InvokeError>>, Bytes),
}

impl Streaming {
    /// Wait until the response begins or the invocation ends. The error is that of an invocation that never ran.
    pub(crate) async fn start(
        executed_version: String,
        source: Source,
        mut running: JoinHandle<Result<InvokeReply, InvokeError>>,
    ) -> Result<Self, InvokeError> {
        let Source { on_begin, chunks } = source;
        let chunks = Some(chunks);
        tokio::select! {
            biased;
            Ok(content_type) = on_begin => {
                Ok(Self { executed_version, content_type, chunks, state: State::Running(running) })
            }
            ended = &mut running => {
                let reply = flat(ended)?;
                let content_type = None;
                Ok(Self { executed_version, content_type, chunks: None, state: over(Ok(reply)) })
            }
        }
    }

    /// `$LATEST` or a number.
    pub fn executed_version(&self) -> &str {
        &self.executed_version
    }

    /// What the runtime says that it streams; `None` for a response that came whole.
    pub fn content_type(&self) -> Option<&str> {
        self.content_type.as_deref()
    }

    /// The next piece of the response, at most [`caps::STREAM_CHUNK_BYTES`] long and never empty; `None` at its end, and
    /// then [`Streaming::end`] says what kind of end it is. A function that does not stream has its response in as many
    /// pieces as it needs, and none if it failed.
    pub async fn next(&mut self) -> Option<Bytes> {
        if let Some(chunks) = &mut self.chunks {
            if let Some(chunk) = chunks.recv().await {
                return Some(chunk);
            }
            self.chunks = None;
        }
        if let State::Running(running) = &mut self.state {
            self.state = over(flat(running.await));
        }
        match &mut self.state {
            State::Over(_, rest) if !rest.is_empty() => {
                Some(rest.split_to(caps::STREAM_CHUNK_BYTES.min(rest.len())))
            }
            State::Running(_) | State::Over(..) => None,
        }
    }

    /// How the invocation ended. The payload is that of an error, or empty. What was not taken of the response is lost.
    pub async fn end(mut self) -> Result<InvokeReply, InvokeError> {
        // Without a reader the function is not held up.
        self.chunks = None;
        let ended = match self.state {
            State::Running(running) => flat(running.await),
            State::Over(ended, _) => *ended,
        };
        ended.map(|mut reply| {
            if reply.function_error.is_none() {
                reply.payload = Bytes::new();
            }
            reply
        })
    }
}

fn over(ended: Result<InvokeReply, InvokeError>) -> State {
    let whole = ended.as_ref().ok().filter(|reply| reply.function_error.is_none());
    let rest = whole.map(|reply| reply.payload.clone()).unwrap_or_default();
    State::Over(Box::new(ended), rest)
}

pub(crate) fn flat(
    ended: Result<Result<InvokeReply, InvokeError>, tokio::task::JoinError>,
) -> Result<InvokeReply, InvokeError> {
    ended.unwrap_or_else(|error| {
        tracing::error!(%error, "the task of an invocation failed");
        Err(InvokeError::Lost)
    })
}
