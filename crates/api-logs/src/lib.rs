//! The CloudWatch Logs API as types: inputs, outputs, operations, errors. Written by `cargo xtask codegen`; see `models/`.
//!
//! Invariant: this crate knows the API's words and rules, and nothing of how they are carried or what they do.

mod generated;

pub use generated::*;

/// An error of this service as a client will see it.
pub type Error = millstream_shapes::ApiError<ErrorCode>;

#[cfg(test)]
mod tests;
