//! Event source mappings: a stream's records to a function, in order, until they succeed.
//!
//! A [`Mappings`] runs a supervisor, which follows the control state, and for each pair of mapping and shard as many lanes
//! as its parallelization factor says. A lane repeats: read records, choose its own, form a batch, invoke the function,
//! judge the answer, checkpoint or give up. Each of these is a module of its own below `lane`.
//!
//! Invariants:
//! - A checkpoint never passes a record that was neither processed nor filtered out, given up or expired.
//! - One lane has at most one invocation under way, and its records go in order. A partition key has one lane.
//! - A record is given up only when the mapping's destination, if it has one, has taken notice of it.
//! - What is known after a restart is in the control state; nothing else is remembered.
//! - Nothing polls: lanes wake on the durable tail, the supervisor on the control state.

mod board;
mod destination;
mod invoker;
mod lane;
mod mappings;
mod plan;
mod results;
mod settle;
mod spec;
mod supervisor;

pub mod caps;

pub use board::LaneStatus;
pub use destination::{Attribute, AttributeKind, Destinations, Letter, NoDestinations, Subject};
pub use invoker::Invoker;
pub use lane::check_filters;
pub use mappings::{Mappings, Options};
pub use plan::DEAGGREGATE_TAG;
pub use spec::{SpecError, function_spec, qualified_spec};
