//! What to run, and what came of it.

use crate::code::{CodeError, CodeKey};
use crate::runtimes::{Runtime, RuntimeMissing};
use crate::sandbox::IsolationUnavailable;
use bytes::Bytes;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

/// One version of a function, ready to run.
#[derive(Clone, Debug)]
pub struct FunctionSpec {
    /// The ARN that the function sees as the invoked one. Workers are pooled by the function in it and the version.
    pub arn: String,
    pub name: String,
    /// `$LATEST` or a number.
    pub version: String,
    /// Changes with every change of code or configuration; workers of another revision are retired.
    pub revision: String,
    /// [`Runtime::Elsewhere`] exactly if there is [`FunctionSpec::elsewhere`].
    pub runtime: Runtime,
    pub handler: String,
    /// 1 to 900.
    pub timeout_secs: u32,
    /// 128 to 10,240.
    pub memory_mb: u32,
    /// Size of /tmp, 512 to 10,240.
    pub ephemeral_mb: u32,
    /// The user's own variables. They may replace those of Lambda that are not reserved.
    pub environment: BTreeMap<String, String>,
    pub code: CodeKey,
    /// Where the function runs, if not here: what [`crate::Elsewhere`] understands.
    pub elsewhere: Option<String>,
    /// In order; a later one wins.
    pub layers: Vec<CodeKey>,
    pub role_arn: String,
    /// `/aws/lambda/NAME` unless configured otherwise.
    pub log_group: String,
    /// `None` where the log is text.
    pub json_logs: Option<JsonLogs>,
    /// Invocations that may run at once, of all versions together; `None` for as many as there is room for.
    pub reserved_concurrency: Option<u32>,
    /// Another version that takes some of the invocations.
    pub shared_with: Option<Share>,
}

/// What is kept for a function.
#[derive(Clone, Debug)]
pub struct Booking {
    /// Without a version.
    pub function_arn: String,
    /// Invocations at once that nobody else may have, those in `provisioned` included.
    pub reserved: Option<u32>,
    /// At most one of each version.
    pub provisioned: Vec<KeptReady>,
}

/// Workers of one version that are started, and started again, whether or not they are used.
#[derive(Clone, Debug)]
pub struct KeptReady {
    pub spec: Arc<FunctionSpec>,
    /// At least 1.
    pub executions: u32,
    /// Any number that is another when it was asked for anew: then what failed is tried at once.
    pub since: u64,
}

/// A log in JSON, and what of it is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JsonLogs {
    /// What the runtime leaves out is below this: `TRACE`, `DEBUG`, `INFO`, `WARN`, `ERROR` or `FATAL`.
    pub application: String,
    pub system: SystemLevel,
}

/// Which of Lambda's own events are kept: those of this level and above.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum SystemLevel {
    Debug,
    Info,
    Warn,
}

impl SystemLevel {
    /// By AWS's name; any other is `INFO`.
    pub fn named(name: &str) -> Self {
        match name {
            "DEBUG" => Self::Debug,
            "WARN" => Self::Warn,
            _ => Self::Info,
        }
    }
}

/// A version that shares an alias with another.
#[derive(Clone, Debug)]
pub struct Share {
    pub spec: Arc<FunctionSpec>,
    /// Its part of the invocations, in billionths.
    pub billionths: u32,
}

impl FunctionSpec {
    /// The function's own ARN: that of the invoked one without its qualifier.
    pub(crate) fn function_arn(&self) -> &str {
        // arn:PARTITION:lambda:REGION:ACCOUNT:function:NAME:QUALIFIER
        self.arn.match_indices(':').nth(6).map_or(self.arn.as_str(), |(end, _)| &self.arn[..end])
    }
}

/// One call of a function.
#[derive(Clone, Debug)]
pub struct Invocation {
    pub request_id: String,
    /// JSON; checked by the caller.
    pub payload: Bytes,
    /// JSON text, already decoded from the base64 of `X-Amz-Client-Context`.
    pub client_context: Option<String>,
    /// The value of `X-Amzn-Trace-Id`.
    pub trace_id: Option<String>,
}

/// What a function answered. A function that failed has answered too.
#[derive(Clone, Debug)]
pub struct InvokeReply {
    pub payload: Bytes,
    pub function_error: Option<FunctionError>,
    /// The last 4 KiB of the log, not yet base64.
    pub log_tail: Bytes,
    pub executed_version: String,
    /// Set on a cold start: how long the runtime took to ask for its first invocation.
    pub init: Option<Duration>,
    pub duration: Duration,
    /// Highest resident memory of the worker so far, in MiB rounded up.
    pub max_memory_mb: u32,
}

/// The value of `X-Amz-Function-Error`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FunctionError {
    /// The function reported the error itself. Current runtimes' errors are all `Unhandled`.
    Handled,
    Unhandled,
}

impl FunctionError {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Handled => "Handled",
            Self::Unhandled => "Unhandled",
        }
    }
}

/// The function could not be run.
#[derive(Debug, thiserror::Error)]
pub enum InvokeError {
    #[error("all {limit} workers are busy")]
    Throttled { limit: usize },
    #[error("the machine has too little memory left for another worker")]
    NoMemory,
    #[error("{reserved} invocations of the function run, and as many are reserved for it")]
    ReservedExhausted { reserved: u32 },
    #[error("the payload has {size} bytes; the limit is {limit}")]
    PayloadTooLarge { size: usize, limit: usize },
    #[error(transparent)]
    RuntimeMissing(#[from] RuntimeMissing),
    #[error(transparent)]
    Code(#[from] CodeError),
    #[error(transparent)]
    Isolation(#[from] IsolationUnavailable),
    #[error("the function's component cannot be run: {why}")]
    Component { why: String },
    #[error("could not start a worker: {why}")]
    Spawn { why: String },
    #[error("{at} has no room for another invocation now: {why}")]
    ElsewhereBusy { at: String, why: String },
    /// `reached`: it may have got the invocation.
    #[error("{at} did not run the function: {why}")]
    ElsewhereFailed { at: String, why: String, reached: bool },
    #[error("the server is shutting down")]
    ShuttingDown,
    /// The task that ran the invocation ended without an answer. The function may have run.
    #[error("the invocation was lost inside the server")]
    Lost,
}

impl InvokeError {
    /// Whether the function may have seen the invocation. If not, it is safe to try again.
    pub fn reached(&self) -> bool {
        match self {
            Self::Lost => true,
            Self::ElsewhereFailed { reached, .. } => *reached,
            Self::Throttled { .. }
            | Self::NoMemory
            | Self::ReservedExhausted { .. }
            | Self::PayloadTooLarge { .. }
            | Self::RuntimeMissing(_)
            | Self::Code(_)
            | Self::Isolation(_)
            | Self::Component { .. }
            | Self::Spawn { .. }
            | Self::ElsewhereBusy { .. }
            | Self::ShuttingDown => false,
        }
    }
}
