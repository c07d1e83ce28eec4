//! Where a shard ends, for whoever reads it.

use crate::{Engine, EngineError, caps};
use millstream_control::{Shard, State, Stream};
use millstream_types::Position;
use std::sync::Arc;
use tokio::time::{sleep, timeout};

/// How far a shard goes, as far as is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum End {
    Open,
    /// It is being closed. What is before the position is its own; of the rest nothing is known yet.
    Closing(Position),
    /// No record from this position on is the shard's.
    Closed(Position),
}

impl End {
    /// The position that no reader passes.
    pub(crate) fn limit(self) -> Position {
        match self {
            Self::Open => Position(u64::MAX),
            Self::Closing(end) | Self::Closed(end) => end,
        }
    }

    fn of(state: &State, stream: &Stream, shard: &Shard) -> Option<Self> {
        let stream = state.streams.get(&stream.name)?;
        let now = stream.shard(shard.id).filter(|now| now.log == shard.log)?;
        let closing = || stream.closing()?.closing_at(shard.id);
        Some(match now.closed_at {
            Some(end) => Self::Closed(end),
            None => closing().map_or(Self::Open, Self::Closing),
        })
    }
}

impl Engine {
    /// Where the shard ends, for a reader that stands at `position`. Ask after reading: what was read before the shard
    /// began to close is its own. Waits a moment for a closing that the reader would have to know the outcome of.
    pub(crate) async fn end(
        &self,
        stream: &Stream,
        shard: &Shard,
        position: Position,
    ) -> Result<End, EngineError> {
        let gone = || EngineError::Gone(stream.name.clone());
        let end = End::of(&self.control.state(), stream, shard).ok_or_else(gone)?;
        if !matches!(end, End::Closing(known) if position >= known) {
            return Ok(end);
        }
        let mut watch = self.control.watch();
        let is_settled = |state: &Arc<State>| !matches!(End::of(state, stream, shard), Some(End::Closing(_)));
        let settled = timeout(caps::CLOSING_READ, watch.wait_for(is_settled)).await;
        match settled.map(|state| state.map(|state| End::of(&state, stream, shard))) {
            Ok(Ok(settled)) => settled.ok_or_else(gone),
            // Nothing new for now.
            Err(_) => Ok(end),
            // Nor ever: the control plane has stopped. It is no reason for whoever follows the shard to ask at once again.
            Ok(Err(_)) => {
                sleep(caps::CLOSING_READ).await;
                Ok(end)
            }
        }
    }

    /// Where a closed shard ends; no position is beyond any other.
    pub(crate) fn known_end(&self, stream: &Stream, shard: &Shard) -> Result<Position, EngineError> {
        match End::of(&self.control.state(), stream, shard) {
            Some(End::Closed(end)) => Ok(end),
            Some(End::Open | End::Closing(_)) => Ok(End::Open.limit()),
            None => Err(EngineError::Gone(stream.name.clone())),
        }
    }

    /// The stream as it is now.
    ///
    /// # Errors
    /// `Gone` if it was deleted, also if there is another of its name.
    pub fn current(&self, stream: &Stream) -> Result<Arc<Stream>, EngineError> {
        let state = self.control.state();
        let same = |now: &&Arc<Stream>| now.arn == stream.arn && now.created == stream.created;
        let now = state.streams.get(&stream.name).filter(same);
        now.cloned().ok_or_else(|| EngineError::Gone(stream.name.clone()))
    }
}
