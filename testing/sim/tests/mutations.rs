//! The laws can be broken: each fault of a log is noticed within a few seeds.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use millstream_sim::{Mutation, Plan, Storage, Workshop, run};

fn caught(mutation: Mutation) {
    let workshop = Workshop::open().unwrap();
    let breaks =
        |seed| !run(&Plan::new(seed, Storage::Disk, Some(mutation)), &workshop).violations.is_empty();
    assert!((0..15).any(breaks), "{mutation:?} is not noticed");
}

#[test]
fn an_early_acknowledgement_is_caught() {
    caught(Mutation::AcknowledgeEarly);
}

#[test]
fn records_shown_before_they_are_durable_are_caught() {
    caught(Mutation::ShowEarly);
}

#[test]
fn a_dropped_record_is_caught() {
    caught(Mutation::Drop);
}

#[test]
fn records_out_of_order_are_caught() {
    caught(Mutation::Swap);
}

#[test]
fn a_call_written_twice_is_caught() {
    caught(Mutation::Twice);
}

#[test]
fn a_page_that_readers_miss_is_caught() {
    caught(Mutation::Skip);
}

#[test]
fn a_disk_that_does_not_sync_is_caught() {
    caught(Mutation::Unsynced);
}
