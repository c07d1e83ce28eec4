//! The task that owns the control state: it applies commands one after another, makes them durable in the log, and only
//! then shows the new state and answers.
//!
//! Commands that come while a sync is under way are applied to the working state and made durable together with the
//! next one. Nobody sees the working state: a refusal that rests on a command not yet durable waits for it too.
//!
//! Now and then the node writes the whole state into the same log, as a snapshot, and trims what came before it: start-up
//! replays the newest snapshot and the commands after it. A snapshot's parts and the commands that come meanwhile share
//! the log; `docs/formats/control.md` says how they are told apart.

mod assemble;
mod encode;
mod handle;
mod history;
mod node;
mod replay;

pub mod caps;

pub use assemble::SnapshotError;
pub use handle::{ControlHandle, SubmitError};
pub use history::SnapshotPolicy;
pub use replay::{OpenError, open, open_with};
