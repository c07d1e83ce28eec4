//! The whole server in seeded time, network and disk.
//!
//! What runs is the product: the embedded log on a simulated disk, control node, engine, Kinesis service and front
//! (hyper over a simulated network), and clients that speak JSON over HTTP. A seed decides everything: who does what
//! when, how long a message and a write take, when the power goes off. Hence the same seed gives the same trace, byte for
//! byte, and a seed that fails can be run again and again.
//!
//! What does not run: functions and event source mappings, because processes cannot be simulated; the AWS SDKs, HTTP/2 and
//! CBOR, which the conformance suites cover; and the log's own threads, whose part a task plays that waits as a disk would.
//! Time goes on in whole milliseconds.
//!
//! `history.rs` and `laws.rs` hold what must be true: what was acknowledged is there after any crash, where it was said to
//! be, once, as a whole; every reader sees the same records at the same places, dense and in order; and nothing that
//! anybody ever saw is lost later, so nothing was shown before it was durable.

#[cfg(not(tokio_unstable))]
compile_error!(
    "build this in its own directory, whose .cargo/config.toml seeds Tokio's scheduler (and unset RUSTFLAGS)"
);

mod client;
mod clients;
mod clock;
mod disk;
mod history;
mod laws;
mod mutant;
mod plan;
mod random;
mod server;
mod simulation;
mod trace;
mod workshop;
mod world;

pub use mutant::Mutation;
pub use plan::{Plan, Trouble};
pub use server::Storage;
pub use simulation::{Report, run};
pub use workshop::Workshop;
