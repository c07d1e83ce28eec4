//! Lets go of records that their stream no longer keeps, and of closed shards that hold nothing any more. Readers pass over
//! them anyway; this gives their room back.

use crate::lifecycle::drop_shards;
use crate::{Engine, EngineError, caps};
use futures_util::future::join_all;
use millstream_control::{RemoveShards, Shard, State, Stream};
use millstream_control_node::SubmitError;
use millstream_log::{AppendError, ReadError, ReadLimit, Refused};
use millstream_types::{LogShard, Position, Timestamp};
use std::collections::{HashMap, HashSet};
use std::sync::Arc;

/// What the last sweeps found out, so that an idle shard costs the next one nothing. A shard that is not in it was not
/// looked at yet.
pub(crate) type Sweeps = HashMap<LogShard, Found>;

/// What is known of a log shard.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Found {
    /// Nothing is before it.
    horizon: Position,
    /// When the record at the horizon arrived, if somebody looked.
    oldest: Option<Timestamp>,
    /// The horizon moved in the last sweep, and is likely to move in the next: no need to look at what is there.
    moving: bool,
}

pub(crate) async fn run(engine: Engine) {
    let mut sweeps = Sweeps::new();
    loop {
        tokio::time::sleep(caps::RETENTION_SWEEP).await;
        if let Err(error) = engine.trim_expired(&mut sweeps).await {
            tracing::warn!(%error, "expired records could not be trimmed; trying again later");
        }
    }
}

#[derive(Debug, thiserror::Error)]
pub(crate) enum SweepError {
    #[error(transparent)]
    Engine(#[from] EngineError),
    #[error(transparent)]
    Log(#[from] AppendError),
    #[error(transparent)]
    Control(#[from] SubmitError),
}

impl Engine {
    /// Trim every shard to its stream's retention, and remove closed shards that have expired. Returns how many shards
    /// were trimmed.
    pub(crate) async fn trim_expired(&self, sweeps: &mut Sweeps) -> Result<usize, SweepError> {
        let state = self.control.state();
        let serving: Vec<_> = state.streams.values().filter(|stream| stream.status.is_serving()).collect();
        forget_gone(sweeps, &state);
        let mut due = Vec::new();
        for stream in &serving {
            let oldest = self.oldest_kept(stream);
            for shard in &stream.shards {
                let found = sweeps.get(&shard.log).copied();
                if self.may_hold_expired(stream, shard, found, oldest)? {
                    due.push((stream, shard, found));
                }
            }
        }
        let mut moved = 0;
        // Together, so that a thousand shards cost one sync and not a thousand.
        for some in due.chunks(caps::SHARDS_AT_ONCE) {
            let each = some.iter().map(|(stream, shard, found)| self.trim_shard(stream, shard, *found));
            for ((_, shard, before), found) in some.iter().zip(join_all(each).await) {
                if let Some(found) = found? {
                    moved += usize::from(found.horizon > before.unwrap_or_default().horizon && found.moving);
                    sweeps.insert(shard.log, found);
                }
            }
        }
        for stream in serving {
            self.remove_expired(stream, sweeps).await?;
        }
        Ok(moved)
    }

    /// Whether a look at the shard could find something to trim. Asks memory only.
    fn may_hold_expired(
        &self,
        stream: &Stream,
        shard: &Shard,
        found: Option<Found>,
        oldest_kept: Timestamp,
    ) -> Result<bool, EngineError> {
        let came = found.and_then(|found| found.oldest).or(shard.opened).unwrap_or(stream.created);
        if came >= oldest_kept {
            return Ok(false);
        }
        let end = match shard.closed_at {
            Some(end) => end,
            None => match self.tail(stream, shard.log) {
                Ok(tail) => tail.current(),
                Err(EngineError::Gone(_)) => return Ok(false),
                Err(error) => return Err(error),
            },
        };
        Ok(found.unwrap_or_default().horizon < end)
    }

    /// Trim a shard. Returns what is known of it now; nothing if its stream was deleted meanwhile.
    async fn trim_shard(
        &self,
        stream: &Stream,
        shard: &Shard,
        before: Option<Found>,
    ) -> Result<Option<Found>, EngineError> {
        let mut found = before.unwrap_or_default();
        if !found.moving {
            match self.first_kept(shard, found.horizon).await {
                Ok(first) => found = first,
                Err(ReadError::NoSuchShard(_)) => return Ok(None),
                Err(error) => return Err(EngineError::Read(error)),
            }
            let oldest_kept = self.oldest_kept(stream);
            if found.oldest.is_none_or(|oldest| oldest >= oldest_kept) {
                return Ok(Some(found));
            }
        }
        let horizon = match self.trim_horizon(stream, shard).await {
            Ok(horizon) => horizon,
            Err(EngineError::Gone(_)) => return Ok(None),
            Err(error) => return Err(error),
        };
        if horizon <= found.horizon {
            return Ok(Some(Found { moving: false, oldest: None, ..found }));
        }
        match self.log.trim(shard.log, horizon).await {
            Ok(()) => Ok(Some(Found { horizon, oldest: None, moving: true })),
            Err(AppendError::Refused(Refused::NoSuchShard(_))) => Ok(None),
            Err(error) => Err(EngineError::Append(error)),
        }
    }

    /// Where the log shard begins, at `from` or later, and when the record there arrived.
    async fn first_kept(&self, shard: &Shard, from: Position) -> Result<Found, ReadError> {
        let one = ReadLimit { records: 1, bytes: 1 };
        let mut horizon = from;
        loop {
            match self.log.read(shard.log, horizon, one).await {
                Ok(chunk) => {
                    let oldest = chunk.batches.first().map(|first| first.batch.timestamp);
                    return Ok(Found { horizon, oldest, moving: false });
                }
                Err(ReadError::Trimmed { earliest }) if earliest > horizon => horizon = earliest,
                Err(error) => return Err(error),
            }
        }
    }

    /// Remove the stream's closed shards that nobody can see any more. The log shards go first: what is left after a crash
    /// is in the state, and is removed then.
    async fn remove_expired(&self, stream: &Arc<Stream>, sweeps: &Sweeps) -> Result<(), SweepError> {
        let closed_by = self.oldest_kept(stream);
        let is_empty = |shard: &Shard| {
            let horizon = sweeps.get(&shard.log).map_or(Position::ZERO, |found| found.horizon);
            shard.closed_at.is_some_and(|end| horizon >= end)
        };
        let expired = |shard: &&Shard| !shard.is_open_after(closed_by) && is_empty(shard);
        let expired: Vec<Shard> = stream.shards.iter().filter(expired).cloned().collect();
        if expired.is_empty() {
            return Ok(());
        }
        drop_shards(self, &expired).await?;
        let shards = expired.iter().map(|shard| shard.id).collect();
        match self.control.submit(RemoveShards { stream: stream.name.clone(), shards, closed_by }).await {
            // The stream was deleted meanwhile.
            Err(SubmitError::Refused(refusal)) => tracing::debug!(%refusal, "overtaken by another change"),
            removed => {
                removed?;
                tracing::info!(stream = stream.name, shards = expired.len(), "closed shards have expired");
            }
        }
        Ok(())
    }
}

fn forget_gone(sweeps: &mut Sweeps, state: &State) {
    let shards = state.streams.values().flat_map(|stream| &stream.shards);
    let existing: HashSet<LogShard> = shards.map(|shard| shard.log).collect();
    sweeps.retain(|log, _| existing.contains(log));
}

#[cfg(test)]
mod tests;
