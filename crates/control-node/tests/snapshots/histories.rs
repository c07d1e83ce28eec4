//! Random histories with crashes at any operation. The laws: after a start the state is what all commands give that
//! were ever written, hash for hash; what was answered is in it; a log that is trimmed begins with a whole snapshot.

use crate::commands::{Random, random_command};
use crate::crash_log::{CrashLog, Last};
use crate::{Any, start};
use bytes::Bytes;
use millstream_control::State;
use millstream_control_node::{ControlHandle, SnapshotPolicy, SubmitError};
use sha2::{Digest, Sha256};
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};

const SEEDS: u64 = 200;
const LIVES: u64 = 6;

#[derive(Default)]
struct Tally {
    accepted: u64,
    refused: u64,
    crashes: u64,
    trims: u64,
    snapshots: usize,
}

fn hash(state: &State) -> Vec<u8> {
    let (mut lines, mut bytes) = (state.snapshot_lines(), Vec::new());
    while lines.write_next(&mut bytes).unwrap() {}
    Sha256::digest(&bytes).to_vec()
}

fn policy(random: &mut Random) -> SnapshotPolicy {
    let longest = if random.one_in(4) { 30 } else { 2_000 };
    SnapshotPolicy {
        commands: 1 + random.below(25),
        bytes: if random.one_in(3) { 1 + random.below(4_000) } else { u64::MAX },
        percent_of_last: [0, 20, 100][random.size(3)],
        part_bytes: 1 + random.size(longest),
    }
}

/// Commands until the power goes or there were enough. Now and then several are under way at once.
async fn live(control: &ControlHandle, random: &mut Random, tally: &mut Tally) {
    for _ in 0..random.below(60) {
        let state = control.state();
        let together = if random.one_in(4) { 1 + random.below(5) } else { 1 };
        let submitted: Vec<_> = (0..together)
            .map(|_| {
                let (control, command) = (control.clone(), Any(random_command(random, &state)));
                tokio::spawn(async move { control.submit(command).await })
            })
            .collect();
        for answer in submitted {
            match answer.await.unwrap() {
                Ok(()) => tally.accepted += 1,
                Err(SubmitError::Refused(_)) => tally.refused += 1,
                Err(_) => {
                    tally.crashes += 1;
                    return;
                }
            }
        }
        if random.one_in(5) {
            tokio::task::yield_now().await;
        }
    }
}

/// The trace: every record that was written.
async fn history(seed: u64, tally: &mut Tally) -> Vec<Bytes> {
    let random = &mut Random(seed);
    let mut log = CrashLog::new();
    for _ in 0..LIVES {
        let control = start(&log, policy(random)).await.unwrap();
        assert_eq!(hash(&control.state()), hash(&log.full_replay()));
        assert_eq!(*control.state(), log.full_replay());
        if !random.one_in(4) {
            log.crash_after(random.size(80), if random.one_in(2) { Last::Lost } else { Last::Done });
        }
        live(&control, random, tally).await;
        let answered = control.state();
        let written = log.full_replay();
        if !control.is_closed() {
            assert_eq!(*answered, written, "nobody sees what is not written, nor misses what is");
        }
        tally.trims += u64::from(log.earliest().await > 0);
        // Whatever the old node still does, it does without power.
        log.crash_after(0, Last::Lost);
        drop(control);
        log = log.restarted();
    }
    tally.snapshots += log.snapshots_ended();
    log.all()
}

fn run(seed: u64, tally: &mut Tally) -> Vec<Bytes> {
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    runtime.block_on(history(seed, tally))
}

#[test]
fn the_same_seed_is_the_same_history() {
    let mut tally = Tally::default();
    for seed in 0..5 {
        assert_eq!(run(seed, &mut tally), run(seed, &mut tally), "seed {seed}");
    }
    assert!(tally.snapshots > 5);
}

#[test]
fn random_histories() {
    let mut tally = Tally::default();
    let seeds = match std::env::var("MILLSTREAM_SEED") {
        Ok(seed) => vec![seed.parse().unwrap()],
        Err(_) => (0..SEEDS).collect(),
    };
    let all = seeds.len() > 1;
    for seed in seeds {
        let trial = AssertUnwindSafe(|| {
            run(seed, &mut tally);
        });
        if let Err(panic) = catch_unwind(trial) {
            println!(
                "again: MILLSTREAM_SEED={seed} cargo test -p millstream-control-node --test snapshots random_histories"
            );
            resume_unwind(panic);
        }
    }
    // A run in which nothing happens proves nothing.
    if all {
        let Tally { accepted, refused, crashes, trims, snapshots } = tally;
        println!(
            "{accepted} accepted, {refused} refused, {crashes} crashes, {trims} lives trimmed, {snapshots} snapshots"
        );
        assert!(accepted > 10_000 && refused > 1_000 && crashes > 200 && trims > 500 && snapshots > 500);
    }
}
