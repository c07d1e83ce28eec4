//! Random histories against what a mapping promises, whatever its parameters and whatever its function does:
//!
//! - every record is processed, filtered out, or given up and told of: none is skipped;
//! - the records of a partition key come in order: none comes for the first time before one that was put earlier is done;
//! - a batch that always fails is tried as often as it may be, and not more often.
//!
//! `MILLSTREAM_SEEDS=1000` runs more of them; a failure names its seed.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on should stop")]

use crate::letters::Letters;
use crate::script::{Act, Call};
use crate::world::{NOW, World, settings};
use millstream_control::{
    DeliverySettings, MappingSettings,
    MappingState::{Disabled, Enabled},
    MergeShards, SplitShard,
    StartingPosition::{AtTimestamp, TrimHorizon},
};
use millstream_types::{HashKey, ShardId};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};
use std::time::Duration;

struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn below(&mut self, end: u32) -> u32 {
        u32::try_from(self.next() % u64::from(end)).unwrap()
    }

    fn one_in(&mut self, odds: u32) -> bool {
        self.below(odds) == 0
    }
}

const KEYS: u32 = 7;
const QUEUE: &str = "arn:aws:sqs:us-east-1:000000000000:q";

/// A record: its key, and its number among that key's records.
type Name = (String, u64);

fn names(call: &Call) -> Vec<(Name, String, bool)> {
    let decoded = |text: &Value| base64_simd::STANDARD.decode_to_vec(text.as_str().unwrap()).unwrap();
    let records = call.records().iter().map(|record| &record["kinesis"]);
    records
        .map(|record| {
            let data: Value = serde_json::from_slice(&decoded(&record["data"])).unwrap();
            let name = (record["partitionKey"].as_str().unwrap().to_owned(), data["n"].as_u64().unwrap());
            let number = record["sequenceNumber"].as_str().unwrap().to_owned();
            (name, number, data["bad"].as_bool().unwrap())
        })
        .collect()
}

/// Where a record is: its shard, and its sequence number there.
type Place = (String, String);

/// What the function has seen, and what it did.
#[derive(Debug, Default)]
struct Seen {
    /// By key: the numbers in the order in which they were done.
    done: BTreeMap<String, BTreeSet<u64>>,
    places: BTreeMap<Place, Name>,
    /// Invocations of batches that were one bad record, since the mapping was last changed or restarted.
    alone: BTreeMap<Name, u32>,
    /// The most of them.
    most_alone: u32,
    wrong: Vec<String>,
    /// Which numbers each key was put with that pass the filter, in order.
    put: BTreeMap<String, Vec<u64>>,
    given_up: BTreeSet<Name>,
}

impl Seen {
    /// A record that comes must not overtake one of its key.
    fn comes(&mut self, (key, number): &Name, before: &[(Name, String, bool)]) {
        let done = self.done.entry(key.clone()).or_default();
        for earlier in self.put.get(key).into_iter().flatten().take_while(|earlier| *earlier < number) {
            let earlier_name = (key.clone(), *earlier);
            let with_it = before.iter().any(|(name, _, _)| *name == earlier_name);
            if !with_it && !done.contains(earlier) && !self.given_up.contains(&earlier_name) {
                self.wrong.push(format!("{key} {number} came before {earlier} was done"));
            }
        }
    }
}

impl Seen {
    /// Note what the destination was told: who is in the batches that were given up.
    fn told(&mut self, letters: &Letters) {
        for body in letters.bodies() {
            let info = &body["KinesisBatchInfo"];
            let [shard, start, end] = ["shardId", "startSequenceNumber", "endSequenceNumber"]
                .map(|name| info[name].as_str().unwrap().to_owned());
            let range = self.places.range((shard.clone(), start)..=(shard, end));
            self.given_up.extend(range.map(|(_, name)| name.clone()));
        }
    }
}

fn parameters(random: &mut Random) -> MappingSettings {
    let bounded = random.one_in(2);
    let delivery = DeliverySettings {
        parallelization: [1, 1, 2, 3, 10][random.below(5) as usize],
        // With bad records in the stream, something must let go of them.
        max_retries: Some(random.below(4)),
        max_age_secs: random.one_in(4).then(|| 60 + random.below(120)),
        bisect: random.one_in(2),
        report_failures: random.one_in(2),
        tumbling_secs: 0,
        filters: if random.one_in(3) { vec![r#"{"data":{"wanted":[true]}}"#.into()] } else { Vec::new() },
        on_failure: Some(QUEUE.into()),
        count_events: false,
    };
    let mut chosen = settings(1 + random.below(8), if bounded { 0 } else { random.below(3) });
    chosen.delivery = delivery;
    if chosen.delivery.parallelization == 1 && random.one_in(3) {
        chosen.delivery.tumbling_secs = 1 + random.below(60);
    }
    chosen
}

fn rule(
    seen: Arc<Mutex<Seen>>,
    letters: Letters,
    mut random: Random,
    reports: bool,
) -> impl FnMut(&Call) -> Act + Send {
    move |call| {
        let pause = Duration::from_millis(u64::from(random.below(8_000)));
        let act = act(&mut seen.lock().unwrap(), &letters, &mut random, reports, call);
        // Some are slow, whatever they do then.
        if random.one_in(4) { Act::After(pause, Box::new(act)) } else { act }
    }
}

fn act(seen: &mut Seen, letters: &Letters, random: &mut Random, reports: bool, call: &Call) -> Act {
    let records = names(call);
    seen.told(letters);
    for (index, (name, _, _)) in records.iter().enumerate() {
        seen.comes(name, &records[..index]);
    }
    let windows = call.event.get("window").is_some();
    let answer = |mut body: Value| {
        if windows {
            body["state"] = json!({});
        }
        Act::Answer(body.to_string())
    };
    match random.below(12) {
        0 => return Act::Throttle,
        1 => return Act::NotRun,
        _ => {}
    }
    if let [(name, _, true)] = records.as_slice() {
        let count = seen.alone.entry(name.clone()).or_default();
        *count += 1;
        let count = *count;
        seen.most_alone = seen.most_alone.max(count);
    }
    let mut done = |records: &[(Name, String, bool)]| {
        for ((key, number), _, _) in records {
            seen.done.entry(key.clone()).or_default().insert(*number);
        }
    };
    match records.iter().position(|(_, _, bad)| *bad) {
        Some(bad) if reports && !random.one_in(3) => {
            done(&records[..bad]);
            answer(json!({ "batchItemFailures": [{ "itemIdentifier": records[bad].1 }] }))
        }
        Some(_) => Act::Fail,
        None => {
            done(&records);
            answer(json!({}))
        }
    }
}

/// A history of one server after the other, over one log.
async fn history(number: u64) {
    let mut random = Random(number);
    let mut world = World::new().await;
    world.stream("s", 1 + random.below(2)).await;
    world.function().await;
    let seen = Arc::new(Mutex::new(Seen::default()));
    let mut chosen = parameters(&mut random);
    // What has gone by before a filter was there stays; so the filter is chosen once.
    let filters = chosen.delivery.filters.clone();
    let mut most_retries = chosen.delivery.max_retries.unwrap();
    let follow = |world: &World, reports: bool, random: &mut Random| {
        world.script.rule(rule(seen.clone(), world.letters.clone(), Random(random.next()), reports));
        seen.lock().unwrap().alone.clear();
    };
    follow(&world, chosen.delivery.report_failures, &mut random);
    let consumer = if random.one_in(3) { Some(world.consumer().await) } else { None };
    let starting = if random.one_in(3) { AtTimestamp(NOW) } else { TrimHorizon };
    world.mapping_from(starting, chosen.clone(), consumer).await;
    world.until_state(Enabled).await;
    let mut next: BTreeMap<u32, u64> = BTreeMap::new();
    for _ in 0..(20 + random.below(40)) {
        match random.below(20) {
            0 => {
                chosen = parameters(&mut random);
                chosen.delivery.filters.clone_from(&filters);
                most_retries = most_retries.max(chosen.delivery.max_retries.unwrap());
                // A report counts only once all lanes know that there are some.
                follow(&world, false, &mut random);
                world.change(chosen.clone()).await;
                world.until_state(Enabled).await;
                follow(&world, chosen.delivery.report_failures, &mut random);
            }
            1 => {
                world = if random.one_in(2) { world.crash().await } else { world.restart().await };
                follow(&world, chosen.delivery.report_failures, &mut random);
            }
            2 => reshard(&world, &mut random).await,
            3 => world.letters.refuse(random.below(4)),
            4 => world.clock.advance_millis(u64::from(random.below(40_000))),
            5 => {
                world.change(MappingSettings { enabled: false, ..chosen.clone() }).await;
                world.until_state(Disabled).await;
                put(&world, &seen, &filters, &mut next, &mut random).await;
                follow(&world, chosen.delivery.report_failures, &mut random);
                world.change(chosen.clone()).await;
                world.until_state(Enabled).await;
            }
            6..9 => tokio::time::sleep(Duration::from_millis(u64::from(random.below(5_000)))).await,
            _ => put(&world, &seen, &filters, &mut next, &mut random).await,
        }
    }
    finish(&mut world, &seen, number).await;
    let seen = seen.lock().unwrap();
    assert!(seen.wrong.is_empty(), "seed {number}: {:?}", &seen.wrong[..seen.wrong.len().min(3)]);
    // One attempt, and its retries; each time that lanes begin anew, again.
    assert!(
        seen.most_alone <= most_retries + 1,
        "seed {number}: {} attempts of {most_retries}",
        seen.most_alone
    );
}

async fn put(
    world: &World,
    seen: &Mutex<Seen>,
    filters: &[String],
    next: &mut BTreeMap<u32, u64>,
    random: &mut Random,
) {
    let key = random.below(KEYS);
    let number = next.entry(key).or_default();
    *number += 1;
    let (wanted, bad) = (!random.one_in(3), random.one_in(6));
    let name = format!("key-{key}");
    if wanted || filters.is_empty() {
        seen.lock().unwrap().put.entry(name.clone()).or_default().push(*number);
    }
    let data = json!({ "n": *number, "wanted": wanted, "bad": bad }).to_string();
    // A key is always in the same half of the stream.
    let hash = if key.is_multiple_of(2) { u128::from(key) } else { u128::MAX - u128::from(key) };
    let placed = world.put_data(&name, hash, data.as_bytes()).await;
    // Compared as text, which sequence numbers of one length may be.
    let place = (placed.shard.to_string(), placed.sequence_number.to_string());
    seen.lock().unwrap().places.insert(place, (name, *number));
}

async fn reshard(world: &World, random: &mut Random) {
    let stream = world.state().stream("s").unwrap().clone();
    let open: Vec<_> = stream.shards.iter().filter(|shard| shard.closed_at.is_none()).collect();
    if stream.reshard.is_some() {
        return;
    }
    let control = world.engine.control();
    // Refused when another is under way, which is as well.
    let done = if open.len() == 1 {
        let key = HashKey((1 << 127) + u128::from(random.below(5)));
        control.submit(SplitShard { stream: "s".into(), shard: open[0].id, key }).await.map(drop)
    } else {
        let (shard, adjacent): (ShardId, ShardId) = (open[0].id, open[1].id);
        control.submit(MergeShards { stream: "s".into(), shard, adjacent }).await.map(drop)
    };
    drop(done);
}

/// Until all that was put is accounted for.
async fn finish(world: &mut World, seen: &Mutex<Seen>, number: u64) {
    for _ in 0..2_000 {
        seen.lock().unwrap().told(&world.letters);
        world.clock.advance_millis(100);
        let left: Vec<Name> = {
            let seen = seen.lock().unwrap();
            let all =
                seen.put.iter().flat_map(|(key, numbers)| numbers.iter().map(move |n| (key.clone(), *n)));
            let is_done = |(key, number): &Name| seen.done.get(key).is_some_and(|done| done.contains(number));
            all.filter(|name| !is_done(name) && !seen.given_up.contains(name)).collect()
        };
        if left.is_empty() {
            return;
        }
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
    let statuses = world.mappings.statuses();
    panic!("seed {number}: records are missing: {:?}\n{statuses:#?}", seen.lock().unwrap());
}

#[test]
fn no_record_is_skipped_or_overtaken_and_retries_are_bounded() {
    let seeds: u64 = std::env::var("MILLSTREAM_SEEDS").map_or(60, |text| text.parse().unwrap());
    for number in 0..seeds {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build();
        runtime.unwrap().block_on(history(number));
    }
}
