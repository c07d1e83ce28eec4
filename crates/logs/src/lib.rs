//! What functions print: kept on disk by [`Store`], taken from them by [`FunctionLogs`], and served by [`Logs`] as the
//! CloudWatch Logs API does.
//!
//! An operation is one file in `ops`. What a client asks for is answered when it is durable; what functions print is kept
//! as well as can be, and never stands in the way of an invocation.

#![expect(clippy::needless_update, reason = "the next version of the model may add members to any shape")]

mod authorise;
mod error;
mod filter;
mod names;
mod ops;
mod service;
mod sink;
mod store;
mod token;

pub mod caps;

pub use error::Failure;
pub use service::{Answer, EventFrames, Logs};
pub use sink::FunctionLogs;
pub use store::{Store, StoreOptions, StoreStats};
