//! Kinesis Data Streams: one file per operation in [`ops`], each a sentence: find, check, act, wait once, answer.
//!
//! What comes before (protocol, decoding, the model's constraints) and after (encoding, headers) an operation is
//! [`Kinesis::call`] and the front. Domain errors become wire errors in `error.rs` and nowhere else.

#![expect(clippy::needless_update, reason = "the next version of the model may add members to any shape")]

mod authorise;
mod encryption;
mod error;
mod iterator;
mod limits;
mod monitoring;
mod ops;
mod policy;
mod put;
mod queues;
mod records;
mod retention;
mod service;
mod shapes;
mod tags;
mod target;
mod token;
mod warm;

pub mod caps;
pub mod meter;

pub use error::Failure;
pub use limits::LimitSettings;
pub use service::{Answer, EventFrames, Kinesis};
