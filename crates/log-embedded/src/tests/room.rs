//! What is taken and what is refused when there is little room, and what gives room back.

use super::fixture::{commit, done, open_at, open_with, options};
use crate::options::Options;
use crate::queue::Work;
use crate::segment;
use millstream_host::disk::{Disk, SimDisk};
use millstream_log::{AppendError, Batch, Refused, RetentionClass};
use millstream_types::{LogShard, Position, Timestamp};
use std::time::Duration;

const SHARD: LogShard = LogShard(1);

fn create() -> Work {
    Work::Create(SHARD, RetentionClass::Hours(24))
}

fn append(bytes: usize) -> Work {
    Work::Append(vec![(SHARD, Batch::single(Timestamp::from_millis(5), &vec![7; bytes]))])
}

#[test]
fn the_largest_group_that_the_writer_takes_is_never_too_much_to_replay() {
    let disk = SimDisk::new(1);
    let options = Options {
        wal_file_bytes: 4 << 20,
        flush_bytes: 64 << 10,
        replay_bytes: 128 << 10,
        ..options(&disk, 0)
    };
    let (mut core, _) = open_with(&options).unwrap();
    done(&mut core, vec![create()]);
    let fit = core.writer.group_bytes() / append(4_000).encoded_len();
    assert!(fit > 5, "many callers at the same time are one group");
    for _ in 0..10 {
        done(&mut core, (0..fit).map(|_| append(4_000)).collect());
    }
    let largest = usize::try_from(core.shared.call_bytes - append(0).encoded_len()).unwrap();
    assert_eq!(append(largest).encoded_len(), core.shared.call_bytes);
    for _ in 0..3 {
        done(&mut core, vec![append(largest)]);
    }
    drop(core);
    disk.crash();
    let (_, report) = open_with(&options).unwrap();
    assert!(report.replayed_bytes <= options.replay_bytes, "{report:?}");
}

#[test]
fn retention_goes_on_for_days_on_a_full_disk_and_makes_room_at_last() {
    let disk = SimDisk::new(1);
    let options =
        Options { wal_file_bytes: 4 << 20, flush_bytes: 1 << 20, replay_bytes: 1 << 30, ..options(&disk, 0) };
    let (mut core, clock) = open_at(&options);
    done(&mut core, vec![create()]);
    for _ in 0..1_000 {
        done(&mut core, vec![append(10_000)]);
        core.writer.tend();
    }
    disk.set_capacity(Some(disk.used()));
    let refused = [Err(AppendError::Refused(Refused::NoSpace))];
    let mut taken = 0;
    while commit(&mut core, vec![append(10_000)]) != refused {
        taken += 1;
        assert!(taken < 2_000, "the disk is full at last");
        core.writer.tend();
        clock.advance_millis(1_100);
    }
    // The space of what can be recycled is used up too.
    for _ in 0..20 {
        clock.advance_millis(1_100);
        core.writer.tend();
        commit(&mut core, vec![append(10_000)]);
    }
    // A sweep a minute trims half a record of what is left: the room at the end of the file must not go for that.
    for minute in 1..=900 {
        clock.advance_millis(60_000);
        commit(&mut core, vec![Work::Trim(SHARD, Position(minute / 2))]);
        core.writer.tend();
        core.writer.mark();
    }
    clock.advance_millis(3_600_000);
    done(&mut core, vec![Work::Trim(SHARD, Position(1_000))]);
    core.writer.tend();
    clock.advance_millis(3_600_000);
    core.writer.tend();
    done(&mut core, vec![append(10_000)]);
}

#[test]
fn segments_found_dead_at_a_start_do_not_wait_for_a_call() {
    let disk = SimDisk::new(1);
    let options = Options { flush_after: Duration::from_hours(1), ..options(&disk, 0) };
    let (mut core, _) = open_at(&options);
    done(&mut core, vec![create(), append(50_000)]);
    core.writer.flush();
    done(&mut core, vec![Work::Drop(SHARD)]);
    core.writer.mark();
    drop(core);
    disk.crash();
    let (mut core, _) = open_at(&options);
    assert!(core.shared.segments.has_dead());
    let sleep = core.writer.sleep(Duration::from_millis(100)).unwrap();
    assert!(sleep < Duration::from_mins(1), "{sleep:?}");
    core.writer.tend();
    assert_eq!(disk.list(segment::DIRECTORY).unwrap(), Vec::<String>::new());
}
