//! A data directory of format 1, checked in: every later version must read it.
//!
//! Made once with `cargo test -p millstream-log-embedded --lib make_golden -- --ignored`, never again for format 1.

use super::fixture::{FILE_BYTES, commit, open_with, options};
use crate::queue::Work;
use millstream_host::disk::SimDisk;
use millstream_host::fs;
use millstream_log::{Batch, BatchBuilder, ReadError, ReadLimit, RetentionClass};
use millstream_types::{LogShard, Position, Timestamp};
use std::path::PathBuf;

const FILES: [&str; 3] = ["FORMAT", "wal/0000000001.wal", "wal/0000000002.wal"];
const KEPT: LogShard = LogShard(0);
const TRIMMED: LogShard = LogShard(7);
const DROPPED: LogShard = LogShard(8);

fn directory() -> PathBuf {
    PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/golden/format-1"))
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

#[test]
fn format_1_is_read() {
    let disk = SimDisk::new(1);
    for name in FILES {
        disk.plant(name, &fs::read(&directory().join(name)).unwrap());
    }
    let (core, report) = open_with(&options(&disk, 0)).unwrap();
    assert_eq!((report.files, report.shards, report.batches, report.torn_bytes), (2, 2, 23, 0));
    let read = |shard, from| {
        let limit = ReadLimit { records: usize::MAX, bytes: usize::MAX };
        core.shared.read(shard, Position(from), limit).map(|chunk| chunk.batches)
    };
    let kept: Vec<_> =
        read(KEPT, 0).unwrap().iter().flat_map(|stored| stored.records().collect::<Vec<_>>()).collect();
    let expected: Vec<_> = (0..20).map(|number| (Position(number), record(number).into())).collect();
    assert_eq!(kept, expected);
    assert_eq!(core.shared.seek_time(KEPT, Timestamp::from_millis(1_005)), Ok(Position(5)));
    assert_eq!(read(TRIMMED, 0), Err(ReadError::Trimmed { earliest: Position(2) }));
    let trimmed = read(TRIMMED, 2).unwrap();
    assert_eq!((trimmed.len(), trimmed[0].first, trimmed[0].batch.count), (1, Position(0), 3));
    assert!(read(DROPPED, 0).is_err());
}

#[test]
#[ignore = "makes the golden directory, which is made once"]
fn make_golden() {
    let disk = SimDisk::new(1);
    let (mut core, _) = open_with(&options(&disk, 0)).unwrap();
    let hours = RetentionClass::Hours;
    let shards = [(KEPT, RetentionClass::Forever), (TRIMMED, hours(24)), (DROPPED, hours(8_760))];
    commit(&mut core, shards.map(|(shard, class)| Work::Create(shard, class)).into());
    let three: Vec<_> = (0..3).map(record).collect();
    let append = vec![(TRIMMED, batch(5, &three)), (DROPPED, batch(6, &three))];
    commit(&mut core, vec![Work::Append(append), Work::Trim(TRIMMED, Position(2))]);
    core.writer.mark();
    for group in 0..5 {
        let batches =
            (group * 4..group * 4 + 4).map(|number| (KEPT, batch(1_000 + number, &[record(number)])));
        commit(&mut core, vec![Work::Append(batches.collect())]);
    }
    commit(&mut core, vec![Work::Append(vec![(DROPPED, batch(1, &three))]), Work::Drop(DROPPED)]);
    core.writer.mark();
    for name in FILES {
        let path = directory().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, &disk.contents(name).unwrap()).unwrap();
    }
    assert!(disk.contents("wal/0000000003.wal").is_err(), "{FILE_BYTES} bytes a file are too few");
}
