use crate::{ControlCommand, Refusal, ReshardRefusal, State, StreamStatus};
use millstream_types::{Position, Timestamp};
use serde::{Deserialize, Serialize};

/// The new shards of a reshard are there: close their parents. Where each ends is settled by what is durable after
/// everybody can see this, and [`FinishReshard`](crate::FinishReshard) says it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CloseShards {
    pub stream: String,
    /// What is durable in each parent already, in their order.
    pub durable: Vec<Position>,
}

impl ControlCommand for CloseShards {
    type Outcome = ();

    fn apply(&self, state: &mut State, _at: Timestamp) -> Result<(), Refusal> {
        let none = || ReshardRefusal::NotUnderWay(self.stream.clone());
        let stream = state.change_stream(&self.stream)?;
        let updating = stream.status == StreamStatus::Updating;
        let reshard = stream.reshard.as_mut().filter(|_| updating).ok_or_else(none)?;
        if reshard.is_closing() || reshard.parents.len() != self.durable.len() {
            return Err(none().into());
        }
        reshard.closing = Some(self.durable.clone());
        Ok(())
    }
}
