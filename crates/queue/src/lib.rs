//! Queues: records of a stream, delivered to whoever asks next, again and again until they are acknowledged.
//!
//! The records stay in the stream. What a queue keeps is their delivery state: how far it has handed out each shard, and of
//! each record that was handed out and not acknowledged how often it was, and until when nobody else gets it. A change
//! is durable before anybody hears of it, in a log shard of the queue's own ([`docs/formats/queue.md`]).
//!
//! Invariant: this crate knows no HTTP and no AWS error text. A record that was acknowledged is not delivered again; one
//! that was not is, until the stream forgets it.

mod actor;
mod caps;
mod change;
mod delivery;
mod journal;
mod measure;
mod receipt;
mod service;
mod supervisor;

pub use measure::{Counts, Measured};
pub use receipt::{Kind, Receipt};
pub use service::{Delivered, QueueError, Queues, Receive, SettleError, Settlement, What};
