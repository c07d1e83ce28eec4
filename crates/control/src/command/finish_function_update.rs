use crate::{ControlCommand, FunctionStatus, Refusal, State, UpdateStatus};
use millstream_types::Timestamp;
use serde::{Deserialize, Serialize};

/// The code of revision `revision_id` is unpacked, or cannot be (`failure`: code and reason).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FinishFunctionUpdate {
    pub name: String,
    pub revision_id: String,
    pub failure: Option<(String, String)>,
}

impl ControlCommand for FinishFunctionUpdate {
    type Outcome = ();

    fn apply(&self, state: &mut State, _at: Timestamp) -> Result<(), Refusal> {
        let function = state.change_function(&self.name)?;
        // A function deleted and made again meanwhile has another revision.
        if function.revision_id != self.revision_id {
            return Ok(());
        }
        let failed = self.failure.clone();
        if function.status == FunctionStatus::Pending {
            function.status = failed
                .map_or(FunctionStatus::Active, |(code, reason)| FunctionStatus::Failed { code, reason });
        } else if function.update == UpdateStatus::InProgress {
            let next = function.next.take();
            match (failed, next) {
                (Some((code, reason)), _) => function.update = UpdateStatus::Failed { code, reason },
                (None, next) => {
                    function.update = UpdateStatus::Successful;
                    function.status = FunctionStatus::Active;
                    if let Some(next) = next {
                        (function.code, function.settings) = *next;
                    }
                }
            }
        }
        Ok(())
    }
}
