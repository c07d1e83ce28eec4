use crate::{
    Code, ControlCommand, Function, FunctionSettings, FunctionStatus, Refusal, State, UpdateStatus, caps,
};
use millstream_types::Timestamp;
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// Begin to change a function's code, its settings, or both. Invocations use the old until the new are in place.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct UpdateFunction {
    pub name: String,
    pub code: Option<Code>,
    pub settings: Option<FunctionSettings>,
    pub architectures: Option<Vec<String>>,
    /// Refuse unless the function still has this revision.
    pub expected_revision: Option<String>,
    pub revision_id: String,
    /// Publish a version of what will be in place.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub publish: bool,
}

impl ControlCommand for UpdateFunction {
    type Outcome = Arc<Function>;

    fn apply(&self, state: &mut State, at: Timestamp) -> Result<Arc<Function>, Refusal> {
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
        if self.publish && function.published.versions.len() >= caps::VERSIONS_PER_FUNCTION {
            return Err(Refusal::Limit {
                what: "versions of a function",
                limit: caps::VERSIONS_PER_FUNCTION,
            });
        }
        let function = state.change_function(&self.name)?;
        let code = self.code.clone().unwrap_or_else(|| function.code.clone());
        let settings = self.settings.clone().unwrap_or_else(|| function.settings.clone());
        function.next = Some(Box::new((code, settings)));
        function.update = UpdateStatus::InProgress;
        if let Some(architectures) = &self.architectures {
            function.architectures.clone_from(architectures);
        }
        function.revision_id.clone_from(&self.revision_id);
        function.modified = at;
        if self.publish {
            function.publish(None, self.revision_id.clone(), at);
        }
        Ok(state.function(&self.name)?.clone())
    }
}
