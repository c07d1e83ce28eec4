use crate::{ControlCommand, Refusal, ReshardRefusal, Shard, State, StreamStatus};
use millstream_types::{Position, Timestamp};
use serde::{Deserialize, Serialize};

/// The parents of a reshard are closed and end at `ends`, in their order; their children take over at the same moment.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FinishReshard {
    pub stream: String,
    pub ends: Vec<Position>,
}

impl ControlCommand for FinishReshard {
    type Outcome = ();

    fn apply(&self, state: &mut State, at: Timestamp) -> Result<(), Refusal> {
        let none = || ReshardRefusal::NotUnderWay(self.stream.clone());
        let current = state.stream(&self.stream)?;
        let reshard = current.closing().ok_or_else(none)?.clone();
        if reshard.parents.len() != self.ends.len() {
            return Err(none().into());
        }
        // Each reshard has a moment of its own, and in their order, also when the clock goes back: what was open at a time
        // is then never in doubt.
        let when = at.max(current.last_resharded().plus_millis(1));
        let stream = state.change_stream(&self.stream)?;
        for (parent, end) in reshard.parents.iter().zip(&self.ends) {
            if let Some(shard) = stream.shard_mut(*parent) {
                (shard.closed_at, shard.closed) = (Some(*end), Some(when));
            }
        }
        stream.shards.extend(reshard.shards.into_iter().map(|shard| Shard {
            opened: Some(when),
            closed: shard.closed_at.map(|_| when),
            ..shard
        }));
        stream.reshard = None;
        stream.status = StreamStatus::Active;
        Ok(())
    }
}
