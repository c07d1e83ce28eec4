//! Elasticity: on-demand streams get more shards when their load grows, and fewer when it has long been low.
//!
//! Appends count what each shard is given ([`meters`]); once in a period [`Scaler`] reads the counts, [`decide`] says what
//! to do, and the control plane is asked for it. From there on it is a reshard as any other. Level-triggered: what was not
//! done, because the stream was busy or the server had no room, is still to be done in the next period.

mod decide;
mod meters;
mod scaler;
mod sketch;

pub(crate) use decide::{Decision, History, Permille, Seen, decide};
pub(crate) use meters::{Load, Meters};
pub(crate) use scaler::run;
pub(crate) use sketch::{Cut, Sketch};

pub use scaler::ScalingSettings;

#[cfg(test)]
mod tests;
