//! Functions that run somewhere else: only their execution is handed on. Their events, retries and checkpoints stay here.

use async_trait::async_trait;
use bytes::Bytes;
use std::fmt::Debug;
use std::time::Duration;

/// Hands invocations on.
#[async_trait]
pub trait Elsewhere: Debug + Send + Sync {
    /// Whether functions may run at `uri`; if not, why, and what to do about it.
    fn check(&self, uri: &str) -> Result<(), String>;

    /// Run a function there, once.
    async fn invoke(&self, errand: Errand) -> Result<Returned, ElsewhereError>;
}

/// One invocation to be handed on.
#[derive(Clone, Debug)]
pub struct Errand {
    pub uri: String,
    pub request_id: String,
    /// JSON.
    pub payload: Bytes,
    /// JSON text.
    pub client_context: Option<String>,
    pub trace_id: Option<String>,
    /// The function's own time.
    pub timeout: Duration,
    /// Largest answer, in bytes.
    pub answer_limit: usize,
}

/// What came back.
#[derive(Clone, Debug)]
pub struct Returned {
    pub sent: Sent,
    /// What is known of the function's log, with its platform's own lines; empty if nothing is.
    pub log: Bytes,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Sent {
    Response(Bytes),
    /// The function failed, with this JSON.
    Error(Bytes),
    /// It took longer than it may.
    TimedOut,
    TooLarge,
}

/// The function was not run, as far as is known.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ElsewhereError {
    #[error("{0}")]
    Busy(String),
    /// `reached`: it may have got the invocation.
    #[error("{why}")]
    Failed { why: String, reached: bool },
}

/// For a server that hands nothing on.
#[derive(Debug)]
pub(crate) struct Nowhere;

#[async_trait]
impl Elsewhere for Nowhere {
    fn check(&self, _uri: &str) -> Result<(), String> {
        Err("this server hands no functions on".to_owned())
    }

    async fn invoke(&self, errand: Errand) -> Result<Returned, ElsewhereError> {
        let why = format!("this server hands no functions on, and this one is at {}", errand.uri);
        Err(ElsewhereError::Failed { why, reached: false })
    }
}
