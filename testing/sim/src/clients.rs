//! The clients: each a task of its own on a simulated machine, with a generator of its own.

pub(crate) mod admin;
pub(crate) mod auditor;
pub(crate) mod caller;
pub(crate) mod queue_admin;
pub(crate) mod reader;
pub(crate) mod receiver;
pub(crate) mod subscriber;
pub(crate) mod writer;
