//! Commands that talk to a server as any client does: over the network, with the official SDK.

mod caps;
pub(crate) mod completions;
mod connection;
pub(crate) mod consumer;
mod error;
pub(crate) mod function;
mod input;
pub(crate) mod mapping;
mod pairs;
mod pipe;
mod progress;
pub(crate) mod queue;
pub(crate) mod shard;
pub(crate) mod stream;
mod table;
mod times;
mod wait;
