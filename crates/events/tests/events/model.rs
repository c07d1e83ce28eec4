//! Random events, outcomes, settings, kills and refusals against what is promised.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use crate::world::{Act, Call, Config, DEAD, QUEUE, TOPIC, World, numbered, secs};
use millstream_control::ReserveConcurrency;
use serde_json::Value;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

/// SplitMix64: every choice comes from the seed.
#[derive(Clone)]
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn below(&mut self, end: u64) -> u64 {
        self.next() % end
    }

    fn one_in(&mut self, odds: u64) -> bool {
        self.below(odds) == 0
    }
}

/// What a function has set. It stays as it is through a history.
#[derive(Clone, Copy, Debug)]
struct Set {
    retries: u64,
    age_secs: u64,
}

const FUNCTIONS: [&str; 3] = ["f0", "f1", "f2"];

struct History {
    world: World,
    random: Random,
    sets: BTreeMap<&'static str, Set>,
    /// By number: the function, and when it was taken.
    accepted: BTreeMap<u64, (&'static str, u64)>,
    refused: Vec<u64>,
    kills: u64,
    now: u64,
}

impl History {
    async fn begin(seed: u64) -> Self {
        let mut random = Random(seed);
        let world = World::with_workers(1 + usize::try_from(random.below(4)).unwrap()).await;
        let mut sets = BTreeMap::new();
        for name in FUNCTIONS {
            world.function_with(name, DEAD, false).await;
            let set = Set { retries: random.below(3), age_secs: 60 + random.below(600) };
            let config = Config {
                qualifier: None,
                retries: Some(u32::try_from(set.retries).unwrap()),
                age_secs: Some(u32::try_from(set.age_secs).unwrap()),
                on_success: Some(TOPIC),
                on_failure: Some(QUEUE),
            };
            world.config(name, config).await;
            sets.insert(name, set);
        }
        let acts = Arc::new(Mutex::new(random.clone()));
        world.rule(move |_: &Value| {
            let mut random = acts.lock().unwrap();
            match random.below(10) {
                0..=3 => Act::Succeed,
                4..=6 => Act::Fail,
                7 => Act::Throttle,
                8 => Act::NotRun,
                _ => Act::Slow(random.below(100)),
            }
        });
        Self { world, random, sets, accepted: BTreeMap::new(), refused: Vec::new(), kills: 0, now: 0 }
    }

    async fn step(mut self, number: u64) -> Self {
        match self.random.below(10) {
            0..=4 => {
                let name = FUNCTIONS[usize::try_from(self.random.below(3)).unwrap()];
                match self.world.accept(name, numbered(number)).await {
                    Ok(()) => drop(self.accepted.insert(number, (name, self.now))),
                    Err(_) => self.refused.push(number),
                }
            }
            5 | 6 => {
                let passed = self.random.below(90);
                secs(passed).await;
                self.now += passed;
            }
            7 => {
                self.kills += 1;
                self.world = self.world.kill().await;
            }
            8 => {
                let arn = [QUEUE, TOPIC, DEAD][usize::try_from(self.random.below(3)).unwrap()];
                self.world.refuse(arn, u32::try_from(self.random.below(6)).unwrap());
                let refusals = u32::try_from(self.random.below(3)).unwrap();
                self.world.log.refusals.store(refusals, std::sync::atomic::Ordering::SeqCst);
            }
            _ => {
                let function = FUNCTIONS[usize::try_from(self.random.below(3)).unwrap()].to_owned();
                let reserved = (!self.random.one_in(3)).then_some(1);
                self.world.submit(ReserveConcurrency { function, reserved, limit: None }).await;
            }
        }
        self
    }

    /// Let everything come to its end, and see whether it was as promised.
    async fn end(self) {
        let Self { world, sets, accepted, refused, kills, .. } = self;
        for arn in [QUEUE, TOPIC, DEAD] {
            world.refuse(arn, 0);
        }
        world.log.refusals.store(0, std::sync::atomic::Ordering::SeqCst);
        secs(100_000).await;
        assert_eq!(world.waiting(), 0, "all comes to its end");
        let calls = world.calls();
        let told = world.told();
        let dead = world.letters();
        let dead = |request: &str| {
            dead.iter().any(|letter| letter.attributes.first().is_some_and(|one| one.value == request))
        };
        for number in refused {
            let request = format!("r-{}", numbered(number));
            assert!(calls.iter().all(|call| call.request != request), "{request} was refused");
        }
        for (number, (name, at)) in accepted {
            let request = format!("r-{}", numbered(number));
            let own: Vec<&Call> = calls.iter().filter(|call| call.request == request).collect();
            check_calls(&own, name, sets[name], at, kills);
            let conditions: Vec<&str> = told
                .iter()
                .filter(|(_, _, _, of)| *of == request)
                .map(|(_, condition, _, _)| condition.as_str())
                .collect();
            assert!(!conditions.is_empty(), "nobody was told of {request}");
            assert!(conditions.len() as u64 <= 1 + kills, "{request} was told {conditions:?}");
            for condition in conditions {
                let succeeded = own.iter().any(|call| call.act != Act::Fail);
                let failed = own.iter().filter(|call| call.act == Act::Fail).count() as u64;
                match condition {
                    "Success" => assert!(succeeded, "{request}: {own:?}"),
                    "RetriesExhausted" => assert!(failed > sets[name].retries, "{request}: {own:?}"),
                    "EventAgeExceeded" => {}
                    other => panic!("{other}"),
                }
                assert!(condition == "Success" || dead(&request), "{request} is no dead letter");
            }
        }
    }
}

fn check_calls(own: &[&Call], name: &str, set: Set, accepted: u64, kills: u64) {
    assert!(own.iter().all(|call| call.function == name));
    // A kill forgets at most the attempt that was under way.
    assert!(own.len() as u64 <= 1 + set.retries + kills, "too often: {own:?}");
    for call in own {
        assert!(call.at < accepted + set.age_secs + 1, "too late: {own:?}");
    }
    if kills == 0 {
        let ended = own.iter().position(|call| call.act != Act::Fail);
        assert!(ended.is_none_or(|at| at + 1 == own.len()), "after its success: {own:?}");
        for (index, pair) in own.windows(2).enumerate() {
            let pause = if index == 0 { 60 } else { 120 };
            assert!(pair[1].at >= pair[0].at + pause, "too soon: {own:?}");
        }
    }
}

async fn history(seed: u64) {
    let mut history = History::begin(seed).await;
    let steps = 20 + history.random.below(60);
    for number in 0..steps {
        history = history.step(number).await;
    }
    history.end().await;
}

#[test]
fn random_histories() {
    let seeds = std::env::var("MILLSTREAM_SEEDS").ok().and_then(|text| text.parse().ok()).unwrap_or(300);
    let one = std::env::var("MILLSTREAM_SEED").ok().and_then(|text| text.parse::<u64>().ok());
    for seed in one.map_or(0..seeds, |one| one..one + 1) {
        let runtime =
            tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build().unwrap();
        let ran = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| runtime.block_on(history(seed))));
        let again = "cargo test -p millstream-events --test events random_histories";
        assert!(ran.is_ok(), "MILLSTREAM_SEED={seed} {again}");
    }
}
