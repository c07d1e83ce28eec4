//! Event source mappings: a stream's records to a function, in order, until they succeed.
//!
//! A [`Mappings`] runs a supervisor, which follows the control state, and one lane for each pair of mapping and shard.
//! A lane repeats: read records, form a batch, invoke the function, judge the answer, checkpoint. Each of the five is a
//! module of its own below `lane`.
//!
//! Invariants:
//! - A checkpoint never passes a record that was neither processed nor expired.
//! - One shard has at most one invocation under way per mapping, and its records go in order.
//! - What is known after a restart is in the control state; nothing else is remembered.
//! - Nothing polls: lanes wake on the durable tail, the supervisor on the control state.

mod board;
mod invoker;
mod lane;
mod mappings;
mod plan;
mod settle;
mod spec;
mod supervisor;

pub mod caps;

pub use board::LaneStatus;
pub use invoker::Invoker;
pub use mappings::{Mappings, Options};
pub use spec::{SpecError, function_spec, qualified_spec};
