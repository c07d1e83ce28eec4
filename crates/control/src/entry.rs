use crate::{Command, Refusal, State};
use millstream_types::Timestamp;
use serde::{Deserialize, Serialize};

/// A command as the log holds it: JSON, so that an old log can be read by eye. See `docs/formats/control.md`.
///
/// A field or command that this version does not know is an error: skipping it would make a different state.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Entry {
    pub at: Timestamp,
    #[serde(rename = "do")]
    pub command: Command,
}

#[derive(Debug, thiserror::Error)]
pub enum EntryError {
    #[error("not something that this version of Millstream knows: {0}")]
    Unreadable(#[from] serde_json::Error),
    #[error("not something that this version of Millstream knows: {0}")]
    Form(&'static str),
    /// A command is logged only after it was accepted, so a refusal on replay means that the rules have changed.
    #[error("a command that was accepted when it was written is now refused: {0}")]
    Refused(#[from] Refusal),
}

impl Entry {
    pub fn encode(&self) -> Result<Vec<u8>, EntryError> {
        Ok(serde_json::to_vec(self)?)
    }

    /// Apply it again, as it was applied when it was written.
    pub fn apply(&self, state: &mut State) -> Result<(), EntryError> {
        Ok(self.command.apply(state, self.at)?)
    }
}
