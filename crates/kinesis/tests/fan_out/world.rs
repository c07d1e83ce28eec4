//! A service on a slow log, and clients of it.

use crate::history::{Answer, Consumer, Moment, Placed, Put, Shard, ShardKey, Start, Subscription};
use crate::laws;
use crate::notes::{Client, Notes};
use crate::slow_log::SlowLog;
use crate::steps::{From, Step};
use bytes::Bytes;
use millstream_control::{ConsumerStatus, State, StreamStatus};
use millstream_engine::Engine;
use millstream_kinesis::{Answer as Answered, Kinesis};
use millstream_shapes::ErrorName;
use millstream_types::{Home, Timestamp};
use millstream_wire::json::Json11;
use serde_json::{Value, json};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;
use tokio::time::Instant;

const ARN: &str = "arn:aws:kinesis:us-east-1:000000000000:stream/s";
const BEGIN: u64 = 1_700_000_000_000;
/// Names of consumers.
const NAMES: u8 = 2;
/// More shards than these are not asked for.
const SHARDS: usize = 6;
/// Three of them are an event's megabyte, and one is beyond it.
const LARGE: usize = 400_000;

/// Tokio's time, which stands still while anybody has something to do.
#[derive(Debug)]
pub(crate) struct Clock(Instant);

impl millstream_host::Clock for Clock {
    fn now(&self) -> Timestamp {
        Timestamp::from_millis(BEGIN + u64::try_from(self.monotonic().as_millis()).unwrap())
    }

    fn monotonic(&self) -> Duration {
        self.0.elapsed()
    }
}

/// Others wait until it is taken.
const ONE_EVENT_KIB: usize = 4_000;

pub(crate) fn id_of(shard: &Value) -> u64 {
    shard.as_str().unwrap().strip_prefix("shardId-").unwrap().parse().unwrap()
}

fn shard_id(id: u64) -> String {
    format!("shardId-{id:012}")
}

async fn call(kinesis: &Kinesis, operation: &str, input: Value) -> Result<Answered, (String, String)> {
    let answer = kinesis.call(&Json11, operation, &Bytes::from(input.to_string())).await;
    answer.map_err(|failure| (failure.error.code.name().to_owned(), failure.error.message))
}

fn body(answer: Answered) -> Value {
    match answer {
        Answered::Body(bytes) if bytes.is_empty() => Value::Null,
        Answered::Body(bytes) => serde_json::from_slice(&bytes).unwrap(),
        Answered::Events(_) => panic!("a stream where there should be a body"),
    }
}

pub(crate) struct World {
    log: Arc<SlowLog>,
    engine: Engine,
    kinesis: Kinesis,
    notes: Arc<Notes>,
    /// Streams of the name that there were before this one.
    life: usize,
    clients: Vec<watch::Sender<Client>>,
}

impl World {
    /// With a stream of two shards and two consumers.
    pub(crate) async fn new() -> Self {
        let clock = Arc::new(Clock(Instant::now()));
        let log = Arc::new(SlowLog::new());
        let control = millstream_control_node::open(log.clone(), clock.clone()).await.unwrap();
        let engine = Engine::new(log.clone(), control, clock.clone()).with_room_for_events(ONE_EVENT_KIB);
        tokio::spawn(engine.clone().run_lifecycle(Duration::ZERO));
        tokio::spawn(engine.clone().run_retention());
        let kinesis = Kinesis::new(engine.clone(), Home::default());
        let notes = Arc::new(Notes::new(clock));
        let mut world = Self { log, engine, kinesis, notes, life: 0, clients: Vec::new() };
        world.create().await;
        for name in 0..NAMES {
            world.register(name).await;
        }
        world
    }

    async fn ask(&self, operation: &str, input: Value) -> Result<Value, (String, String)> {
        call(&self.kinesis, operation, input).await.map(body)
    }

    async fn until(&self, holds: impl Fn(&State) -> bool) {
        self.engine.control().watch().wait_for(|state| holds(state)).await.unwrap();
    }

    async fn until_active(&self) {
        self.until(|state| {
            state.streams.get("s").is_some_and(|stream| stream.status == StreamStatus::Active)
        })
        .await;
    }

    async fn create(&mut self) {
        self.ask("CreateStream", json!({"StreamName": "s", "ShardCount": 2})).await.unwrap();
        self.until_active().await;
        let half = 1 << 127;
        for (id, range) in [(0, (0, half - 1)), (1, (half, u128::MAX))] {
            let (parents, children) = (Vec::new(), Vec::new());
            let shard = Shard { range, parents, children, closing: None, closed: None };
            self.notes.history().shards.insert(ShardKey { life: self.life, id }, shard);
        }
    }

    pub(crate) async fn step(&mut self, step: &Step) {
        match step {
            Step::Put { places, large } => self.put(places, *large),
            Step::Pass { millis } => tokio::time::sleep(Duration::from_millis(*millis)).await,
            Step::LogTakes { records, control } => self.log.takes(*records, *control),
            Step::Split { shard } => self.split(*shard).await,
            Step::Merge { shard } => self.merge(*shard).await,
            Step::Register { name } => self.register(name % NAMES).await,
            Step::Deregister { name } => self.deregister(name % NAMES).await,
            Step::Replace { name } => {
                self.deregister(name % NAMES).await;
                self.until(|state| state.consumer("s", &format!("c{}", name % NAMES)).is_err()).await;
                self.register(name % NAMES).await;
            }
            Step::Subscribe { name, shard, from, later } => {
                let client = if *later { Client::Pauses } else { Client::Reads };
                self.begin(name % NAMES, *shard, from, client);
            }
            Step::Continue { subscription } => self.go_on(*subscription),
            Step::Pause { subscription } => self.client(*subscription, Client::Pauses),
            Step::ReadOn => self.read_on(),
            Step::HangUp { subscription } => self.client(*subscription, Client::HangsUp),
            Step::Recreate => self.recreate().await,
        }
        tokio::task::yield_now().await;
    }

    fn put(&mut self, places: &[u8], large: bool) {
        let (kinesis, notes, life) = (self.kinesis.clone(), self.notes.clone(), self.life);
        let asked = notes.now();
        let data = if large { "A".repeat(LARGE / 3 * 4) } else { "eA==".to_owned() };
        let mut keys = Vec::new();
        let mut entries = Vec::new();
        for place in places {
            let key = notes.history().puts.len().to_string();
            let hash = (u128::from(*place) << 120).to_string();
            entries.push(json!({"PartitionKey": key, "Data": data, "ExplicitHashKey": hash}));
            notes.history().puts.insert(key.clone(), Put { life, asked, answered: None, failed: None });
            keys.push(key);
        }
        tokio::spawn(async move {
            let put = call(&kinesis, "PutRecords", json!({"StreamName": "s", "Records": entries})).await;
            let put = put.map(body);
            let at = notes.now();
            for (entry, key) in keys.iter().enumerate() {
                let mut history = notes.history();
                let record = history.puts.get_mut(key).unwrap();
                match &put {
                    Ok(put) if put["Records"][entry].get("ErrorCode").is_none() => {
                        let told = &put["Records"][entry];
                        let number = told["SequenceNumber"].as_str().unwrap().to_owned();
                        record.answered = Some(Placed { at, shard: id_of(&told["ShardId"]), number });
                    }
                    other => record.failed = Some(format!("{other:?}")),
                }
            }
        });
    }

    /// The open shards, in the order of their hash keys.
    fn open(&self) -> Vec<(u64, Shard)> {
        let history = self.notes.history();
        let mine =
            history.shards.iter().filter(|(key, shard)| key.life == self.life && shard.closing.is_none());
        let mut open: Vec<_> = mine.map(|(key, shard)| (key.id, shard.clone())).collect();
        open.sort_by_key(|(_, shard)| shard.range);
        open
    }

    async fn split(&mut self, pick: u8) {
        let open = self.open();
        let (id, shard) = &open[usize::from(pick) % open.len()];
        let (first, last) = shard.range;
        if open.len() >= SHARDS || last - first < 8 {
            return;
        }
        let middle = first + (last - first) / 2 + 1;
        let input = json!({"StreamName": "s", "ShardToSplit": shard_id(*id), "NewStartingHashKey": middle.to_string()});
        self.reshard("SplitShard", input, &[*id], &[(first, middle - 1), (middle, last)]).await;
    }

    async fn merge(&mut self, pick: u8) {
        let open = self.open();
        let place = usize::from(pick) % open.len();
        let Some((next, high)) = open.get(place + 1) else { return };
        let (id, low) = &open[place];
        let input = json!({"StreamName": "s", "ShardToMerge": shard_id(*id), "AdjacentShardToMerge": shard_id(*next)});
        self.reshard("MergeShards", input, &[*id, *next], &[(low.range.0, high.range.1)]).await;
    }

    async fn reshard(&mut self, operation: &str, input: Value, parents: &[u64], ranges: &[(u128, u128)]) {
        let asked = self.notes.now();
        let life = self.life;
        if let Err((code, _)) = self.ask(operation, input).await {
            // One is under way already, and may yet have to make this shard.
            assert!(
                ["ResourceInUseException", "ResourceNotFoundException"].contains(&code.as_str()),
                "{code}"
            );
            return;
        }
        let mut history = self.notes.history();
        let first = history.shards.keys().filter(|key| key.life == life).map(|key| key.id + 1).max().unwrap();
        let children: Vec<u64> = (first..).take(ranges.len()).collect();
        for (&id, &range) in children.iter().zip(ranges) {
            let parents = parents.to_vec();
            let shard = Shard { range, parents, children: Vec::new(), closing: None, closed: None };
            history.shards.insert(ShardKey { life, id }, shard);
        }
        for &id in parents {
            let shard = history.shards.get_mut(&ShardKey { life, id }).unwrap();
            (shard.closing, shard.children) = (Some(asked), children.clone());
        }
        drop(history);
        let (notes, parents) = (self.notes.clone(), parents.to_vec());
        let mut watch = self.engine.control().watch();
        tokio::spawn(async move {
            let settled = |state: &Arc<State>| {
                state.streams.get("s").is_none_or(|stream| stream.status != StreamStatus::Updating)
            };
            watch.wait_for(settled).await.map(drop).unwrap();
            let now = notes.now();
            for id in parents {
                notes.history().shards.get_mut(&ShardKey { life, id }).unwrap().closed = Some(now);
            }
        });
    }

    async fn register(&mut self, name: u8) {
        let asked = self.notes.now();
        let input = json!({"StreamARN": ARN, "ConsumerName": format!("c{name}")});
        let registered = match self.ask("RegisterStreamConsumer", input).await {
            Ok(registered) => registered,
            // There is one, or the stream is busy.
            Err((code, _)) => return assert_eq!(code, "ResourceInUseException"),
        };
        let arn = registered["Consumer"]["ConsumerARN"].as_str().unwrap().to_owned();
        let mut history = self.notes.history();
        let place = history.consumers.len();
        let (life, active, leaving, left) = (self.life, None, None, None);
        history.consumers.push(Consumer { life, name, arn, asked, active, leaving, left });
        drop(history);
        let (notes, mut watch) = (self.notes.clone(), self.engine.control().watch());
        let name = format!("c{name}");
        tokio::spawn(async move {
            let made = |state: &Arc<State>| {
                state.consumer("s", &name).is_ok_and(|consumer| consumer.status == ConsumerStatus::Active)
            };
            watch.wait_for(made).await.map(drop).unwrap();
            let now = notes.now();
            notes.history().consumers[place].active = Some(now);
        });
    }

    async fn deregister(&mut self, name: u8) {
        let leaving = self.notes.now();
        let input = json!({"StreamARN": ARN, "ConsumerName": format!("c{name}")});
        let done = self.ask("DeregisterStreamConsumer", input).await;
        if let Err((code, _)) = &done {
            return assert_eq!(code, "ResourceNotFoundException");
        }
        let left = self.notes.now();
        let mut history = self.notes.history();
        let consumer = history.consumers.iter_mut().rfind(|consumer| consumer.name == name).unwrap();
        consumer.leaving.get_or_insert(leaving);
        consumer.left.get_or_insert(left);
    }

    fn begin(&mut self, name: u8, pick: u8, from: &From, client: Client) {
        let history = self.notes.history();
        let shards: Vec<u64> =
            history.shards.keys().filter(|key| key.life == self.life).map(|key| key.id).collect();
        let shard = ShardKey { life: self.life, id: shards[usize::from(pick) % shards.len()] };
        let Some(consumer) = history.consumers.iter().rfind(|consumer| consumer.name == name) else { return };
        let arn = consumer.arn.clone();
        let mut numbers: Vec<(String, u64)> = history
            .puts
            .values()
            .filter(|put| put.life == shard.life)
            .filter_map(|put| put.answered.as_ref())
            .filter(|placed| placed.shard == shard.id)
            .map(|placed| (placed.number.clone(), placed.at.at))
            .collect();
        numbers.sort();
        let record = |pick: &u8| numbers.get(usize::from(*pick) % numbers.len().max(1)).cloned();
        let at = |from: &From| match from {
            From::TrimHorizon => None,
            From::Latest => Some(Start::Latest),
            From::AtRecord(pick) => Some(Start::At(record(pick)?.0)),
            From::AfterRecord(pick) => Some(Start::After(record(pick)?.0)),
            From::Ago(millis) => Some(Start::Time(self.notes.now().at - millis)),
            From::WithRecord(pick) => Some(Start::Time(record(pick)?.1)),
        };
        let start = at(from).unwrap_or(Start::TrimHorizon);
        drop(history);
        self.subscribe(arn, shard, start, client);
    }

    /// A client that does not know whether its subscription still lives asks for the next one.
    fn go_on(&mut self, pick: u8) {
        let history = self.notes.history();
        let accepted = history.subscriptions.iter().filter(|subscription| subscription.accepted().is_some());
        let accepted: Vec<_> = accepted.filter(|subscription| subscription.shard.life == self.life).collect();
        let Some(place) = usize::from(pick).checked_rem(accepted.len()) else { return };
        // Mostly of those that began last.
        let before = accepted[accepted.len() - 1 - place];
        let (arn, shard, start) = (before.arn.clone(), before.shard, before.stands());
        drop(history);
        if let Some(start) = start {
            self.subscribe(arn, shard, start, Client::Reads);
        }
    }

    fn subscribe(&mut self, arn: String, shard: ShardKey, start: Start, client: Client) {
        let position = match &start {
            Start::TrimHorizon => json!({"Type": "TRIM_HORIZON"}),
            Start::Latest => json!({"Type": "LATEST"}),
            Start::At(number) => json!({"Type": "AT_SEQUENCE_NUMBER", "SequenceNumber": number}),
            Start::After(number) => json!({"Type": "AFTER_SEQUENCE_NUMBER", "SequenceNumber": number}),
            Start::Time(millis) => {
                let seconds: Value = format!("{}.{:03}", millis / 1_000, millis % 1_000).parse().unwrap();
                json!({"Type": "AT_TIMESTAMP", "Timestamp": seconds})
            }
        };
        let input = json!({"ConsumerARN": arn, "ShardId": shard_id(shard.id), "StartingPosition": position});
        let (client, does) = watch::channel(client);
        let (kinesis, notes) = (self.kinesis.clone(), self.notes.clone());
        let asked = notes.now();
        let (answered, frames, over) = (None, Vec::new(), None);
        let place = self.clients.len();
        notes.history().subscriptions.push(Subscription { arn, shard, start, asked, answered, frames, over });
        self.clients.push(client);
        tokio::spawn(async move {
            match call(&kinesis, "SubscribeToShard", input).await {
                Ok(Answered::Events(frames)) => {
                    notes.answered(place, Answer::Accepted);
                    notes.read(place, frames, does).await;
                }
                Ok(Answered::Body(_)) => panic!("a body where there should be a stream"),
                Err((code, message)) => notes.answered(place, Answer::Refused { code, message }),
            }
        });
    }

    fn client(&mut self, pick: u8, does: Client) {
        if let Some(place) = usize::from(pick).checked_rem(self.clients.len()) {
            let at = self.clients.len() - 1 - place;
            self.clients[at]
                .send_if_modified(|now| *now != Client::HangsUp && std::mem::replace(now, does) != does);
        }
    }

    fn read_on(&mut self) {
        for client in &self.clients {
            client.send_if_modified(|now| {
                *now == Client::Pauses && std::mem::replace(now, Client::Reads) == Client::Pauses
            });
        }
    }

    async fn recreate(&mut self) {
        let asked = self.notes.now();
        let delete =
            self.ask("DeleteStream", json!({"StreamName": "s", "EnforceConsumerDeletion": true})).await;
        if let Err((code, _)) = delete {
            return assert_eq!(code, "ResourceInUseException");
        }
        self.gone(asked);
        self.until(|state| !state.streams.contains_key("s")).await;
        self.life += 1;
        self.create().await;
    }

    /// The stream is no more, and nor are its consumers.
    fn gone(&self, asked: Moment) {
        let left = self.notes.now();
        let mut history = self.notes.history();
        history.deletions.insert(self.life, asked);
        for consumer in history.consumers.iter_mut().filter(|consumer| consumer.life == self.life) {
            consumer.leaving.get_or_insert(asked);
            consumer.left.get_or_insert(left);
        }
    }

    /// Let all that is under way come to its end, and judge.
    pub(crate) async fn finish(&mut self) -> Result<(), String> {
        self.log.takes(0, 0);
        self.until_active().await;
        self.read_on();
        tokio::time::sleep(Duration::from_secs(40)).await;
        let end = self.notes.now();
        laws::check(&self.notes.history(), end)
    }
}
