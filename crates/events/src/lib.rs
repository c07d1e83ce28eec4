//! Asynchronous invocations: an event is taken, the caller goes on, and the function gets it later.
//!
//! An event is durable before it is taken, in one log shard for all functions ([`docs/formats/events.md`]), and stays there
//! until the function has processed it or it is given up, and until whoever is to be told of that has taken notice. What
//! waits is in memory without its payload, which is read from the log when its turn comes.
//!
//! Invariants:
//! - What is taken is given to its function at least once, unless it grows too old before that or its function is deleted.
//! - A function that fails with an event gets it again as often as is set for it, not more; a restart forgets no failure.
//! - Functions take turns: one with many events does not keep another's from theirs.
//! - This crate knows no HTTP and no AWS error text. AWS's words are in the invocation record alone, which is data here.

mod board;
mod clean;
mod decide;
mod deliver;
mod dispatcher;
mod entry;
mod event;
mod journal;
mod record;
mod schedule;
mod service;
mod table;
mod tell;

pub mod caps;

pub use board::Measures;
pub use service::{Events, NewEvent, Options, Refused, Waiting};
