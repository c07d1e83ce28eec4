//! The laws of asynchronous invocations, whatever fails. `MILLSTREAM_LONG=1` runs many more seeds.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use millstream_sim::{Mutation, Plan, Scenario, Storage, Workshop, run};

fn seeds(storage: Storage, few: u64, option: &str) {
    let workshop = Workshop::open().unwrap();
    let factor = if std::env::var_os("MILLSTREAM_LONG").is_some() { 40 } else { 1 };
    let (mut events, mut calls, mut told, mut starts) = (0, 0, 0, 0);
    for seed in 0..few * factor {
        let report = run(&Plan::of(Scenario::Events, seed, storage, None), &workshop);
        assert!(
            report.violations.is_empty(),
            "seed {seed} breaks a law: {:#?}\nrun it again with: cargo xtask sim --scenario events --from {seed} --seeds 1{option} \
             --trace /tmp/trace",
            report.violations
        );
        events += report.events;
        calls += report.calls;
        told += report.told;
        starts += report.starts;
    }
    // Laws are easy to keep where nothing happens.
    assert!(events > 500, "{events} events were taken");
    assert!(calls > events, "{calls} calls of {events} events: nothing was tried again");
    assert!(told > 100, "somebody was told {told} times");
    assert!(starts > few, "the server was started {starts} times");
}

#[test]
fn the_embedded_log_on_a_failing_disk() {
    seeds(Storage::Disk, 100, "");
}

#[test]
fn the_model_of_the_log() {
    seeds(Storage::Memory, 20, " --memory");
}

/// A fault of the journal alone.
fn caught(mutation: Mutation) {
    let workshop = Workshop::open().unwrap();
    let plan = |seed| Plan::of(Scenario::Events, seed, Storage::Disk, Some(mutation));
    let is_caught = |seed| !run(&plan(seed), &workshop).violations.is_empty();
    assert!((0..15).any(is_caught), "{mutation:?} is not noticed");
}

#[test]
fn a_record_that_is_not_written_is_caught() {
    caught(Mutation::Forget);
}

#[test]
fn an_event_that_is_taken_before_it_is_durable_is_caught() {
    caught(Mutation::AcknowledgeEarly);
}

#[test]
fn a_part_of_the_journal_that_is_not_read_again_is_caught() {
    caught(Mutation::Skip);
}
