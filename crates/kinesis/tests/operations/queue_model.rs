//! Random histories of a queue, against a model that keeps one fate for each record: several receivers, acknowledgements,
//! visibility, time, dead letters, reshards, retention and restarts.
//!
//! `MILLSTREAM_SEEDS=5000 cargo test -p millstream-kinesis --test operations random_histories` runs it for long, and
//! `MILLSTREAM_SEED=7` repeats one history.

use crate::Service;
use futures_util::future::join_all;
use millstream_control::{QueueStatus, State, StreamStatus};
use millstream_engine::Engine;
use millstream_host::clock::ManualClock;
use millstream_kinesis::Kinesis;
use millstream_log::{Log, MemoryLog};
use millstream_types::{Home, Timestamp};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;
use tokio::task::JoinHandle;

const MAX_RECEIVES: u64 = 3;
const STEPS: u64 = 80;

/// What has become of a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fate {
    /// Nobody has received it.
    Fresh,
    Open {
        count: u64,
        /// Deliveries in all: only the receipt of the last one is good.
        number: u64,
        dead: bool,
        visible_at: u64,
    },
    Acknowledged,
    /// The stream has forgotten it. The queue may not have noticed.
    Expired,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Record,
    Dead,
}

impl Kind {
    fn operation(self, verb: &str, suffix: &str) -> String {
        match self {
            Self::Record => format!("{verb}QueueRecords{suffix}"),
            Self::Dead => format!("{verb}DeadLetterQueueRecords{suffix}"),
        }
    }
}

/// What a receiver holds.
#[derive(Clone, Debug)]
struct Receipt {
    value: u64,
    kind: Kind,
    number: u64,
    handle: String,
}

struct Random(u64);

impl Random {
    fn below(&mut self, limit: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from((self.0 >> 16) % limit as u64).unwrap()
    }
}

struct World {
    seed: u64,
    random: Random,
    log: Arc<dyn Log>,
    clock: Arc<ManualClock>,
    service: Service,
    lifecycle: JoinHandle<()>,
    queue: String,
    fates: BTreeMap<u64, Fate>,
    receipts: Vec<Receipt>,
}

async fn open(log: &Arc<dyn Log>, clock: &Arc<ManualClock>) -> (Service, JoinHandle<()>) {
    let control = millstream_control_node::open(log.clone(), clock.clone()).await.unwrap();
    let engine = Engine::new(log.clone(), control, clock.clone());
    let lifecycle = tokio::spawn(engine.clone().run_lifecycle(Duration::ZERO));
    let kinesis = Kinesis::new(engine.clone(), Home::default());
    (Service { kinesis, clock: clock.clone(), engine }, lifecycle)
}

impl World {
    async fn new(seed: u64) -> Self {
        let clock = ManualClock::at(Timestamp::from_millis(1_700_000_000_500));
        let log: Arc<dyn Log> = Arc::new(MemoryLog::new());
        let (service, lifecycle) = open(&log, &clock).await;
        let enable = json!({"MinimumThroughputBillingCommitment": {"Status": "ENABLED"}});
        service.call("UpdateAccountSettings", enable).await;
        let create = json!({"StreamName": "s", "StreamModeDetails": {"StreamMode": "ON_DEMAND"}});
        service.call("CreateStream", create).await;
        let random = Random(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1);
        let (fates, receipts, queue) = (BTreeMap::new(), Vec::new(), String::new());
        let mut world = Self { seed, random, log, clock, service, lifecycle, queue, fates, receipts };
        world.stream_is_active().await;
        let source = json!({"StreamARN": crate::ARN, "StartingPosition": {"Type": "TRIM_HORIZON"}});
        let dead = json!({"TargetType": "BUILT_IN", "MaxReceiveCount": MAX_RECEIVES});
        let attributes = json!({"DeadLetterConfiguration": dead});
        let create =
            json!({"QueueName": "q", "StreamConfigurationList": [source], "QueueAttributes": attributes});
        let made = world.service.call("CreateQueue", create).await;
        world.queue = made["QueueDescription"]["QueueARN"].as_str().unwrap().to_owned();
        let active = |state: &Arc<State>| state.queues.values().all(|q| q.status == QueueStatus::Active);
        world.service.engine.control().watch().wait_for(active).await.unwrap();
        world
    }

    async fn stream_is_active(&self) {
        let active = |state: &Arc<State>| state.streams["s"].status == StreamStatus::Active;
        self.service.engine.control().watch().wait_for(active).await.unwrap();
    }

    fn now(&self) -> u64 {
        self.service.engine.now().millis()
    }

    /// Whether a receive of this kind may return the record.
    fn is_available(&self, fate: Fate, kind: Kind) -> bool {
        match fate {
            Fate::Fresh => kind == Kind::Record,
            Fate::Open { dead, visible_at, .. } => dead == (kind == Kind::Dead) && visible_at <= self.now(),
            Fate::Acknowledged | Fate::Expired => false,
        }
    }

    async fn put(&mut self) {
        let first = self.fates.len() as u64;
        let values = first..first + 1 + self.random.below(12) as u64;
        self.service.put_values(values.clone()).await;
        self.fates.extend(values.map(|value| (value, Fate::Fresh)));
    }

    /// Several receivers at once. No record goes to two of them.
    async fn receive(&mut self, kind: Kind) {
        let secs = 1 + self.random.below(40) as u64;
        let receivers = 1 + self.random.below(3);
        let operation = kind.operation("Receive", "");
        let asked = (0..receivers).map(|_| self.service.receive(&operation, &self.queue, secs));
        let answers = join_all(asked).await;
        let in_vain = answers.iter().any(Vec::is_empty);
        for record in answers.into_iter().flatten() {
            self.received(kind, &record, secs);
        }
        if in_vain {
            let stuck: Vec<_> =
                self.fates.iter().filter(|(_, fate)| self.is_available(**fate, kind)).collect();
            assert!(stuck.is_empty(), "seed {}: not delivered: {stuck:?}", self.seed);
        }
    }

    fn received(&mut self, kind: Kind, record: &Value, secs: u64) {
        let data = base64_simd::STANDARD.decode_to_vec(record["Data"].as_str().unwrap()).unwrap();
        let value: u64 = String::from_utf8(data).unwrap().parse().unwrap();
        assert_eq!(record["PartitionKey"], value.to_string());
        let fate = self.fates[&value];
        let seed = self.seed;
        assert!(
            self.is_available(fate, kind),
            "seed {seed}: {value} was received as {kind:?}, and is {fate:?}"
        );
        let (count, number, dead) = match fate {
            Fate::Open { count, number, dead, .. } => (count + 1, number + 1, dead),
            _ => (1, 1, false),
        };
        assert_eq!(record["ReceiveCount"], count, "seed {seed}: {value}");
        assert!(dead || count <= MAX_RECEIVES, "seed {seed}: {value} was received {count} times");
        let dead = dead || count >= MAX_RECEIVES;
        let visible_at = self.now() + secs * 1_000;
        self.fates.insert(value, Fate::Open { count, number, dead, visible_at });
        let handle = record["ReceiptHandle"].as_str().unwrap().to_owned();
        self.receipts.push(Receipt { value, kind, number, handle });
    }

    /// Use any receipt that was ever given out. What comes of it says the record's fate alone.
    async fn settle(&mut self) {
        if self.receipts.is_empty() {
            return;
        }
        let receipt = self.receipts[self.random.below(self.receipts.len())].clone();
        let (kind, secs) = (receipt.kind, self.random.below(40) as u64);
        let hide = kind.operation("Update", "Visibility");
        let (operation, entry) = match self.random.below(3) {
            0 => (hide, json!({"ReceiptHandle": receipt.handle, "VisibilityTimeoutSeconds": secs})),
            1 if kind == Kind::Dead => {
                (kind.operation("Restore", ""), json!({"ReceiptHandle": receipt.handle}))
            }
            _ => (kind.operation("Acknowledge", ""), json!({"ReceiptHandle": receipt.handle})),
        };
        let answer = self.service.ask(&operation, json!({"QueueARN": self.queue, "Entries": [entry]})).await;
        let refused = answer["Failed"][0]["ErrorCode"].as_str();
        let fate = self.fates[&receipt.value];
        let expected = match fate {
            Fate::Fresh => panic!("seed {}: a receipt of what nobody received", self.seed),
            Fate::Expired => return,
            Fate::Acknowledged => Some("ResourceNotFoundException"),
            Fate::Open { number, dead, .. } if number != receipt.number || (kind == Kind::Dead && !dead) => {
                Some("InvalidArgumentException")
            }
            Fate::Open { .. } => None,
        };
        assert_eq!(refused, expected, "seed {}: {operation} of {receipt:?}, which is {fate:?}", self.seed);
        let Fate::Open { count, number, dead, .. } = fate else { return };
        if refused.is_none() {
            let now = self.now();
            let fate = if operation.starts_with("Update") {
                Fate::Open { count, number, dead, visible_at: now + secs * 1_000 }
            } else if operation.starts_with("Restore") {
                Fate::Open { count: 0, number, dead: false, visible_at: now }
            } else {
                Fate::Acknowledged
            };
            self.fates.insert(receipt.value, fate);
        }
    }

    /// Change one character of a receipt, or use it where it was not given out.
    async fn forge(&mut self) {
        if self.receipts.is_empty() {
            return;
        }
        let Receipt { kind, mut handle, .. } = self.receipts[self.random.below(self.receipts.len())].clone();
        let kind = if self.random.below(2) == 0 {
            if kind == Kind::Dead { Kind::Record } else { Kind::Dead }
        } else {
            // Not the last one, of which some bits say nothing.
            let at = self.random.below(handle.len() - 1);
            let other = if &handle[at..=at] == "A" { "B" } else { "A" };
            handle.replace_range(at..=at, other);
            kind
        };
        let input = json!({"QueueARN": self.queue, "Entries": [{"ReceiptHandle": handle}]});
        let answer = self.service.ask(&kind.operation("Acknowledge", ""), input).await;
        assert_eq!(answer["Successful"], json!([]), "seed {}: {handle} is forged", self.seed);
        assert_eq!(answer["Failed"][0]["ErrorCode"], "InvalidArgumentException", "seed {}", self.seed);
    }

    fn pass(&mut self, millis: u64) {
        self.clock.advance_millis(millis);
    }

    /// All that is in the stream is older than it keeps records.
    fn expire(&mut self) {
        self.pass(25 * 3_600_000);
        for fate in self.fates.values_mut().filter(|fate| **fate != Fate::Acknowledged) {
            *fate = Fate::Expired;
        }
    }

    async fn restart(&mut self) {
        self.lifecycle.abort();
        (self.service, self.lifecycle) = open(&self.log, &self.clock).await;
        self.stream_is_active().await;
    }

    async fn reshard(&mut self) {
        let mibps = 4 + self.random.below(5);
        let warm = json!({"StreamName": "s", "WarmThroughputMiBps": mibps});
        self.service.call("UpdateStreamWarmThroughput", warm).await;
        if self.random.below(2) == 0 {
            self.stream_is_active().await;
        } else {
            self.restart().await;
        }
    }

    async fn step(&mut self) {
        match self.random.below(40) {
            0..=7 => self.put().await,
            8..=17 => self.receive(Kind::Record).await,
            18..=21 => self.receive(Kind::Dead).await,
            22..=30 => self.settle().await,
            31 => self.forge().await,
            32..=35 => {
                let millis = self.random.below(40_000) as u64;
                self.pass(millis);
            }
            36 | 37 => self.restart().await,
            38 => self.reshard().await,
            _ if self.random.below(3) == 0 => self.expire(),
            _ => {}
        }
    }

    /// Everything comes out, and nothing comes after it.
    async fn drain(&mut self) {
        self.restart().await;
        for kind in [Kind::Record, Kind::Dead] {
            loop {
                self.pass(60_000);
                let records = self.service.receive(&kind.operation("Receive", ""), &self.queue, 30).await;
                for record in &records {
                    self.received(kind, record, 30);
                }
                if records.is_empty() {
                    break;
                }
                let entries = crate::queues::entries(&records);
                let input = json!({"QueueARN": self.queue, "Entries": entries});
                let done = self.service.ask(&kind.operation("Acknowledge", ""), input).await;
                assert_eq!(done["Failed"], json!([]), "seed {}", self.seed);
                for receipt in self.receipts.iter().rev().take(records.len()) {
                    self.fates.insert(receipt.value, Fate::Acknowledged);
                }
            }
        }
        let left: Vec<_> = self
            .fates
            .iter()
            .filter(|(_, fate)| !matches!(fate, Fate::Acknowledged | Fate::Expired))
            .collect();
        assert!(left.is_empty(), "seed {}: lost or stuck: {left:?}", self.seed);
    }
}

async fn history(seed: u64) {
    let mut world = World::new(seed).await;
    for _ in 0..STEPS {
        world.step().await;
    }
    world.drain().await;
    world.lifecycle.abort();
}

fn number(variable: &str) -> Option<u64> {
    std::env::var(variable).ok()?.parse().ok()
}

#[tokio::test(start_paused = true)]
async fn random_histories_lose_nothing_and_bring_nothing_back() {
    if let Some(seed) = number("MILLSTREAM_SEED") {
        return history(seed).await;
    }
    for seed in 1..=number("MILLSTREAM_SEEDS").unwrap_or(40) {
        history(seed).await;
    }
}
