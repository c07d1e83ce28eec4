//! Flushes that fail and go on later: what they leave behind, and what counts against the log.

use super::fixture::{FILE_BYTES, Random, commit, done, observe, open_at, options};
use super::hooked::{Call, HookedDisk};
use crate::caps;
use crate::embedded::Core;
use crate::options::Options;
use crate::queue::Work;
use crate::segment;
use crate::wal::files;
use crate::wal::pool::{self, Kind};
use millstream_host::clock::ManualClock;
use millstream_host::disk::{Disk, Fault, OpenMode, SimDisk};
use millstream_log::{Batch, RetentionClass};
use millstream_types::{LogShard, Timestamp};
use std::io;
use std::sync::{Arc, Mutex, mpsc};
use std::time::Duration;

const IDLE: Duration = Duration::from_millis(100);

fn create(id: u64, hours: u32) -> Work {
    Work::Create(LogShard(id), RetentionClass::Hours(hours))
}

fn append(id: u64, bytes: usize) -> Work {
    Work::Append(vec![(LogShard(id), Batch::single(Timestamp::from_millis(5), &vec![7; bytes]))])
}

fn segments(disk: &SimDisk) -> Vec<String> {
    disk.list(segment::DIRECTORY).unwrap()
}

/// A log that flushes only when it is told to.
fn unhurried(disk: &SimDisk) -> Options {
    Options { wal_file_bytes: 4 << 20, flush_bytes: 1 << 30, replay_bytes: 1 << 30, ..options(disk, 0) }
}

/// Try a flush so often, a second apart.
fn try_flushes(core: &mut Core, clock: &ManualClock, times: u32) {
    for _ in 0..times {
        core.writer.flush();
        clock.advance_millis(1_000);
    }
}

#[test]
fn segments_of_flushes_that_found_no_room_do_not_take_the_room_of_the_next() {
    let disk = SimDisk::new(1);
    let (mut core, clock) = open_at(&unhurried(&disk));
    // Of different retention: two segments, of 1.0 and 0.6 MB.
    done(&mut core, vec![create(1, 24), create(2, 100)]);
    for _ in 0..20 {
        done(&mut core, vec![append(1, 50_000), append(2, 30_000)]);
    }
    let before = disk.used();
    disk.set_capacity(Some(before + 1_500_000));
    try_flushes(&mut core, &clock, 4);
    assert_eq!(core.shared.stats().flushes, 0, "there is room for one of them only");
    assert_eq!(segments(&disk), Vec::<String>::new());
    assert!(disk.used() <= before);
    disk.set_capacity(Some(before + 1_900_000));
    try_flushes(&mut core, &clock, 1);
    assert_eq!(core.shared.stats().flushes, 1, "there is room for both");
}

#[test]
fn failed_checkpoints_leave_no_segments_but_the_newest() {
    let disk = SimDisk::new(1);
    for fault in [Fault::SyncDir, Fault::Rename, Fault::RenameDone] {
        for skip in 0..3 {
            let (mut core, clock) = open_at(&unhurried(&disk));
            done(&mut core, vec![create(1, 24)]);
            done(&mut core, vec![append(1, 50_000)]);
            let named = segments(&disk).len();
            let before = observe(&core, 2, &mut Random(1)).unwrap();
            for _ in 0..10 {
                disk.fail(fault, skip);
                try_flushes(&mut core, &clock, 1);
                disk.heal();
                done(&mut core, vec![Work::Create(LogShard(1), RetentionClass::Forever)]);
            }
            let stats = core.shared.stats();
            let most = named + 1 + usize::try_from(stats.flushes).unwrap();
            assert!(
                segments(&disk).len() <= most,
                "{fault:?} after {skip}: {stats:?}, {:?}",
                segments(&disk)
            );
            try_flushes(&mut core, &clock, 1);
            assert_eq!(observe(&core, 2, &mut Random(1)).unwrap(), before);
            drop(core);
            disk.crash();
            let (core, _) = open_at(&unhurried(&disk));
            assert_eq!(observe(&core, 2, &mut Random(1)).unwrap(), before);
        }
    }
}

#[test]
fn failures_that_pass_do_not_count_against_the_log() {
    let disk = SimDisk::new(1);
    let (mut core, clock) = open_at(&unhurried(&disk));
    done(&mut core, vec![create(1, 24), append(1, 5_000)]);
    disk.set_capacity(Some(disk.used()));
    try_flushes(&mut core, &clock, caps::FLUSH_FAILURES + 10);
    assert!(core.shared.stats().flush_failures > u64::from(caps::FLUSH_FAILURES));
    assert_eq!(core.shared.failstop.reason(), None, "a full disk passes");
    disk.set_capacity(None);
    disk.fail(Fault::Write, 0);
    try_flushes(&mut core, &clock, 1);
    assert_eq!(core.shared.failstop.reason(), None, "this is the first that does not");
    try_flushes(&mut core, &clock, 1);
    assert_eq!(core.shared.stats().flushes, 1);
}

#[test]
fn a_want_of_file_handles_passes() {
    let disk = SimDisk::new(1);
    let (mut core, clock) = open_at(&unhurried(&disk));
    done(&mut core, vec![create(1, 24), append(1, 5_000)]);
    disk.set_open_files(Some(disk.open_files()));
    // The first thing that needs a handle is reading the WAL back.
    try_flushes(&mut core, &clock, caps::FLUSH_FAILURES + 1);
    assert_eq!(core.shared.stats().flush_failures, u64::from(caps::FLUSH_FAILURES) + 1);
    assert_eq!(core.shared.failstop.reason(), None);
    disk.set_open_files(None);
    try_flushes(&mut core, &clock, 1);
    assert_eq!(core.shared.stats().flushes, 1);
}

#[test]
fn a_want_of_file_handles_costs_no_recycled_file() {
    let disk = SimDisk::new(1);
    let options = Options { flush_bytes: 2 * FILE_BYTES, replay_bytes: 8 * FILE_BYTES, ..options(&disk, 0) };
    let (mut core, clock) = open_at(&options);
    done(&mut core, vec![create(1, 24)]);
    for _ in 0..60 {
        done(&mut core, vec![append(1, 3_000)]);
        core.writer.tend();
    }
    core.writer.flush();
    let spares = |disk: &SimDisk| {
        let names = disk.list(files::DIRECTORY).unwrap();
        names.iter().filter(|name| matches!(pool::kind(name), Kind::Spare(_))).count()
    };
    let before = spares(&disk);
    assert!(before > 0, "there is something to lose");
    disk.set_open_files(Some(disk.open_files()));
    let mut refused = 0;
    for _ in 0..30 {
        refused += usize::from(commit(&mut core, vec![append(1, 3_000)])[0].is_err());
        clock.advance_millis(1_000);
    }
    disk.set_open_files(None);
    assert!(refused > 0, "the file is full, and the next one cannot be opened");
    assert_eq!(spares(&disk), before);
    let names = disk.list(files::DIRECTORY).unwrap();
    assert_eq!(core.shared.stats().wal_bytes, names.len() as u64 * FILE_BYTES, "{names:?}");
    done(&mut core, vec![append(1, 3_000)]);
    assert_eq!(spares(&disk), before - 1, "and it is used when there are handles again");
}

#[test]
fn the_writer_looks_again_while_a_flush_is_under_way() {
    let sim = SimDisk::new(1);
    let (begun, beginnings) = mpsc::channel();
    let (release, held) = mpsc::channel::<()>();
    let (begun, held) = (Mutex::new(begun), Mutex::new(held));
    let disk = HookedDisk::new(&sim, move |call, name| {
        if call == Call::Open(OpenMode::CreateNew) && name.starts_with(segment::DIRECTORY) {
            begun.lock().unwrap().send(()).unwrap();
            // The sender is gone: the flush fails.
            held.lock().unwrap().recv().map_err(io::Error::other)?;
        }
        Ok(())
    });
    let clock = ManualClock::at(Timestamp::ZERO);
    let options = disk.options();
    let (mut core, _) = Core::open(&options, true, Arc::<ManualClock>::clone(&clock)).unwrap();
    done(&mut core, vec![create(1, 24), append(1, 5_000)]);
    core.writer.mark();
    assert_eq!(core.writer.sleep(IDLE), Some(options.flush_after));
    core.writer.flush();
    beginnings.recv().unwrap();
    assert!(core.shared.flush.is_busy());
    let sleep = core.writer.sleep(IDLE);
    drop(release);
    core.shared.flush.wait();
    assert_eq!(core.shared.stats().flush_failures, 1);
    assert!(core.shared.flush.retry().is_some(), "somebody has to try it again");
    assert!(
        sleep.is_some_and(|sleep| sleep <= caps::FLUSH_RETRY),
        "{sleep:?}: nobody wakes the writer for that"
    );
}
