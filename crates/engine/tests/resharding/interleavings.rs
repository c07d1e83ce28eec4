//! Random interleavings of puts, splits, merges, reads and crashes, with appends that are held back on their way. What is
//! read is what a consumer would have read; in the end all that was acknowledged is there once, and in order per key.

use crate::held_log::Hold;
use crate::world::{ALL, HALF, World, record};
use millstream_control::{CloseShards, FinishReshard, MergeShards, SplitShard, UpdateShardCount};
use millstream_engine::{EngineError, Placed, Start};
use millstream_log::{Log, RetentionClass};
use millstream_types::{HashKey, Position, SequenceNumber, ShardId};
use std::collections::{BTreeMap, HashMap, HashSet};
use tokio::task::JoinHandle;

const SEEDS: u64 = 150;
const STEPS: u64 = 80;
const KEYS: u64 = 6;

/// `SplitMix64`: every choice comes from the seed.
struct Random(u64);

impl Random {
    fn below(&mut self, end: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ (z >> 31)) % end
    }
}

/// A call under way: the keys of its records, each with a number of its own.
struct Put {
    records: Vec<(u64, u64)>,
    task: JoinHandle<Result<Vec<Placed>, EngineError>>,
}

struct Game {
    world: World,
    random: Random,
    running: bool,
    next: u64,
    puts: Vec<Put>,
    acknowledged: HashMap<String, SequenceNumber>,
    read: HashMap<SequenceNumber, String>,
}

fn name(key: u64, number: u64) -> String {
    format!("{key} {number}")
}

impl Game {
    async fn step(mut self) -> Self {
        self.world.clock.advance_millis(self.random.below(3));
        match self.random.below(20) {
            0..=6 => self.put(),
            7 => {
                let holds = [Hold::Nothing, Hold::Appends, Hold::Answers];
                let hold = holds[usize::try_from(self.random.below(3)).unwrap()];
                self.world.log.hold(hold);
            }
            8 | 9 => self.reshard().await,
            10 if self.running => {
                self.world.stop_lifecycle();
                self.running = false;
            }
            10 | 11 if !self.running => {
                self.world.run_lifecycle();
                self.running = true;
            }
            12 if self.random.below(3) == 0 => {
                // What was not answered never will be, and may yet land in the log.
                for put in self.puts.drain(..) {
                    put.task.abort();
                }
                self.world = self.world.crash().await;
                self.running = false;
            }
            13 | 14 => self.peek().await,
            15 | 16 if !self.running => self.reshard_by_hand().await,
            _ => {
                for _ in 0..self.random.below(20) {
                    tokio::task::yield_now().await;
                }
                self.settle(false).await;
            }
        }
        self
    }

    /// One call, with a record under one key or two of which no other call is under way.
    fn put(&mut self) {
        let stream = self.world.stream();
        let busy: HashSet<u64> =
            self.puts.iter().flat_map(|put| put.records.iter().map(|(key, _)| *key)).collect();
        let mut records = Vec::new();
        for _ in 0..=self.random.below(2) {
            let key = self.random.below(KEYS);
            if !busy.contains(&key) {
                records.push((key, self.next));
                self.next += 1;
            }
        }
        let engine = self.world.engine.clone();
        let new: Vec<_> = records
            .iter()
            .map(|(key, number)| record(&name(*key, *number), HALF / 3 * u128::from(*key)))
            .collect();
        if !new.is_empty() {
            let task = tokio::spawn(async move { engine.append(&stream, &new).await });
            self.puts.push(Put { records, task });
        }
    }

    /// Take note of the calls that are answered; of all, if `wait`.
    async fn settle(&mut self, wait: bool) {
        for put in std::mem::take(&mut self.puts) {
            if !wait && !put.task.is_finished() {
                self.puts.push(put);
                continue;
            }
            // One that failed may be there or not.
            if let Ok(placed) = put.task.await.unwrap() {
                for ((key, number), placed) in put.records.into_iter().zip(placed) {
                    self.acknowledged.insert(name(key, number), placed.sequence_number);
                }
            }
        }
    }

    async fn reshard(&mut self) {
        let stream = self.world.stream();
        let mut open: Vec<_> = stream.open_shards().cloned().collect();
        open.sort_by_key(|shard| shard.range.start);
        let place = usize::try_from(self.random.below(open.len() as u64)).unwrap();
        let (shard, high) = (&open[place], open.get(place + 1));
        let control = self.world.engine.control();
        let begun = match (self.random.below(3), high) {
            (0, _) if open.len() < 8 => {
                let key = HashKey(shard.range.start.0 + (shard.range.end.0 - shard.range.start.0) / 2);
                control.submit(SplitShard { stream: "s".into(), shard: shard.id, key }).await
            }
            (1, Some(high)) => {
                let merge = MergeShards { stream: "s".into(), shard: shard.id, adjacent: high.id };
                control.submit(merge).await
            }
            _ => {
                let target = u32::try_from(self.random.below(6) + 1).unwrap();
                control.submit(UpdateShardCount { stream: "s".into(), target, per_day: None }).await.map(drop)
            }
        };
        // One that is refused is no step.
        drop(begun);
    }

    /// One step of what the lifecycle does, with others at work between looking and deciding.
    async fn reshard_by_hand(&mut self) {
        let stream = self.world.stream();
        let Some(reshard) = &stream.reshard else { return };
        for shard in &reshard.shards {
            self.world.log.create(shard.log, RetentionClass::Hours(24)).await.unwrap();
        }
        let tail = |id: &ShardId| self.world.log.tail(stream.shard(*id).unwrap().log).unwrap().current();
        let tails: Vec<Position> = reshard.parents.iter().map(tail).collect();
        for _ in 0..self.random.below(4) {
            self.put();
            for _ in 0..self.random.below(10) {
                tokio::task::yield_now().await;
            }
            self.settle(false).await;
            self.peek().await;
        }
        let stream = || "s".to_owned();
        if reshard.is_closing() {
            self.world.submit(FinishReshard { stream: stream(), ends: tails }).await;
        } else {
            self.world.submit(CloseShards { stream: stream(), durable: tails }).await;
        }
    }

    /// Read all that there is to read now. Who is told that nothing more is there has read all that was acknowledged before.
    async fn peek(&mut self) {
        self.settle(false).await;
        let stream = self.world.stream();
        for shard in &stream.shards {
            let (mut next, mut seen) = (Position::ZERO, HashSet::new());
            loop {
                let page = self.world.engine.read(&stream, shard, next, ALL).await.unwrap();
                let stuck = page.next == next;
                next = page.next;
                for record in page.records {
                    let before = self.read.insert(record.sequence_number, record.partition_key.clone());
                    assert!(before.is_none_or(|before| before == record.partition_key));
                    seen.insert(record.sequence_number);
                }
                if page.behind_millis == 0 {
                    self.has_all_that_was_acknowledged(shard.id, &seen);
                }
                // One that is being closed, and not while the test looks on, may keep its reader waiting.
                if page.behind_millis == 0 || page.at_end || stuck {
                    break;
                }
            }
        }
    }

    fn has_all_that_was_acknowledged(&self, shard: ShardId, seen: &HashSet<SequenceNumber>) {
        for number in self.acknowledged.values().filter(|number| number.shard() == shard) {
            assert!(
                seen.contains(number),
                "{number} was acknowledged, and its reader has caught up without it"
            );
        }
    }

    /// The five ways to begin, at every record of every shard, against the records themselves.
    async fn starts(&self) {
        let (stream, engine) = (self.world.stream(), &self.world.engine);
        for shard in &stream.shards {
            let all = self.world.page(shard.id.0, Start::TrimHorizon).await.records;
            let mut expected = vec![(Start::TrimHorizon, 0), (Start::Latest, all.len())];
            for (place, record) in all.iter().enumerate() {
                let first_then = all.iter().position(|other| other.arrival >= record.arrival).unwrap();
                expected.push((Start::AtSequenceNumber(record.sequence_number), place));
                expected.push((Start::AfterSequenceNumber(record.sequence_number), place + 1));
                expected.push((Start::AtTimestamp(record.arrival), first_then));
            }
            for (start, place) in expected {
                let from = engine.position(&stream, shard, start).await.unwrap();
                let page = engine.read(&stream, shard, from, ALL).await.unwrap();
                let numbers = page.records.iter().map(|record| record.sequence_number);
                let due = all[place..].iter().map(|record| record.sequence_number);
                assert!(numbers.eq(due), "{start:?} of {} does not begin at record {place}", shard.id);
            }
        }
    }

    async fn end(mut self) {
        self.world.log.hold(Hold::Nothing);
        if !self.running {
            self.world.run_lifecycle();
        }
        self.settle(true).await;
        self.world.until_active().await;
        self.peek().await;
        self.starts().await;
        let mut found: HashMap<SequenceNumber, String> = HashMap::new();
        let mut last: BTreeMap<String, u64> = BTreeMap::new();
        let mut names = HashSet::new();
        for record in self.world.walk().await {
            let (key, number) = record.partition_key.split_once(' ').unwrap();
            let number: u64 = number.parse().unwrap();
            assert!(names.insert(record.partition_key.clone()), "{} is there twice", record.partition_key);
            if let Some(told) = self.acknowledged.remove(&record.partition_key) {
                assert_eq!(told, record.sequence_number);
                let before = last.insert(key.to_owned(), number);
                assert!(before.is_none_or(|before| before < number), "key {key}: {before:?}, then {number}");
            }
            found.insert(record.sequence_number, record.partition_key);
        }
        assert!(self.acknowledged.is_empty(), "lost: {:?}", self.acknowledged);
        for (number, name) in self.read {
            assert_eq!(found.get(&number), Some(&name), "it was read, and does not count");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn any_interleaving_keeps_what_was_acknowledged_once_and_in_order() {
    for seed in 0..SEEDS {
        println!("seed {seed}");
        let mut random = Random(seed);
        let world = World::new(u32::try_from(random.below(3) + 1).unwrap()).await;
        let mut game = Game {
            world,
            random,
            running: true,
            next: 0,
            puts: Vec::new(),
            acknowledged: HashMap::new(),
            read: HashMap::new(),
        };
        for _ in 0..STEPS {
            game = game.step().await;
        }
        game.end().await;
    }
}
