//! Leaving records out of a call before it is appended: those for which their shard has no room left in this second.

use crate::append::{Prepared, Slot};
use crate::reroute::Call;
use crate::{Engine, EngineError, NewRecord};
use millstream_types::{LogShard, ShardId};

impl Prepared {
    /// The stream's key.
    pub fn stream(&self) -> &str {
        &self.route.stream
    }

    /// Of each record, in the order of the call: its shard, and the bytes of its data and partition key.
    pub fn places(&self) -> impl Iterator<Item = (ShardId, LogShard, u64)> {
        self.slots.iter().map(|slot: &Slot| {
            let group = &self.groups[slot.group];
            (group.shard, group.log, u64::from(slot.bytes))
        })
    }
}

impl Engine {
    /// The call without the records for which `keep` says so, in their order. `None` if none is left.
    ///
    /// # Errors
    /// As [`Engine::prepare`]; `Gone` if the stream was deleted meanwhile.
    pub fn keep(&self, prepared: Prepared, keep: &[bool]) -> Result<Option<Prepared>, EngineError> {
        let Prepared { route, groups, slots, batches, .. } = prepared;
        let state = self.control.state();
        let stream = state.streams.get(&route.stream).cloned();
        let stream = stream.ok_or_else(|| EngineError::Gone(route.stream.clone()))?;
        let batches = batches.finish(self.clock.now());
        let records = Call { route, groups: &groups, slots: &slots, batches: &batches }.records()?;
        let kept: Vec<NewRecord> =
            records.into_iter().zip(keep).filter_map(|(record, keep)| keep.then_some(record)).collect();
        if kept.is_empty() {
            return Ok(None);
        }
        self.prepare(&stream, &kept).map(Some)
    }
}
