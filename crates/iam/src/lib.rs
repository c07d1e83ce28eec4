//! Who may do what: AWS's policy language, and the rule by which policies decide.
//!
//! A [`Policy`] is parsed once and evaluated often. A [`Caller`] is a principal with its policies and what is known of the
//! request's way here; [`Caller::may`] asks whether it may do one thing to one resource, and a [`Denial`] says no in AWS's
//! words (IAM User Guide, "Policy evaluation logic" and "Troubleshoot access denied error messages").
//!
//! Invariants: no clock, no I/O. What is not understood in a policy makes it invalid as a whole; nothing is passed over.
//! Where evaluation is in doubt (a variable without a value, a number that is none), a statement does not match, and what no
//! statement allows is denied.

mod caller;
mod condition;
mod evaluate;
mod facts;
mod net;
mod parse;
mod pattern;
mod policy;
mod principal;

pub mod builtin;
pub mod caps;

pub use caller::{Caller, Roles};
pub use evaluate::{Denial, Why};
pub use facts::Facts;
pub use parse::PolicyError;
pub use policy::{Effect, Kind, Policy};
pub use principal::Principal;
