use crate::scaling::meters::Meter;
use crate::scaling::{Decision, History, Permille, Seen, decide};
use crate::{Engine, caps};
use millstream_control::{ScaleStream, Shard, State, Stream, StreamMode, StreamStatus};
use millstream_control_node::SubmitError;
use millstream_types::{LogShard, Timestamp};
use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

/// When on-demand streams are scaled.
#[derive(Clone, Copy, Debug)]
pub struct ScalingSettings {
    /// What one shard takes in a second.
    pub shard_bytes: u64,
    pub shard_records: u64,
    /// How often the load is looked at.
    pub period: Duration,
    /// A shard is split above this load …
    pub split_permille: u64,
    /// … in so many periods on end.
    pub split_periods: u32,
    /// Neighbours are merged when they have been below this load together …
    pub merge_permille: u64,
    /// … in so many periods on end.
    pub merge_periods: u32,
    /// Shards that a stream keeps, and that it has at most.
    pub min_shards: u32,
    pub max_shards: u32,
}

impl Default for ScalingSettings {
    fn default() -> Self {
        Self {
            shard_bytes: caps::SHARD_BYTES,
            shard_records: caps::SHARD_RECORDS,
            period: Duration::from_secs(5),
            split_permille: 800,
            split_periods: 3,
            merge_permille: 250,
            // An hour.
            merge_periods: 720,
            min_shards: caps::ON_DEMAND_SHARDS,
            max_shards: millstream_control::caps::SHARDS_PER_STREAM,
        }
    }
}

impl ScalingSettings {
    /// For tests: a shard is full at one `factor`th of the load, and all goes that much quicker.
    #[must_use]
    pub fn quicker(self, factor: u32) -> Self {
        let factor = factor.max(1);
        Self {
            shard_bytes: (self.shard_bytes / u64::from(factor)).max(1),
            shard_records: (self.shard_records / u64::from(factor)).max(1),
            period: (self.period / factor).max(Duration::from_millis(50)),
            merge_periods: (self.merge_periods / factor).max(10),
            ..self
        }
    }

    /// The load of a shard that was given so much in `time`.
    fn load(&self, meter: &Meter, time: Duration) -> Permille {
        let of = |given: u64, capacity: u64| {
            let most = u128::from(capacity.max(1)) * time.as_nanos().max(1);
            u64::try_from(u128::from(given) * 1_000 * 1_000_000_000 / most).unwrap_or(u64::MAX)
        };
        of(meter.bytes, self.shard_bytes).max(of(meter.records, self.shard_records))
    }
}

/// What is remembered of a stream: of this one, and not of another with its name.
#[derive(Debug)]
struct Remembered {
    created: Timestamp,
    shards: HashMap<LogShard, History>,
}

/// Scale the on-demand streams, for ever.
pub(crate) async fn run(engine: Engine, settings: ScalingSettings) {
    engine.meters.start();
    let mut scaler = Scaler { engine, settings, streams: HashMap::new() };
    let mut last = scaler.engine.clock.monotonic();
    loop {
        tokio::time::sleep(settings.period).await;
        let now = scaler.engine.clock.monotonic();
        let passed = now.saturating_sub(last);
        last = now;
        // A clock that stands still says nothing about how much is much.
        if !passed.is_zero() && !scaler.period(passed).await {
            return;
        }
    }
}

#[derive(Debug)]
struct Scaler {
    engine: Engine,
    settings: ScalingSettings,
    streams: HashMap<String, Remembered>,
}

impl Scaler {
    /// The end of a period that took `passed`. Whether there will be another.
    async fn period(&mut self, passed: Duration) -> bool {
        let state = self.engine.control.state();
        let streams: Vec<Arc<Stream>> = on_demand(&state).cloned().collect();
        let open = |stream: &Arc<Stream>| stream.open_shards().map(|shard| shard.log).collect::<Vec<_>>();
        let logs: HashSet<LogShard> = streams.iter().flat_map(open).collect();
        let meters = self.engine.meters.take(&logs);
        self.streams.retain(|name, remembered| {
            state.streams.get(name).is_some_and(|stream| {
                stream.mode == StreamMode::OnDemand && stream.created == remembered.created
            })
        });
        for stream in streams {
            let decision = self.look(&stream, &meters, passed);
            if decision.is_nothing() || stream.status != StreamStatus::Active {
                continue;
            }
            match self.engine.control.submit(command(&stream, &decision)).await {
                Ok(()) => log(&stream, &decision),
                Err(SubmitError::Closed) => return false,
                // The next period sees what is still to be done.
                Err(error) => tracing::debug!(stream = stream.name, %error, "a stream was not scaled"),
            }
        }
        true
    }

    fn look(&mut self, stream: &Stream, meters: &HashMap<LogShard, Meter>, passed: Duration) -> Decision {
        let mut open: Vec<&Shard> = stream.open_shards().collect();
        open.sort_by_key(|shard| shard.range.start);
        let new = || Remembered { created: stream.created, shards: HashMap::new() };
        let remembered = self.streams.entry(stream.name.clone()).or_insert_with(new);
        let mut histories: Vec<History> = open
            .iter()
            .map(|shard| {
                let mut history = remembered.shards.get(&shard.log).copied().unwrap_or_default();
                let load = meters.get(&shard.log).map_or(0, |meter| self.settings.load(meter, passed));
                history.observe(load, &self.settings);
                history
            })
            .collect();
        let mut seen: Vec<Seen<'_>> = open
            .iter()
            .zip(&mut histories)
            .map(|(shard, history)| Seen {
                id: shard.id,
                history,
                sketch: meters.get(&shard.log).map(|meter| &meter.sketch),
            })
            .collect();
        let decision = match stream.status {
            StreamStatus::Active => {
                // What the stream was warmed up for stays warm.
                let min_shards = self.settings.min_shards.max(stream.warm_mibps.unwrap_or_default());
                decide(&ScalingSettings { min_shards, ..self.settings }, &mut seen)
            }
            StreamStatus::Creating | StreamStatus::Updating | StreamStatus::Deleting => Decision::default(),
        };
        // Only the open shards are remembered.
        remembered.shards = open.iter().map(|shard| shard.log).zip(histories).collect();
        decision
    }
}

fn on_demand(state: &State) -> impl Iterator<Item = &Arc<Stream>> {
    state.streams.values().filter(|stream| stream.mode == StreamMode::OnDemand && stream.status.is_serving())
}

fn command(stream: &Stream, decision: &Decision) -> ScaleStream {
    ScaleStream {
        stream: stream.name.clone(),
        splits: decision.splits.iter().map(|split| (split.shard, split.at)).collect(),
        merges: decision.merges.iter().map(|merge| (merge.low, merge.high)).collect(),
    }
}

/// Say why, one line for each shard.
fn log(stream: &Stream, decision: &Decision) {
    for split in &decision.splits {
        let why = match split.hot_key {
            None => "it has had more than its share of load",
            Some(_) => "one of its hash keys has much of its load and gets a shard of its own",
        };
        let (hot_key, percent) = (split.hot_key.map(|key| key.to_string()), split.load / 10);
        tracing::info!(
            stream = stream.name, shard = %split.shard, percent, at = %split.at, hot_key, why, "a shard is split"
        );
    }
    for merge in &decision.merges {
        let why = "they have long had little load";
        let percent = merge.load / 10;
        tracing::info!(
            stream = stream.name, low = %merge.low, high = %merge.high, percent, why, "two shards are merged"
        );
    }
}
