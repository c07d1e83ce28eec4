//! Functions: their code on disk, the worker processes that run them, and the Lambda Runtime API those speak.
//!
//! [`CodeStore`] keeps zips by content. [`Functions`] runs a [`FunctionSpec`] for an [`Invocation`] in a worker: a
//! sandboxed process, kept warm, with one invocation at a time. This crate knows nothing of names, versions, aliases,
//! HTTP errors or event sources: it is told what to run and says what came of it, in AWS's words where the function's
//! caller will see them.

mod api;
pub mod caps;
mod code;
mod component;
mod elsewhere;
mod environment;
mod files;
mod frames;
mod groups;
mod java;
mod launcher;
mod logs;
mod machine;
mod memory;
mod meter;
mod options;
mod outcome;
mod output;
mod platform;
mod pool;
mod protection;
mod provisioned;
mod report;
mod run;
mod runtimes;
mod sandbox;
mod service;
mod spec;
mod starting;
mod streaming;
mod worker;

pub use code::{BROKEN_ZIP_MESSAGE, BadZip, CodeError, CodeKey, CodeRef, CodeStore, NotACodeKey};
pub use elsewhere::{Elsewhere, ElsewhereError, Errand, Returned, Sent};
pub use groups::Cgroups;
pub use logs::{LogLine, LogSink, RingSink, TracingSink};
pub use meter::FunctionCounts;
pub use options::{CredentialSource, Credentials, Options, Until, WorkerCredentials};
pub use outcome::is_error;
pub use protection::Protection;
pub use provisioned::ProvisionedCount;
pub use report::runtime_version_arn;
pub use runtimes::{FoundRuntime, Interpreter, Runtime, RuntimeMissing, UnknownRuntime, installed_runtimes};
pub use sandbox::{Isolation, IsolationUnavailable, Network, SANDBOX_COMMAND, sandbox_main};
pub use service::{Functions, WorkerCount};
pub use spec::{
    Booking, FunctionError, FunctionSpec, Invocation, InvokeError, InvokeReply, JsonLogs, KeptReady, Share,
    SystemLevel,
};
pub use streaming::Streaming;
