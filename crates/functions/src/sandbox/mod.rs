//! The sandbox of one worker, set up in a re-execution of the server's own binary.
//!
//! ```text
//! server ── sandbox-init ──────────── own namespaces, its users by the server, then waits
//!             └ sandbox-init inner ── process 1 of the sandbox: builds its root, starts the function, reaps orphans
//!                 └ sandbox-init run ─ drops everything, then becomes the runtime
//! ```
//! A child set up after `fork` in a threaded server could use almost nothing safely; a fresh single-threaded process
//! may use all of it. One socket (standard input) carries the plan down and reports up, and its closing ends the
//! sandbox, so no worker outlives a server that was killed.

mod init;
mod landlock;
mod launch;
mod mounts;
mod network;
mod plan;
mod probe;
mod seccomp;
mod users;

pub use init::sandbox_main;
pub(crate) use launch::{Ending, Launched, launch};
pub(crate) use mounts::shown_around;
pub(crate) use network::RUNTIME_API_PORT;
pub(crate) use plan::{Confine, Plan, Report, Run};
pub use plan::{Isolation, Network};
pub use probe::IsolationUnavailable;
pub(crate) use probe::{Probed, probe};

/// The first argument with which the server's binary is started as a sandbox.
pub const SANDBOX_COMMAND: &str = "sandbox-init";

/// The uid and gid that a function sees, those of AWS.
pub(crate) const FUNCTION_UID: u32 = 993;
pub(crate) const FUNCTION_GID: u32 = 990;
/// What they are on the host if the server runs as root: the overflow ids, which own nothing.
pub(crate) const NOBODY: u32 = 65_534;
