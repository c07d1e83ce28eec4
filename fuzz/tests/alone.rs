//! The targets that work on other threads: their memory is the whole process's, so they run one after another.

use millstream_fuzz::{Scope, TARGETS, Verdict};
use std::panic::{AssertUnwindSafe, catch_unwind};

#[test]
fn mutants_of_targets_that_need_the_process_alone() {
    let times = if std::env::var_os("MILLSTREAM_LONG").is_some() { 50 } else { 1 };
    for target in TARGETS.iter().filter(|target| target.scope == Scope::Process) {
        let (name, seeds) = (target.name, (target.seeds)());
        assert!(seeds.iter().any(|seed| target.run(seed) == Verdict::Read), "{name}");
        let mut verdicts = [0_u64; 2];
        for seed in 0..target.tries * times {
            let mutant = target.mutant(&seeds, seed);
            let verdict = catch_unwind(AssertUnwindSafe(|| target.run(&mutant))).unwrap_or_else(|_panicked| {
                panic!("seed {seed} breaks a law; replay it with\n\n    cargo xtask fuzz {name} --seed {seed}\n")
            });
            verdicts[usize::from(verdict == Verdict::Read)] += 1;
        }
        assert!(verdicts.iter().all(|count| *count > 10), "{name}: {verdicts:?} refused and read");
    }
}
