use crate::{ControlCommand, Queue, QueueStatus, Refusal, State};
use millstream_types::Timestamp;
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// When a record becomes a dead letter.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum DeadLetters {
    /// After so many receives.
    After(u32),
    Never,
}

/// Set what a queue is, for all that comes after: what is not named stays.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ChangeQueue {
    pub id: String,
    pub visibility_secs: Option<u32>,
    pub dead_letters: Option<DeadLetters>,
}

impl ControlCommand for ChangeQueue {
    type Outcome = Arc<Queue>;

    fn apply(&self, state: &mut State, _at: Timestamp) -> Result<Arc<Queue>, Refusal> {
        let queue = state.change_queue(&self.id)?;
        if queue.status != QueueStatus::Active {
            return Err(Refusal::QueueBusy { id: self.id.clone(), status: queue.status });
        }
        let settings = &mut queue.settings;
        settings.visibility_secs = self.visibility_secs.unwrap_or(settings.visibility_secs);
        settings.max_receives = match self.dead_letters {
            None => settings.max_receives,
            Some(DeadLetters::After(receives)) => Some(receives),
            Some(DeadLetters::Never) => None,
        };
        Ok(Arc::new(queue.clone()))
    }
}
