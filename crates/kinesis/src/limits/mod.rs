//! Limits on rates and counts, as AWS has them. Off by default: then there is no [`Limits`] at all, and nothing is counted.
//!
//! Where each is charged: records when they are routed and before they are appended, so that one that is throttled is
//! never stored and the others are; reads before they are done, by calls, and after it, by what they found; calls of the
//! control plane before anything else is done.

mod bucket;
mod calls;
mod daily;
mod quotas;
mod settings;

use crate::Kinesis;
use crate::error::{self, Failure};
use bucket::{Buckets, Rate};
use millstream_engine::Prepared;
use millstream_types::{LogShard, ShardId};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use tokio::sync::Mutex;

pub(crate) use daily::Daily;
pub use settings::LimitSettings;

/// What a rate is of.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Key {
    WriteBytes(LogShard),
    WriteRecords(LogShard),
    ReadBytes(LogShard),
    ReadCalls(LogShard),
    /// A consumer's ARN.
    Consumer(String, LogShard),
    /// The operation, and of what its calls are counted together.
    Calls(&'static str, String),
}

/// The limits of a server, with what is left of them.
#[derive(Debug)]
pub(crate) struct Limits {
    settings: LimitSettings,
    rates: Buckets<Key>,
    /// Held while a count is looked at and changed.
    turn: Mutex<()>,
    daily: daily::Uses,
    /// How often each limit was met.
    met: Vec<(&'static str, AtomicU64)>,
}

/// A call of PutRecord or PutRecords after the limits were asked.
#[derive(Debug)]
pub(crate) struct Admitted {
    /// The records that go on. `None` if there is none.
    pub(crate) prepared: Option<Prepared>,
    /// Of each record of the call the shard that throttled it, if one did. Nothing if none was.
    pub(crate) throttled: Vec<Option<ShardId>>,
}

impl Limits {
    /// `None` if nothing is limited.
    pub(crate) fn new(settings: LimitSettings) -> Option<Self> {
        let met = settings::known().map(|(name, _)| (name, AtomicU64::new(0))).collect();
        let limits = Self {
            settings,
            rates: Buckets::default(),
            turn: Mutex::default(),
            daily: daily::Uses::default(),
            met,
        };
        (!limits.settings.is_empty()).then_some(limits)
    }

    pub(crate) fn settings(&self) -> &LimitSettings {
        &self.settings
    }

    pub(crate) fn met(&self) -> impl Iterator<Item = (&'static str, u64)> {
        let limited = self.met.iter().filter(|(name, _)| self.settings.get(name).is_some());
        limited.map(|(name, met)| (*name, met.load(Ordering::Relaxed)))
    }

    fn count(&self, name: &str) {
        if let Some((_, met)) = self.met.iter().find(|(known, _)| *known == name) {
            met.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// What is wanted of a rate, if that is limited.
    fn want(&self, name: &str, key: Key, tokens: u64) -> Option<(Key, Rate, u64)> {
        Some((key, Rate(self.settings.get(name)?), tokens))
    }

    /// Whether the shard takes a record of so many bytes now.
    fn write(&self, now: Duration, shard: LogShard, bytes: u64) -> bool {
        let names = [settings::SHARD_WRITE_BYTES, settings::SHARD_WRITE_RECORDS];
        let wants = [
            self.want(names[0], Key::WriteBytes(shard), bytes),
            self.want(names[1], Key::WriteRecords(shard), 1),
        ];
        self.rates.take(now, wants).map_err(|place| self.count(names[place])).is_ok()
    }

    /// Whether the shard can be read now.
    fn read(&self, now: Duration, shard: LogShard) -> bool {
        let names = [settings::SHARD_READ_BYTES, settings::SHARD_READ_CALLS];
        let wants = [
            // Nothing may be owed; how much the call takes is known when it has read.
            self.want(names[0], Key::ReadBytes(shard), 0),
            self.want(names[1], Key::ReadCalls(shard), 1),
        ];
        self.rates.take(now, wants).map_err(|place| self.count(names[place])).is_ok()
    }

    fn has_read(&self, now: Duration, shard: LogShard, bytes: u64) {
        if let Some((key, rate, bytes)) = self.want(settings::SHARD_READ_BYTES, Key::ReadBytes(shard), bytes)
        {
            self.rates.owe(now, key, rate, bytes);
        }
    }
}

impl Kinesis {
    /// With limits on rates and counts.
    #[must_use]
    pub fn with_limits(self, settings: LimitSettings) -> Self {
        Self { limits: Limits::new(settings).map(std::sync::Arc::new), ..self }
    }

    /// How often each limit that is enforced was met since the server started.
    pub fn throttles(&self) -> Vec<(&'static str, u64)> {
        self.limits.iter().flat_map(|limits| limits.met()).collect()
    }

    fn elapsed(&self) -> Duration {
        self.engine.clock().monotonic()
    }

    /// Leave out the records that their shards have no room for.
    pub(crate) fn admit(&self, prepared: Prepared) -> Result<Admitted, Failure> {
        let Some(limits) = &self.limits else {
            return Ok(Admitted { prepared: Some(prepared), throttled: Vec::new() });
        };
        let now = self.elapsed();
        let throttled: Vec<Option<ShardId>> = prepared
            .places()
            .map(|(shard, log, bytes)| (!limits.write(now, log, bytes)).then_some(shard))
            .collect();
        if throttled.iter().all(Option::is_none) {
            return Ok(Admitted { prepared: Some(prepared), throttled: Vec::new() });
        }
        let keep: Vec<bool> = throttled.iter().map(Option::is_none).collect();
        let prepared = self.engine.keep(prepared, &keep);
        let prepared = prepared.map_err(|error| error::engine(error, &self.home.account))?;
        Ok(Admitted { prepared, throttled })
    }

    /// Before a shard is read by GetRecords.
    pub(crate) fn check_read(&self, stream: &str, shard: ShardId, log: LogShard) -> Result<(), Failure> {
        match &self.limits {
            Some(limits) if !limits.read(self.elapsed(), log) => {
                Err(error::shard_rate(stream, &shard.to_string(), &self.home.account))
            }
            Some(_) | None => Ok(()),
        }
    }

    /// After a shard was read by GetRecords.
    pub(crate) fn has_read(&self, log: LogShard, bytes: usize) {
        if let Some(limits) = &self.limits {
            limits.has_read(self.elapsed(), log, bytes as u64);
        }
    }

    /// An event with so many bytes went to a consumer. How long it is to wait for its next one from the shard.
    pub(crate) fn sent(&self, consumer: &str, log: LogShard, bytes: usize) -> Duration {
        let Some(limits) = &self.limits else { return Duration::ZERO };
        let key = Key::Consumer(consumer.to_owned(), log);
        match limits.want(settings::CONSUMER_READ_BYTES, key, bytes as u64) {
            Some((key, rate, bytes)) => limits.rates.pace(self.elapsed(), key, rate, bytes),
            None => Duration::ZERO,
        }
    }
}
