//! First of all: a seed decides everything. Without that no other result here means anything.

use millstream_sim::{Plan, Scenario, Storage, Workshop, run};

fn first_difference<'a>(one: &'a str, other: &'a str) -> Option<(&'a str, &'a str)> {
    one.lines().chain([""]).zip(other.lines().chain([""])).find(|(one, other)| one != other)
}

#[test]
fn so_it_is_with_queues_and_events() {
    let workshop = Workshop::open().unwrap();
    for scenario in [Scenario::Queues, Scenario::Events] {
        for seed in 0..3 {
            let plan = Plan::of(scenario, seed, Storage::Disk, None);
            let (one, other) = (run(&plan, &workshop).trace, run(&plan, &workshop).trace);
            let difference = first_difference(&one, &other);
            assert!(difference.is_none(), "seed {seed}, {scenario:?}: {difference:?}");
            assert!(one.lines().count() > 100, "seed {seed}, {scenario:?}: hardly anything happened");
        }
    }
}

#[test]
fn the_same_seed_gives_the_same_trace_and_another_seed_another() {
    let workshop = Workshop::open().unwrap();
    for storage in [Storage::Disk, Storage::Memory] {
        let mut before = String::new();
        for seed in 0..6 {
            let plan = Plan::new(seed, storage, None);
            let (one, other) = (run(&plan, &workshop).trace, run(&plan, &workshop).trace);
            let difference = first_difference(&one, &other);
            assert!(difference.is_none(), "seed {seed}, {storage:?}: {difference:?}");
            assert!(one.lines().count() > 100, "seed {seed}, {storage:?}: hardly anything happened");
            assert_ne!(one, before, "seeds {seed} and {}, {storage:?}", seed - 1);
            before = one;
        }
    }
}
