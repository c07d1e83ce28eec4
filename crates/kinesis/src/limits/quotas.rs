//! How many of a thing there may be.

use crate::Kinesis;
use crate::error::Failure;
use crate::limits::{Limits, settings};
use millstream_api_kinesis::ErrorCode;
use millstream_control::{ConsumerStatus, State, Stream, StreamMode, StreamStatus};
use std::sync::Arc;
use tokio::sync::MutexGuard;

/// The turn of one call among those that change what is counted: it holds until the change is made.
#[must_use]
#[derive(Debug)]
pub(crate) struct Turn<'a> {
    pub(super) limits: Option<&'a Limits>,
    _held: Option<MutexGuard<'a, ()>>,
}

impl Kinesis {
    /// Wait until no other call changes what is counted. At once where nothing is.
    pub(crate) async fn turn(&self) -> Turn<'_> {
        match &self.limits {
            Some(limits) => Turn { limits: Some(limits), _held: Some(limits.turn.lock().await) },
            None => Turn { limits: None, _held: None },
        }
    }

    /// Uses of UpdateShardCount in 24 hours.
    pub(crate) fn shard_count_updates(&self) -> Option<u32> {
        let limit = self.limits.as_ref()?.settings.get(settings::SHARD_COUNT_UPDATES)?;
        Some(u32::try_from(limit).unwrap_or(u32::MAX))
    }

    /// The limits on shards and on-demand streams of an account, where they are lower than the server's own.
    pub(crate) fn account_limits(&self) -> (Option<u64>, Option<u64>) {
        let get = |name| self.limits.as_ref().and_then(|limits| limits.settings().get(name));
        (get(settings::SHARDS), get(settings::ON_DEMAND_STREAMS))
    }

    /// Streams of this account and region.
    fn own<'a>(&'a self, state: &'a State) -> impl Iterator<Item = &'a Arc<Stream>> {
        state.streams.values().filter(|stream| self.home.has(&stream.name))
    }

    /// Whether another stream may be created.
    pub(crate) fn check_streams(&self, turn: &Turn<'_>, mode: StreamMode) -> Result<(), Failure> {
        let Some(limits) = turn.limits else { return Ok(()) };
        let state = self.control().state();
        let busy =
            |stream: &&Arc<Stream>| matches!(stream.status, StreamStatus::Creating | StreamStatus::Deleting);
        if let Some(limit) =
            limits.met_by(settings::CREATING_STREAMS, self.own(&state).filter(busy).count(), 1)
        {
            return Err(exceeded(format!(
                "This request would have exceed the limit on the number of streams that can simultaneously be in CREATING \
                 or DELETING. Limit: {limit}"
            )));
        }
        let on_demand = self.own(&state).filter(|stream| stream.mode == StreamMode::OnDemand).count();
        let another = usize::from(mode == StreamMode::OnDemand);
        match limits.met_by(settings::ON_DEMAND_STREAMS, on_demand, another) {
            None => Ok(()),
            Some(limit) => Err(exceeded(format!(
                "This request would exceed the on-demand stream limit for the account {}. Current on-demand stream count \
                 for the account: {on_demand}. Limit: {limit}.",
                self.home.account
            ))),
        }
    }

    /// Whether the account may have `more` open shards.
    pub(crate) fn check_shards(&self, turn: &Turn<'_>, more: u32) -> Result<(), Failure> {
        let Some(limits) = turn.limits else { return Ok(()) };
        let state = self.control().state();
        let open: usize = self.own(&state).map(|stream| stream.open_shards().count()).sum();
        match limits.met_by(settings::SHARDS, open, more as usize) {
            None => Ok(()),
            Some(limit) => Err(exceeded(format!(
                "This request would exceed the shard limit for the account {} in {}. Current shard count for the account: \
                 {open}. Limit: {limit}. Number of additional shards that would have resulted from this request: {more}.",
                self.home.account, self.home.region
            ))),
        }
    }

    /// Whether another consumer of the stream may be in creation.
    pub(crate) fn check_consumers(&self, turn: &Turn<'_>, stream: &str) -> Result<(), Failure> {
        let Some(limits) = turn.limits else { return Ok(()) };
        let state = self.control().state();
        let Some(stream) = state.streams.get(stream) else { return Ok(()) };
        let creating = |status| status == ConsumerStatus::Creating;
        let count = stream.consumers.values().filter(|consumer| creating(consumer.status)).count();
        match limits.met_by(settings::CREATING_CONSUMERS, count, 1) {
            None => Ok(()),
            Some(limit) => Err(exceeded(format!(
                "This request would exceed the limit on the number of consumers of stream {} under account {} that can \
                 simultaneously be in CREATING. Limit: {limit}",
                stream.own_name(),
                self.home.account
            ))),
        }
    }
}

impl Limits {
    /// The limit on what there are `count` of, if `more` would pass it.
    pub(super) fn met_by(&self, name: &str, count: usize, more: usize) -> Option<u64> {
        let limit = self.settings.get(name)?;
        let passed = more > 0 && count as u64 + more as u64 > limit;
        if passed {
            self.count(name);
        }
        passed.then_some(limit)
    }
}

pub(super) fn exceeded(message: String) -> Failure {
    Failure::new(ErrorCode::LimitExceededException, message)
}
