//! The laws of queues, whatever fails. `MILLSTREAM_LONG=1` runs many more seeds.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use millstream_sim::{Mutation, Plan, Scenario, Storage, Workshop, run};

fn seeds(storage: Storage, few: u64, option: &str) {
    let workshop = Workshop::open().unwrap();
    let factor = if std::env::var_os("MILLSTREAM_LONG").is_some() { 40 } else { 1 };
    let (mut received, mut dead, mut settled, mut starts) = (0, 0, 0, 0);
    for seed in 0..few * factor {
        let report = run(&Plan::of(Scenario::Queues, seed, storage, None), &workshop);
        assert!(
            report.violations.is_empty(),
            "seed {seed} breaks a law: {:#?}\nrun it again with: cargo xtask sim --scenario queues --from {seed} --seeds 1{option} \
             --trace /tmp/trace",
            report.violations
        );
        received += report.received;
        dead += report.dead;
        settled += report.settled;
        starts += report.starts;
    }
    // Laws are easy to keep where nothing happens.
    assert!(received > 1_000 && settled > 500, "{received} records were received, {settled} acknowledged");
    assert!(dead > 50, "{dead} dead letters were received");
    assert!(starts > few, "the server was started {starts} times");
}

#[test]
fn the_embedded_log_on_a_failing_disk() {
    seeds(Storage::Disk, 70, "");
}

#[test]
fn the_model_of_the_log() {
    seeds(Storage::Memory, 15, " --memory");
}

/// A fault of the journal alone, which the laws of streams cannot notice.
fn caught(mutation: Mutation) {
    let workshop = Workshop::open().unwrap();
    let plan = |seed| Plan::of(Scenario::Queues, seed, Storage::Disk, Some(mutation));
    let is_caught = |seed| !run(&plan(seed), &workshop).violations.is_empty();
    assert!((0..15).any(is_caught), "{mutation:?} is not noticed");
}

#[test]
fn a_change_that_is_not_written_is_caught() {
    caught(Mutation::Forget);
}

#[test]
fn a_change_that_is_answered_before_it_is_durable_is_caught() {
    caught(Mutation::AcknowledgeEarly);
}

#[test]
fn a_part_of_the_journal_that_is_not_read_again_is_caught() {
    caught(Mutation::Skip);
}
