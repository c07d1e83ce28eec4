//! Does the work that the control state asks for: new code is unpacked, workers of deleted functions are ended, code
//! that nothing refers to is removed.
//! Level-triggered: what is `Pending` is unpacked, whoever asked and however often the server was restarted meanwhile.

use crate::caps;
use crate::service::Lambda;
use millstream_control::{FinishFunctionUpdate, Function, FunctionStatus, State, UpdateStatus};
use millstream_control_node::SubmitError;
use millstream_functions::{CodeError, CodeKey, InvokeError, NotACodeKey};
use std::sync::Arc;
use std::time::Duration;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, sleep_until};

/// How long to wait after a result that could not be written down before the work is done again.
const RETRY: Duration = Duration::from_secs(1);

#[derive(Debug, thiserror::Error)]
enum UnpackError {
    #[error(transparent)]
    Code(#[from] CodeError),
    #[error(transparent)]
    Key(#[from] NotACodeKey),
    #[error(transparent)]
    NotPrepared(#[from] InvokeError),
}

impl UnpackError {
    /// Code and reason, as `StateReasonCode` and `StateReason` show them.
    fn told(&self) -> (String, String) {
        match self {
            Self::NotPrepared(InvokeError::Component { .. }) => {
                ("InvalidZipFileException".into(), self.to_string())
            }
            Self::Code(CodeError::BadZip(_)) => ("InvalidZipFileException".into(), self.to_string()),
            Self::Code(CodeError::Missing { .. } | CodeError::Io { .. })
            | Self::Key(_)
            | Self::NotPrepared(_) => {
                ("InternalError".into(), format!("{self}. Update the function's code to try again."))
            }
        }
    }
}

impl Lambda {
    /// Keep functions and the code store in step with the control state, until the control node is gone.
    pub async fn run_lifecycle(self) {
        let mut watch = self.control().watch();
        let mut last = Arc::new(State::default());
        let mut is_unpacked = true;
        let mut sweep_at = Instant::now() + caps::SWEEP_AGAIN;
        loop {
            let state = watch.borrow_and_update().clone();
            // Most changes are checkpoints, which cost nothing here: the state shares what did not change.
            let is_same = state.functions.ptr_eq(&last.functions);
            if !is_same {
                self.retire_deleted(&last, &state);
                self.book(&state);
                is_unpacked = false;
            }
            if !is_same || !state.layers.ptr_eq(&last.layers) {
                sweep_at = sweep_at.min(Instant::now() + caps::SWEEP_AFTER);
            }
            last = state;
            if !is_unpacked && let Err(error) = self.unpack_all(&last).await {
                tracing::warn!(%error, "a function's new state could not be written down; trying again");
                sleep(RETRY).await;
                continue;
            }
            is_unpacked = true;
            tokio::select! {
                changed = watch.changed() => {
                    if changed.is_err() {
                        return;
                    }
                }
                () = sleep_until(sweep_at) => {
                    self.sweep().await;
                    sweep_at = Instant::now() + caps::SWEEP_AGAIN;
                }
            }
        }
    }

    /// End the workers of functions that were there `before` and are not `now`.
    fn retire_deleted(&self, before: &State, now: &State) {
        for (name, function) in &before.functions {
            if now.functions.get(name).is_none_or(|present| present.arn != function.arn) {
                self.functions().retire(&function.arn);
            }
        }
    }

    /// Clear the code store of what nothing refers to. It keeps what was just uploaded, and what workers still run.
    pub(crate) async fn sweep(&self) {
        match self.functions().code().remove_unreferenced(&self.referenced_code()).await {
            Ok(0) => {}
            Ok(removed) => tracing::info!(removed, "removed function code that nothing refers to"),
            Err(error) => tracing::warn!(%error, "function code that nothing refers to could not be removed"),
        }
    }

    async fn unpack_all(&self, state: &State) -> Result<(), SubmitError> {
        let waiting: Vec<&Arc<Function>> =
            state.functions.values().filter(|function| is_waiting(function)).collect();
        for some in waiting.chunks(caps::UNPACK_AT_ONCE) {
            let mut tasks = JoinSet::new();
            for function in some {
                tasks.spawn(self.clone().unpack((*function).clone()));
            }
            for outcome in tasks.join_all().await {
                outcome?;
            }
        }
        Ok(())
    }

    /// Unpack what the function's update will put in place, and say how it went.
    async fn unpack(self, function: Arc<Function>) -> Result<(), SubmitError> {
        let failure = self.materialize(&function).await.err();
        if let Some(error) = &failure {
            tracing::warn!(%error, function = function.name, "function code could not be unpacked");
        }
        let command = FinishFunctionUpdate {
            name: function.name.clone(),
            revision_id: function.revision_id.clone(),
            failure: failure.map(|error| error.told()),
        };
        match self.control().submit(command).await {
            // Deleted meanwhile.
            Ok(()) | Err(SubmitError::Refused(_)) => Ok(()),
            Err(error) => Err(error),
        }
    }

    async fn materialize(&self, function: &Function) -> Result<(), UnpackError> {
        let (code, settings) = function.shown();
        if code.image_uri.is_some() {
            return Ok(());
        }
        let store = self.functions().code();
        store.materialize(&code.key.parse()?).await?;
        let layers: Vec<CodeKey> =
            settings.layers.iter().map(|layer| layer.key.parse()).collect::<Result<_, _>>()?;
        if !layers.is_empty() {
            store.materialize_layers(&layers).await?;
        }
        let next = Function { code: code.clone(), settings: settings.clone(), ..function.clone() };
        if let Ok(spec) = millstream_mapping::function_spec(&next) {
            self.functions().prepare(&spec).await?;
        }
        Ok(())
    }
}

fn is_waiting(function: &Function) -> bool {
    function.status == FunctionStatus::Pending || function.update == UpdateStatus::InProgress
}
