//! Lets go of records that their stream no longer keeps. Readers pass over them anyway; this gives their memory back.

use crate::{Engine, EngineError, caps};
use futures_util::future::join_all;
use millstream_control::{Shard, Stream, StreamStatus};
use millstream_host::Clock;
use millstream_log::{AppendError, Refused};
use millstream_types::{LogShard, Position, Timestamp};
use std::collections::{HashMap, HashSet};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

/// The time that retention goes by: the wall clock, but a jump of it forward counts only after it has lasted.
///
/// What has expired is gone for good, so a clock that is set a year ahead by mistake must not decide that. Going back,
/// or standing still, only keeps records longer.
#[derive(Debug)]
pub(crate) struct SteadyTime {
    baseline: Mutex<Baseline>,
}

#[derive(Clone, Copy, Debug)]
struct Baseline {
    wall: Timestamp,
    monotonic: Duration,
    /// When the wall clock was first seen ahead of where it should be.
    ahead_since: Option<Duration>,
}

impl SteadyTime {
    pub(crate) fn new(clock: &dyn Clock) -> Self {
        let baseline = Baseline { wall: clock.now(), monotonic: clock.monotonic(), ahead_since: None };
        Self { baseline: Mutex::new(baseline) }
    }

    pub(crate) fn now(&self, clock: &dyn Clock) -> Timestamp {
        let (wall, monotonic) = (clock.now(), clock.monotonic());
        let mut baseline = self.baseline.lock().unwrap_or_else(PoisonError::into_inner);
        let passed = monotonic.saturating_sub(baseline.monotonic).as_millis();
        let expected = baseline.wall.plus_millis(u64::try_from(passed).unwrap_or(u64::MAX));
        if wall.millis_since(expected) <= caps::CLOCK_JUMP_MILLIS {
            *baseline = Baseline { wall, monotonic, ahead_since: None };
            return wall;
        }
        let since = *baseline.ahead_since.get_or_insert_with(|| {
            tracing::warn!(%wall, %expected, "the clock jumped ahead; retention waits until that has lasted an hour");
            monotonic
        });
        if monotonic.saturating_sub(since) >= caps::CLOCK_SETTLES {
            *baseline = Baseline { wall, monotonic, ahead_since: None };
            return wall;
        }
        expected
    }
}

/// How far each log shard has been trimmed, so that nothing is written where nothing has expired.
pub(crate) type Trimmed = HashMap<LogShard, Position>;

pub(crate) async fn run(engine: Engine) {
    let mut trimmed = Trimmed::new();
    loop {
        tokio::time::sleep(caps::RETENTION_SWEEP).await;
        if let Err(error) = engine.trim_expired(&mut trimmed).await {
            tracing::warn!(%error, "expired records could not be trimmed; trying again later");
        }
    }
}

impl Engine {
    /// Trim every shard to its stream's retention. Returns how many shards moved.
    pub(crate) async fn trim_expired(&self, trimmed: &mut Trimmed) -> Result<usize, EngineError> {
        let state = self.control.state();
        let active = state.streams.values().filter(|stream| stream.status == StreamStatus::Active);
        let shards: Vec<_> =
            active.flat_map(|stream| stream.shards.iter().map(move |shard| (stream, shard))).collect();
        let existing: HashSet<LogShard> = shards.iter().map(|(_, shard)| shard.log).collect();
        trimmed.retain(|log, _| existing.contains(log));
        let mut moved = 0;
        // Together, so that a thousand shards cost one sync and not a thousand.
        for some in shards.chunks(caps::SHARDS_AT_ONCE) {
            let each = some.iter().map(|(stream, shard)| {
                let before = trimmed.get(&shard.log).copied().unwrap_or_default();
                self.trim_shard(stream, shard, before)
            });
            for ((_, shard), horizon) in some.iter().zip(join_all(each).await) {
                if let Some(horizon) = horizon? {
                    trimmed.insert(shard.log, horizon);
                    moved += 1;
                }
            }
        }
        Ok(moved)
    }

    /// The new horizon of a shard, if it moved. A stream deleted meanwhile has none.
    async fn trim_shard(
        &self,
        stream: &Stream,
        shard: &Shard,
        before: Position,
    ) -> Result<Option<Position>, EngineError> {
        let horizon = match self.trim_horizon(stream, shard).await {
            Ok(horizon) if horizon > before => horizon,
            Ok(_) | Err(EngineError::Gone(_)) => return Ok(None),
            Err(error) => return Err(error),
        };
        match self.log.trim(shard.log, horizon).await {
            Ok(()) => Ok(Some(horizon)),
            Err(AppendError::Refused(Refused::NoSuchShard(_))) => Ok(None),
            Err(error) => Err(EngineError::Append(error)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::NewRecord;
    use bytes::Bytes;
    use millstream_control::{CreateStream, StreamMode};
    use millstream_host::clock::ManualClock;
    use millstream_log::{Log, MemoryLog, ReadError, ReadLimit};
    use std::collections::BTreeMap;
    use std::sync::Arc;

    #[derive(Debug)]
    struct TwoClocks {
        wall: Arc<ManualClock>,
        monotonic: Arc<ManualClock>,
    }

    impl Clock for TwoClocks {
        fn now(&self) -> Timestamp {
            self.wall.now()
        }

        fn monotonic(&self) -> Duration {
            self.monotonic.monotonic()
        }
    }

    #[test]
    fn a_clock_that_jumps_ahead_expires_nothing_until_it_has_lasted() {
        let clock =
            TwoClocks { wall: ManualClock::at(Timestamp::ZERO), monotonic: ManualClock::at(Timestamp::ZERO) };
        let pass = |millis| {
            clock.wall.advance_millis(millis);
            clock.monotonic.advance_millis(millis);
        };
        let time = SteadyTime::new(&clock);
        pass(86_400_000);
        assert_eq!(
            time.now(&clock),
            clock.now(),
            "time that really passes counts, however long nobody looked"
        );
        let before = clock.now();
        clock.wall.advance_millis(365 * 86_400_000);
        assert_eq!(time.now(&clock), before);
        pass(60_000);
        assert_eq!(time.now(&clock), before.plus_millis(60_000));
        pass(3_600_000);
        assert_eq!(time.now(&clock), clock.now(), "a clock that was wrong before is believed after an hour");
    }

    #[tokio::test]
    async fn what_has_expired_goes_and_nothing_else() {
        let clock = ManualClock::at(Timestamp::from_millis(1_700_000_000_000));
        let log: Arc<dyn Log> = Arc::new(MemoryLog::new());
        let control = millstream_control_node::open(log.clone(), clock.clone()).await.unwrap();
        let engine = Engine::new(log.clone(), control, clock.clone());
        tokio::spawn(engine.clone().run_lifecycle(Duration::ZERO));
        let create = CreateStream {
            name: "s".into(),
            arn: "arn".into(),
            shards: 1,
            mode: StreamMode::Provisioned,
            max_record_kib: 1_024,
            tags: BTreeMap::new(),
        };
        engine.control().submit(create).await.unwrap();
        let mut watch = engine.control().watch();
        let active =
            |state: &Arc<millstream_control::State>| state.streams["s"].status == StreamStatus::Active;
        let stream = watch.wait_for(active).await.unwrap().streams["s"].clone();
        let record = NewRecord { partition_key: "k".into(), explicit_hash_key: None, data: Bytes::new() };
        engine.append(&stream, std::slice::from_ref(&record)).await.unwrap();
        clock.advance_millis(23 * 3_600_000);
        engine.append(&stream, &[record]).await.unwrap();

        let mut trimmed = Trimmed::new();
        assert_eq!(engine.trim_expired(&mut trimmed).await.unwrap(), 0);
        clock.advance_millis(2 * 3_600_000);
        assert_eq!(engine.trim_expired(&mut trimmed).await.unwrap(), 1);
        assert_eq!(engine.trim_expired(&mut trimmed).await.unwrap(), 0, "nothing new has expired");
        let limit = ReadLimit { records: 9, bytes: 999 };
        let shard = stream.shards[0].log;
        let old = log.read(shard, Position(0), limit).await;
        assert_eq!(old.unwrap_err(), ReadError::Trimmed { earliest: Position(1) });
        assert_eq!(log.read(shard, Position(1), limit).await.unwrap().batches.len(), 1);
    }
}
