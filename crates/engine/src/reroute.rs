//! Appends that meet a reshard.
//!
//! The log cannot be told that a shard is closed, so this is how an append and the closing of its shard agree. The closer
//! makes it durable that shards are closing, lets everybody see it, and only then looks how far each of them is durable:
//! there it ends. An append looks after it is durable. If it sees no closing, the closer has not looked yet, and will find
//! it. If it sees one, it waits for the end: below it the record counts, and from there on it is void, read by nobody, and
//! goes to the children before it is acknowledged.

use crate::append::{Group, Slot};
use crate::{Appendable, Engine, EngineError, NewRecord, Placed, Record, caps};
use millstream_control::{State, Stream};
use millstream_log::{AppendError, Batch, Refused};
use millstream_types::{HashKey, LogShard, Position, ShardId};
use std::sync::Arc;
use tokio::time::timeout;

/// By what a call found its shards.
#[derive(Debug)]
pub(crate) struct Route {
    pub(crate) stream: String,
    newest: Option<ShardId>,
    /// The hash keys that records gave themselves, by their place in the call. They are not stored with the records.
    explicit: Vec<(usize, HashKey)>,
}

impl Route {
    pub(crate) fn new<R: Appendable>(stream: &Stream, records: &[R]) -> Self {
        let keys = records.iter().map(Appendable::explicit_hash_key).enumerate();
        let explicit = keys.filter_map(|(place, key)| Some((place, key?))).collect();
        Self { stream: stream.name.clone(), newest: stream.newest_shard(), explicit }
    }
}

/// A call, in the form that the log has.
#[derive(Debug)]
pub(crate) struct Call<'a> {
    pub(crate) route: Route,
    pub(crate) groups: &'a [Group],
    pub(crate) slots: &'a [Slot],
    pub(crate) batches: &'a [Batch],
}

impl Call<'_> {
    /// The records as they were given, in the order of the call.
    pub(crate) fn records(&self) -> Result<Vec<NewRecord>, EngineError> {
        let unknown = || EngineError::UnknownForm(Position::ZERO);
        let groups: Option<Vec<Vec<NewRecord>>> = self.batches.iter().map(records_of).collect();
        let groups = groups.ok_or_else(unknown)?;
        let record = |slot: &Slot| groups.get(slot.group)?.get(slot.index).cloned();
        let records: Option<Vec<NewRecord>> = self.slots.iter().map(record).collect();
        let mut records = records.ok_or_else(unknown)?;
        for (place, key) in &self.route.explicit {
            if let Some(record) = records.get_mut(*place) {
                record.explicit_hash_key = Some(*key);
            }
        }
        Ok(records)
    }

    fn log(&self, place: usize) -> Option<LogShard> {
        Some(self.groups.get(self.slots.get(place)?.group)?.log)
    }
}

fn records_of(batch: &Batch) -> Option<Vec<NewRecord>> {
    let decode = |bytes| Record::decode(ShardId(0), Position::ZERO, batch.timestamp, bytes);
    let new = |record: Record| NewRecord {
        partition_key: record.partition_key,
        explicit_hash_key: None,
        data: record.data,
    };
    batch.records().map(|bytes| decode(bytes).map(new)).collect()
}

/// Why it is not known where a shard ends.
enum Unsettled {
    /// It took too long.
    Waited,
    /// The control plane has stopped.
    Stopped,
}

impl Engine {
    /// Whether shards of the stream were closed since the call found its own, or are being closed.
    pub(crate) fn has_moved(&self, route: &Route) -> bool {
        let moved =
            |stream: &Arc<Stream>| stream.newest_shard() != route.newest || stream.closing().is_some();
        self.control.state().streams.get(&route.stream).is_some_and(moved)
    }

    /// The stream when none of its shards is being closed. For a call of which nothing is in the log.
    pub(crate) async fn after_closing(&self, stream: &str) -> Result<Arc<Stream>, EngineError> {
        match self.settled(stream).await {
            Ok(Some(found)) => Ok(found),
            Ok(None) => Err(EngineError::Gone(stream.to_owned())),
            Err(Unsettled::Waited) => Err(AppendError::Refused(Refused::Full).into()),
            Err(Unsettled::Stopped) => {
                let why = "the control plane takes no more changes".to_owned();
                Err(AppendError::Refused(Refused::Stopped(why)).into())
            }
        }
    }

    /// Append what is void to the shards that took over.
    pub(crate) async fn replace_void(
        &self,
        call: &Call<'_>,
        placed: &mut [Placed],
    ) -> Result<(), EngineError> {
        let unknown = |why: &str| EngineError::Append(AppendError::Unknown(why.to_owned()));
        let stream = match self.settled(&call.route.stream).await {
            Ok(Some(stream)) => stream,
            // It was deleted when the records were durable already.
            Ok(None) => return Ok(()),
            Err(Unsettled::Waited) => {
                return Err(unknown("shards are being closed, and that takes too long"));
            }
            Err(Unsettled::Stopped) => return Err(unknown("the control plane takes no more changes")),
        };
        let is_void = |place: &usize| {
            let shard =
                stream.shard(placed[*place].shard).filter(|shard| Some(shard.log) == call.log(*place));
            let end = shard.and_then(|shard| shard.closed_at);
            end.is_some_and(|end| placed[*place].sequence_number.position() >= end)
        };
        let void: Vec<usize> = (0..placed.len()).filter(is_void).collect();
        if void.is_empty() {
            return Ok(());
        }
        let all = call.records()?;
        let records: Vec<NewRecord> = void.iter().filter_map(|place| all.get(*place).cloned()).collect();
        tracing::debug!(
            stream = stream.name,
            records = records.len(),
            "records go to the children of their shards"
        );
        match Box::pin(self.append(&stream, &records)).await {
            Ok(again) => {
                for (place, again) in void.into_iter().zip(again) {
                    placed[place] = again;
                }
                Ok(())
            }
            // The others are stored, so it is not true that nothing was done.
            Err(EngineError::Append(AppendError::Refused(refused))) if void.len() < placed.len() => {
                Err(unknown(&refused.to_string()))
            }
            Err(error) => Err(error),
        }
    }

    /// The stream when none of its shards is being closed; `None` if it is gone.
    async fn settled(&self, stream: &str) -> Result<Option<Arc<Stream>>, Unsettled> {
        let mut watch = self.control.watch();
        let is_settled =
            |state: &Arc<State>| state.streams.get(stream).is_none_or(|found| found.closing().is_none());
        match timeout(caps::CLOSING, watch.wait_for(is_settled)).await {
            Err(_elapsed) => Err(Unsettled::Waited),
            Ok(Err(_closed)) => Err(Unsettled::Stopped),
            Ok(Ok(state)) => Ok(state.streams.get(stream).cloned()),
        }
    }
}
