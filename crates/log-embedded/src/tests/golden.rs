//! Data directories of each format, checked in: every later version must read them.
//!
//! Each was made once, format 2 with `cargo test -p millstream-log-embedded --lib make_golden -- --ignored`, and is never
//! made again.

use super::fixture::{FILE_BYTES, Random, commit, observe, open_with, options};
use crate::embedded::Core;
use crate::inspect::report::WalUse;
use crate::options::Options;
use crate::queue::Work;
use crate::wal::recover::RecoveryReport;
use crate::{Depth, checkpoint, inspect, segment, wal};
use millstream_host::disk::{Disk, OpenMode, OsDisk, SimDisk};
use millstream_host::fs;
use millstream_log::{Batch, BatchBuilder, ReadError, ReadLimit, RetentionClass, StoredBatch};
use millstream_types::{LogShard, Position, Timestamp};
use std::path::PathBuf;
use std::sync::Arc;

const KEPT: LogShard = LogShard(0);
const TRIMMED: LogShard = LogShard(7);
const DROPPED: LogShard = LogShard(8);
const TWO_DAYS: LogShard = LogShard(9);

const DIRECTORIES: [&str; 4] = ["", wal::files::DIRECTORY, segment::DIRECTORY, checkpoint::DIRECTORY];

fn directory(format: u16) -> PathBuf {
    PathBuf::from(format!("{}/tests/golden/format-{format}", env!("CARGO_MANIFEST_DIR")))
}

fn path(directory: &str, name: &str) -> String {
    if directory.is_empty() { name.to_owned() } else { format!("{directory}/{name}") }
}

/// A copy in memory.
fn golden(format: u16) -> SimDisk {
    let from = OsDisk::open(directory(format)).unwrap();
    let disk = SimDisk::new(1);
    for directory in DIRECTORIES {
        for name in from.list(directory).unwrap_or_default() {
            let name = path(directory, &name);
            let file = from.open(&name, OpenMode::Read).unwrap();
            disk.plant(&name, &wal::files::read_whole(&*file).unwrap());
        }
    }
    disk
}

fn batch(millis: u64, records: &[String]) -> Batch {
    let mut builder = BatchBuilder::default();
    for record in records {
        builder.push(record.as_bytes());
    }
    builder.finish(Timestamp::from_millis(millis))
}

fn record(number: u64) -> String {
    format!("record {number} {}", "x".repeat(usize::try_from(number * 80).unwrap()))
}

fn read(core: &Core, shard: LogShard, from: u64) -> Result<Vec<StoredBatch>, ReadError> {
    let limit = ReadLimit { records: usize::MAX, bytes: usize::MAX };
    core.shared.read(shard, Position(from), limit).map(|chunk| chunk.batches)
}

fn records(core: &Core, shard: LogShard, from: u64) -> Vec<(u64, String)> {
    let batches = read(core, shard, from).unwrap();
    let records = batches.iter().flat_map(StoredBatch::records);
    records.map(|(at, record)| (at.0, String::from_utf8(record.to_vec()).unwrap())).collect()
}

fn numbered(numbers: std::ops::Range<u64>) -> Vec<(u64, String)> {
    numbers.map(|number| (number, record(number))).collect()
}

fn open(disk: &SimDisk) -> (Core, RecoveryReport) {
    open_with(&options(disk, 0)).unwrap()
}

fn check_format_1(core: &Core) {
    assert_eq!(records(core, KEPT, 0), numbered(0..20));
    assert_eq!(core.shared.seek_time(KEPT, Timestamp::from_millis(1_005)), Ok(Position(5)));
    assert_eq!(read(core, TRIMMED, 0), Err(ReadError::Trimmed { earliest: Position(2) }));
    let trimmed = read(core, TRIMMED, 2).unwrap();
    assert_eq!((trimmed.len(), trimmed[0].first, trimmed[0].batch.count), (1, Position(0), 3));
    assert!(read(core, DROPPED, 0).is_err());
}

#[test]
fn format_1_is_read() {
    let (core, report) = open(&golden(1));
    assert_eq!((report.files, report.shards, report.batches, report.torn_bytes), (2, 2, 23, 0));
    check_format_1(&core);
}

#[test]
fn format_1_becomes_format_2_and_has_the_same_content() {
    let disk = golden(1);
    let (mut core, _) = open(&disk);
    let seen = observe(&core, 10, &mut Random(1)).unwrap();
    core.writer.flush();
    drop(core);
    disk.crash();
    assert_eq!(disk.contents("FORMAT").unwrap(), b"millstream data directory, format 2\n");
    let (core, report) = open(&disk);
    assert_eq!((report.segments, report.batches), (2, 0));
    check_format_1(&core);
    assert_eq!(observe(&core, 10, &mut Random(1)).unwrap(), seen);
}

#[test]
fn format_2_is_read() {
    let disk = golden(2);
    let looked: Arc<dyn Disk> = Arc::new(disk.clone());
    let inspection = inspect(&looked, Depth::Deep, &|_, _| ()).unwrap();
    assert!(inspection.is_sound(), "{inspection}");
    let uses: Vec<_> = inspection.wal.iter().map(|file| file.used).collect();
    assert!(uses.contains(&WalUse::Recycled) && uses.contains(&WalUse::Used), "{inspection}");
    assert!(
        inspection.checkpoint.as_ref().unwrap().segments > inspection.segments.len(),
        "one was discarded"
    );
    let (core, report) = open(&disk);
    assert_eq!((report.shards, report.torn_bytes), (3, 0));
    assert!(report.segments > 2 && report.batches > 0, "{report:?}");
    assert_eq!(records(&core, KEPT, 0), numbered(0..40));
    assert_eq!(core.shared.seek_time(KEPT, Timestamp::from_millis(1_005)), Ok(Position(5)));
    assert_eq!(core.shared.seek_time(KEPT, Timestamp::from_millis(1_035)), Ok(Position(35)));
    assert_eq!(read(&core, TRIMMED, 0), Err(ReadError::Trimmed { earliest: Position(4) }));
    assert_eq!(records(&core, TRIMMED, 4), [(3, record(0)), (4, record(1)), (5, record(2))]);
    assert!(read(&core, DROPPED, 0).is_err());
    assert_eq!(records(&core, TWO_DAYS, 0), numbered(0..3));
}

#[test]
#[ignore = "makes the golden directory, which is made once"]
fn make_golden() {
    let disk = SimDisk::new(1);
    let flushes = 4 * FILE_BYTES;
    let options = Options { flush_bytes: flushes, replay_bytes: 2 * flushes, ..options(&disk, 0) };
    let (mut core, _) = open_with(&options).unwrap();
    let hours = RetentionClass::Hours;
    let classes = [
        (KEPT, RetentionClass::Forever),
        (TRIMMED, hours(24)),
        (DROPPED, hours(8_760)),
        (TWO_DAYS, hours(48)),
    ];
    commit(&mut core, classes.map(|(shard, class)| Work::Create(shard, class)).into());
    let three: Vec<_> = (0..3).map(record).collect();
    let threes = [TRIMMED, DROPPED, TWO_DAYS].map(|shard| (shard, batch(5, &three)));
    commit(&mut core, vec![Work::Append(threes.into())]);
    let keep = |core: &mut Core, numbers: std::ops::Range<u64>| {
        for number in numbers {
            commit(core, vec![Work::Append(vec![(KEPT, batch(1_000 + number, &[record(number)]))])]);
        }
    };
    keep(&mut core, 0..16);
    core.writer.flush();
    commit(&mut core, vec![Work::Append(vec![(TRIMMED, batch(6, &three))])]);
    keep(&mut core, 16..28);
    core.writer.flush();
    // Into a file that is written anew.
    keep(&mut core, 28..40);
    // Nothing is left of the segment of a year, after the checkpoint.
    commit(&mut core, vec![Work::Trim(TRIMMED, Position(4)), Work::Drop(DROPPED)]);
    core.writer.tend();
    core.writer.mark();
    for inside in DIRECTORIES {
        for name in disk.list(inside).unwrap().iter().filter(|name| *name != "LOCK") {
            let name = path(inside, name);
            let to = directory(2).join(&name);
            fs::create_dir_all(to.parent().unwrap()).unwrap();
            fs::write(&to, &disk.contents(&name).unwrap()).unwrap();
        }
    }
}
