use crate::{ControlCommand, Refusal, State};
use millstream_types::{LogShard, Timestamp};
use serde::{Deserialize, Serialize};

/// Give the events of asynchronous invocations a log shard, unless they have one: the first of them asks for it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OpenEventJournal {}

impl ControlCommand for OpenEventJournal {
    type Outcome = LogShard;

    fn apply(&self, state: &mut State, _at: Timestamp) -> Result<LogShard, Refusal> {
        if let Some(journal) = state.event_journal {
            return Ok(journal);
        }
        let journal = state.next_log_shard();
        state.event_journal = Some(journal);
        Ok(journal)
    }
}
