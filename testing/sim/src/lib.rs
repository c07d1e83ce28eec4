//! The whole server in seeded time, network and disk.
//!
//! What runs is the product: the embedded log on a simulated disk, control node, engine, Kinesis service and front
//! (hyper over a simulated network), and clients that speak JSON over HTTP. A seed decides everything: who does what
//! when, how long a message and a write take, when the power goes off. Hence the same seed gives the same trace, byte for
//! byte, and a seed that fails can be run again and again.
//!
//! There are three scenarios: streams; a queue on a stream; and asynchronous invocations, whose functions and destinations
//! `outside.rs` plays.
//!
//! What does not run: functions' processes and event source mappings, because processes cannot be simulated; the AWS SDKs,
//! HTTP/2 and CBOR, which the conformance suites cover; and the log's own threads, whose part a task plays that waits as a disk would.
//! Time goes on in whole milliseconds.
//!
//! `history.rs` and `laws.rs` hold what must be true: what was acknowledged is there after any crash, where it was said to
//! be, once, as a whole; every reader sees the same records at the same places, dense and in order; and nothing that
//! anybody ever saw is lost later, so nothing was shown before it was durable. `queue_history.rs`: one delivery at a time,
//! none after an acknowledgement, no record lost, stuck, or a dead letter too soon. `laws_of_events.rs`: each event that
//! was taken runs, no more often and no later than it may, and who is to be told of its end is told the truth.

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
mod laws_of_events;
mod mutant;
mod outside;
mod plan;
mod queue_history;
mod random;
mod server;
mod simulation;
mod trace;
mod workshop;
mod world;

pub use mutant::Mutation;
pub use plan::{Plan, Scenario, Trouble};
pub use server::Storage;
pub use simulation::{Report, run};
pub use workshop::Workshop;
