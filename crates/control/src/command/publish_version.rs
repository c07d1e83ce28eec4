use crate::{ControlCommand, Function, FunctionStatus, Refusal, State, UpdateStatus, caps};
use millstream_types::Timestamp;
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// Make a version of a function as it is now.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PublishVersion {
    pub name: String,
    /// The function's own unless given.
    pub description: Option<String>,
    /// Refuse unless the function still has this revision.
    pub expected_revision: Option<String>,
    pub revision_id: String,
}

impl ControlCommand for PublishVersion {
    /// The function, and the version's number.
    type Outcome = (Arc<Function>, u64);

    fn apply(&self, state: &mut State, at: Timestamp) -> Result<Self::Outcome, Refusal> {
        let function = state.function(&self.name)?;
        if self.expected_revision.as_ref().is_some_and(|expected| *expected != function.revision_id) {
            let actual = function.revision_id.clone();
            return Err(Refusal::RevisionMismatch { name: self.name.clone(), actual });
        }
        if function.status == FunctionStatus::Pending {
            return Err(Refusal::FunctionPending(self.name.clone()));
        }
        if function.update == UpdateStatus::InProgress {
            return Err(Refusal::FunctionBusy(self.name.clone()));
        }
        if function.published.versions.len() >= caps::VERSIONS_PER_FUNCTION {
            return Err(Refusal::Limit {
                what: "versions of a function",
                limit: caps::VERSIONS_PER_FUNCTION,
            });
        }
        let function = state.change_function(&self.name)?;
        let version = function.publish(self.description.as_deref(), self.revision_id.clone(), at);
        Ok((state.function(&self.name)?.clone(), version))
    }
}
