//! The task that owns the control state: it applies commands one after another, makes them durable in the log, and only
//! then shows the new state and answers.
//!
//! Commands that come while a sync is under way are applied to the working state and made durable together with the
//! next one. Nobody sees the working state: a refusal that rests on a command not yet durable waits for it too.

mod node;
mod replay;

pub mod caps;

pub use node::{ControlHandle, SubmitError};
pub use replay::{OpenError, open};
