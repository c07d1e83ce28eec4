//! Enhanced fan-out against a model: random histories of consumers and their subscriptions, of puts, reshards, time,
//! retention and a stream made anew, on a log that takes its time. What every subscription got is held against a few laws
//! that know nothing of how it is done ([`laws`]). A history that breaks one is made as short as it can be and printed.
//!
//! `MILLSTREAM_SEEDS=5000 cargo test -p millstream-kinesis --test fan_out` runs it for long, and `MILLSTREAM_SEED=7` repeats
//! one history.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod delivery;
mod history;
mod laws;
mod notes;
mod slow_log;
mod steps;
mod truth;
mod world;

use proptest::test_runner::{Config, RngAlgorithm, TestCaseError, TestRng, TestRunner};
use steps::Step;
use world::World;

const SEEDS: u64 = 400;
const STEPS: usize = 70;

/// One history, on a clock of its own that moves when nobody has anything to do.
fn play(steps: &[Step]) -> Result<(), TestCaseError> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build()?;
    runtime.block_on(async {
        let mut world = World::new().await;
        for step in steps {
            world.step(step).await;
        }
        world.finish().await.map_err(TestCaseError::fail)
    })
}

fn number(variable: &str) -> Option<u64> {
    std::env::var(variable).ok()?.parse().ok()
}

fn history(seed: u64) {
    let config = Config { cases: 1, failure_persistence: None, max_shrink_iters: 3_000, ..Config::default() };
    let mut bytes = [0; 32];
    bytes[..8].copy_from_slice(&seed.to_le_bytes());
    let random = TestRng::from_seed(RngAlgorithm::ChaCha, &bytes);
    let found = TestRunner::new_with_rng(config, random).run(&steps::history(STEPS), |steps| play(&steps));
    if let Err(found) = found {
        panic!("{found}\nMILLSTREAM_SEED={seed} cargo test -p millstream-kinesis --test fan_out repeats it");
    }
}

#[test]
fn any_chain_of_subscriptions_delivers_each_record_once_and_in_order() {
    if let Some(seed) = number("MILLSTREAM_SEED") {
        return history(seed);
    }
    for seed in 1..=number("MILLSTREAM_SEEDS").unwrap_or(SEEDS) {
        history(seed);
    }
}
