//! Flushes, and what comes back to the disk after them.

use super::fixture::{FILE_BYTES, Random, commit, observe, open_with, options};
use crate::caps;
use crate::embedded::Core;
use crate::options::Options;
use crate::queue::Work;
use crate::segment;
use crate::wal::files;
use millstream_host::clock::ManualClock;
use millstream_host::disk::{Disk, Fault, SimDisk};
use millstream_log::{AppendError, Batch, ReadLimit, Refused, RetentionClass};
use millstream_types::{LogShard, Position, Timestamp};
use std::sync::Arc;
use std::time::Duration;

const DAY: RetentionClass = RetentionClass::Hours(24);

fn shards(ids: impl IntoIterator<Item = u64>) -> Vec<Work> {
    ids.into_iter().map(|id| Work::Create(LogShard(id), DAY)).collect()
}

fn append(id: u64, millis: u64, bytes: usize) -> Work {
    Work::Append(vec![(LogShard(id), Batch::single(Timestamp::from_millis(millis), &vec![7; bytes]))])
}

fn done(core: &mut Core, works: Vec<Work>) {
    let outcomes = commit(core, works);
    assert!(outcomes.iter().all(Result::is_ok), "{outcomes:?}");
}

fn segments(disk: &SimDisk) -> usize {
    disk.list(segment::DIRECTORY).unwrap().len()
}

fn wal_files(disk: &SimDisk) -> Vec<String> {
    disk.list(files::DIRECTORY).unwrap()
}

#[test]
fn everything_reads_the_same_from_segments() {
    let disk = SimDisk::new(1);
    let (mut core, _) = open_with(&options(&disk, 0)).unwrap();
    done(&mut core, shards([1, 2]));
    for number in 0..40 {
        done(&mut core, vec![append(1 + number % 2, 100 * number, 1_500)]);
    }
    let random = &mut Random(1);
    let before = observe(&core, 3, random).unwrap();
    core.writer.flush();
    assert_eq!(core.shared.stats().unflushed_bytes, 0);
    assert_eq!(observe(&core, 3, random).unwrap(), before);
    for at in 0..42 {
        let found = core.shared.seek_time(LogShard(1), Timestamp::from_millis(100 * at)).unwrap();
        assert_eq!(found, Position(at.div_ceil(2).min(20)), "time {at}");
    }
    drop(core);
    disk.crash();
    let (core, report) = open_with(&options(&disk, 0)).unwrap();
    assert_eq!((report.segments, report.groups, report.shards), (1, 0, 2));
    assert_eq!(observe(&core, 3, random).unwrap(), before);
}

#[test]
fn a_read_goes_on_from_segments_to_the_wal_and_to_memory() {
    let disk = SimDisk::new(1);
    let (mut core, _) = open_with(&options(&disk, 3_000)).unwrap();
    done(&mut core, shards([1]));
    let add = |core: &mut Core, count| (0..count).for_each(|_| done(core, vec![append(1, 5, 900)]));
    for _ in 0..3 {
        add(&mut core, 5);
        core.writer.flush();
    }
    add(&mut core, 5);
    let limit = |records| ReadLimit { records, bytes: 1 << 20 };
    let chunk = core.shared.read(LogShard(1), Position(2), limit(1_000)).unwrap();
    let firsts: Vec<_> = chunk.batches.iter().map(|stored| stored.first.0).collect();
    assert_eq!(firsts, (2..20).collect::<Vec<_>>(), "wherever they are, in one read");
    let chunk = core.shared.read(LogShard(1), Position(2), limit(7)).unwrap();
    assert_eq!(chunk.batches.len(), 7, "and no more than asked for");
    let chunk = core.shared.read(LogShard(1), Position(15), limit(1_000)).unwrap();
    assert_eq!(chunk.batches.len(), 5);
}

#[test]
fn wal_files_are_written_anew() {
    let disk = SimDisk::new(1);
    let options = Options { flush_bytes: 2 * FILE_BYTES, replay_bytes: 8 * FILE_BYTES, ..options(&disk, 0) };
    let (mut core, _) = open_with(&options).unwrap();
    done(&mut core, shards([1]));
    for _ in 0..300 {
        done(&mut core, vec![append(1, 5, 3_000)]);
        core.writer.tend();
    }
    let stats = core.shared.stats();
    assert!(stats.flushes > 10, "{stats:?}");
    let most = options.recycled_files() + 3;
    assert!(wal_files(&disk).len() <= most, "{:?}", wal_files(&disk));
    assert!(stats.wal_bytes <= most as u64 * FILE_BYTES, "{stats:?}");
    assert!(disk.contents(&files::name(1)).is_err());
    let seen = observe(&core, 2, &mut Random(1)).unwrap();
    drop(core);
    disk.crash();
    let (core, _) = open_with(&options).unwrap();
    assert_eq!(observe(&core, 2, &mut Random(1)).unwrap(), seen);
}

#[test]
fn a_flush_begins_while_what_it_brings_is_in_memory() {
    let flush_bytes = 4 * FILE_BYTES;
    // One that would be half full after a quarter of that, one that never is, and one that is too small to matter.
    for (memory_tail, flushes) in [(40 << 10, 3), (1 << 20, 0), (8 << 10, 0)] {
        let disk = SimDisk::new(1);
        let options = Options { flush_bytes, replay_bytes: 8 * flush_bytes, ..options(&disk, memory_tail) };
        let (mut core, _) = open_with(&options).unwrap();
        done(&mut core, shards([1]));
        for _ in 0..flush_bytes / 4_096 - 2 {
            done(&mut core, vec![append(1, 5, 3_000)]);
            core.writer.tend();
        }
        assert_eq!(core.shared.stats().flushes, flushes, "with a memory tail of {memory_tail}");
    }
}

#[test]
fn trimmed_and_dropped_records_give_their_space_back() {
    let disk = SimDisk::new(1);
    let (mut core, _) = open_with(&options(&disk, 0)).unwrap();
    done(&mut core, shards([1, 2, 3]));
    for round in 0..3 {
        for id in [1, 2] {
            (0..20).for_each(|_| done(&mut core, vec![append(id, round, 3_000)]));
        }
        core.writer.flush();
    }
    assert_eq!(segments(&disk), 3);
    let full = core.shared.stats().segment_bytes;
    // One of the two: its part of each segment comes back, and the other one is whole.
    done(&mut core, vec![Work::Drop(LogShard(1))]);
    core.writer.tend();
    let half = core.shared.stats().segment_bytes;
    assert!(half < full * 6 / 10, "{half} of {full}");
    let other = core.shared.read(LogShard(2), Position(0), ReadLimit { records: 99, bytes: 1 << 20 });
    assert_eq!(other.unwrap().batches.len(), 60);
    // Whole segments go by themselves, before any other flush, and stay gone.
    done(&mut core, vec![Work::Trim(LogShard(2), Position(40))]);
    core.writer.tend();
    assert_eq!(segments(&disk), 1);
    drop(core);
    disk.crash();
    let (mut core, report) = open_with(&options(&disk, 0)).unwrap();
    assert_eq!(report.segments, 1);
    done(&mut core, vec![Work::Drop(LogShard(2))]);
    core.writer.tend();
    assert_eq!((segments(&disk), core.shared.stats().segment_bytes), (0, 0));
}

#[test]
fn segments_hold_what_is_kept_equally_long() {
    let disk = SimDisk::new(1);
    let (mut core, _) = open_with(&options(&disk, 0)).unwrap();
    let create = |id, class| Work::Create(LogShard(id), class);
    let hours = RetentionClass::Hours;
    let classes = [RetentionClass::Forever, hours(24), hours(24), hours(30), hours(48), hours(8_760)];
    done(&mut core, classes.iter().zip(0..).map(|(class, id)| create(id, *class)).collect());
    done(&mut core, (0..6).map(|id| append(id, 1, 100)).collect());
    core.writer.flush();
    assert_eq!(segments(&disk), 4);
}

#[test]
fn a_full_disk_refuses_and_recovers_by_itself() {
    let disk = SimDisk::new(1);
    let bytes = 4 * FILE_BYTES;
    let options =
        Options { wal_file_bytes: bytes, flush_bytes: bytes, replay_bytes: 3 * bytes, ..options(&disk, 0) };
    let (mut core, _) = open_with(&options).unwrap();
    done(&mut core, shards([1, 2]));
    for _ in 0..200 {
        done(&mut core, vec![append(1, 5, 3_000)]);
        core.writer.tend();
    }
    disk.set_capacity(Some(disk.used()));
    let refused = |core: &mut Core| {
        let outcomes = commit(core, vec![append(2, 5, 3_000)]);
        core.writer.tend();
        outcomes == [Err(AppendError::Refused(Refused::NoSpace))]
    };
    let mut taken = 0;
    while !refused(&mut core) {
        taken += 1;
        assert!(taken < 1_000, "the disk is full at last");
    }
    assert_eq!(core.shared.failstop.reason(), None);
    assert!(observe(&core, 3, &mut Random(1)).is_ok(), "reads go on");
    // Trims and drops go on, and make room.
    done(&mut core, vec![Work::Drop(LogShard(1))]);
    core.writer.tend();
    assert!(!refused(&mut core), "nobody had to start anything again");
}

#[test]
fn segments_that_cannot_be_written_stop_the_log_at_last() {
    let disk = SimDisk::new(1);
    let clock = ManualClock::at(Timestamp::ZERO);
    let options = Options { flush_bytes: 64 << 10, ..options(&disk, 0) };
    let (mut core, _) = Core::open(&options, false, Arc::<ManualClock>::clone(&clock)).unwrap();
    done(&mut core, shards([1]));
    for _ in 0..30 {
        done(&mut core, vec![append(1, 5, 3_000)]);
    }
    for failure in 1..=caps::FLUSH_FAILURES {
        assert_eq!(core.shared.failstop.reason(), None);
        disk.fail(Fault::Sync, 0);
        core.writer.tend();
        core.writer.tend();
        assert_eq!(core.shared.stats().flush_failures, u64::from(failure), "not tried again at once");
        disk.heal();
        clock.advance_millis(1_000);
    }
    assert!(core.shared.failstop.reason().unwrap().starts_with("writing segments failed"));
    assert!(observe(&core, 2, &mut Random(1)).is_ok(), "reads go on");
}

#[test]
fn a_quiet_log_is_flushed_when_its_time_comes() {
    let disk = SimDisk::new(1);
    let clock = ManualClock::at(Timestamp::ZERO);
    let options = Options { flush_after: Duration::from_mins(1), ..options(&disk, 0) };
    let (mut core, _) = Core::open(&options, false, Arc::<ManualClock>::clone(&clock)).unwrap();
    assert_eq!(core.writer.sleep(Duration::from_millis(100)), None, "nothing to do, ever");
    done(&mut core, shards([1]));
    core.writer.mark();
    assert_eq!(core.writer.sleep(Duration::from_millis(100)), Some(Duration::from_mins(1)));
    clock.advance_millis(59_000);
    core.writer.tend();
    assert_eq!(core.shared.stats().flushes, 0);
    clock.advance_millis(1_000);
    core.writer.tend();
    assert_eq!(core.shared.stats().flushes, 1);
    core.writer.mark();
    assert_eq!(core.writer.sleep(Duration::from_millis(100)), None);
}

#[test]
fn ten_thousand_idle_shards_cost_a_checkpoint_and_nothing_more() {
    let disk = SimDisk::new(1);
    let options = Options { wal_file_bytes: 4 << 20, ..options(&disk, 0) };
    let (mut core, _) = open_with(&options).unwrap();
    done(&mut core, shards(1..=10_000));
    done(&mut core, vec![append(77, 5, 100)]);
    core.writer.flush();
    assert_eq!(segments(&disk), 1);
    let checkpoint = disk.contents(&crate::checkpoint::name(1)).unwrap().len();
    assert!(checkpoint < 10_000 * 41, "{checkpoint}");
    drop(core);
    disk.crash();
    let (core, report) = open_with(&options).unwrap();
    assert_eq!((report.shards, report.groups), (10_000, 0));
    assert_eq!(
        core.shared
            .read(LogShard(77), Position(0), ReadLimit { records: 9, bytes: 999 })
            .unwrap()
            .batches
            .len(),
        1
    );
}
