//! Every law is kept, whatever fails. `MILLSTREAM_LONG=1` runs many more seeds; `cargo xtask sim` runs any.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use millstream_sim::{Plan, Storage, Workshop, run};

fn seeds(storage: Storage, few: u64, option: &str) {
    let workshop = Workshop::open().unwrap();
    let factor = if std::env::var_os("MILLSTREAM_LONG").is_some() { 40 } else { 1 };
    let (mut acknowledged, mut reads, mut starts) = (0, 0, 0);
    for seed in 0..few * factor {
        let report = run(&Plan::new(seed, storage, None), &workshop);
        assert!(
            report.violations.is_empty(),
            "seed {seed} breaks a law: {:#?}\nrun it again with: cargo xtask sim --from {seed} --seeds 1{option} \
             --trace /tmp/trace",
            report.violations
        );
        acknowledged += report.acknowledged;
        reads += report.reads;
        starts += report.starts;
    }
    // Laws are easy to keep where nothing happens.
    assert!(acknowledged > 50, "{acknowledged} puts were acknowledged");
    assert!(reads > 500, "{reads} records were read");
    assert!(starts > few, "the server was started {starts} times");
}

#[test]
fn the_embedded_log_on_a_failing_disk() {
    seeds(Storage::Disk, 120, "");
}

#[test]
fn the_model_of_the_log() {
    seeds(Storage::Memory, 40, " --memory");
}
