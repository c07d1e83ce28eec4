//! Every target with the mutants of fixed seeds: no coverage and no C++, so they run everywhere, in seconds.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use millstream_fuzz::{Scope, TARGETS, Target, Verdict, find};
use std::panic::{AssertUnwindSafe, catch_unwind};

/// How many mutants: `cargo xtask test --long` asks for more.
fn tries(target: &Target) -> u64 {
    let times = if std::env::var_os("MILLSTREAM_LONG").is_some() { 50 } else { 1 };
    target.tries * times
}

fn mutations(name: &str) {
    let target = find(name).unwrap();
    let seeds = (target.seeds)();
    assert!(!seeds.is_empty());
    let good = seeds.iter().filter(|seed| target.run(seed) == Verdict::Read).count();
    assert!(good > 0, "{name}: not one of {} good inputs is read", seeds.len());
    let (mut read, mut refused) = (0_u64, 0_u64);
    for seed in 0..tries(target) {
        let mutant = target.mutant(&seeds, seed);
        let verdict = catch_unwind(AssertUnwindSafe(|| target.run(&mutant))).unwrap_or_else(|_panicked| {
            panic!("seed {seed} breaks a law; replay it with\n\n    cargo xtask fuzz {name} --seed {seed}\n")
        });
        match verdict {
            Verdict::Read => read += 1,
            Verdict::Refused => refused += 1,
        }
    }
    // Mutants that are all refused, or all read, try nothing.
    assert!(read > 20 && refused > 20, "{name}: {read} mutants were read and {refused} refused");
}

macro_rules! targets {
    ($($name:ident)+) => {
        $(#[test]
        fn $name() {
            mutations(stringify!($name));
        })+

        #[test]
        fn every_target_that_may_share_a_process_is_tested() {
            let here = [$(stringify!($name)),+];
            let all: Vec<_> =
                TARGETS.iter().filter(|target| target.scope == Scope::Thread).map(|target| target.name).collect();
            assert_eq!(all, here);
        }
    };
}

targets! {
    wal_file_header wal_group wal_entries segment_frame segment checkpoint format data_directory control_record
    control_snapshot control_log stored_record tokens json cbor requests rest event_stream names policies signatures
}
