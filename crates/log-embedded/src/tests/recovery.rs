//! Particular histories: what the random ones find only by luck.

use super::fixture::{FILE_BYTES, Random, batch, commit, observe, open, open_with, options};
use crate::caps;
use crate::embedded::Core;
use crate::error::OpenError;
use crate::options::Options;
use crate::queue::Work;
use crate::wal::files::{self, FileHeader};
use crate::wal::group::{BLOCK, GroupHeader};
use crate::wal::recover::RecoveryReport;
use millstream_host::disk::{Disk, SimDisk};
use millstream_log::RetentionClass;
use millstream_types::{LogShard, Position};

const SHARD: LogShard = LogShard(1);

fn append(core: &mut Core, random: &mut Random) {
    let create = Work::Create(SHARD, RetentionClass::Hours(24));
    let outcomes = commit(core, vec![create, Work::Append(vec![(SHARD, batch(random))])]);
    assert!(outcomes.iter().all(Result::is_ok), "{outcomes:?}");
}

/// A log with some files, and its disk.
fn filled(files: u32) -> SimDisk {
    let disk = SimDisk::new(5);
    let random = &mut Random(5);
    let mut core = open(&disk, 0).unwrap();
    while disk.contents(&files::name(files)).is_err() {
        append(&mut core, random);
    }
    append(&mut core, random);
    disk
}

fn reopen(disk: &SimDisk) -> (Core, RecoveryReport) {
    disk.kill();
    open_with(&options(disk, 0)).unwrap()
}

fn refusal(disk: &SimDisk) -> String {
    disk.kill();
    open(disk, 0).map(drop).unwrap_err().to_string()
}

#[test]
fn opening_reports_what_it_found_and_is_repeatable() {
    let disk = filled(3);
    let (core, first) = reopen(&disk);
    let seen = observe(&core, 2, &mut Random(1)).unwrap();
    drop(core);
    assert_eq!((first.files, first.shards, first.torn_bytes), (3, 1, 0));
    assert!(first.batches > 3 && first.groups >= first.batches);
    let (core, second) = reopen(&disk);
    assert_eq!(observe(&core, 2, &mut Random(2)).unwrap(), seen);
    drop(core);
    let (_, third) = reopen(&disk);
    // The first opening left a mark; with that, opening changes nothing any more.
    let (groups, replayed_bytes) = (first.groups + 1, first.replayed_bytes + BLOCK);
    assert_eq!(second, RecoveryReport { groups, replayed_bytes, ..first });
    assert_eq!(third, second);
}

#[test]
fn a_torn_tail_is_removed_for_good() {
    let disk = filled(1);
    let (core, before) = reopen(&disk);
    let seen = observe(&core, 2, &mut Random(1)).unwrap();
    drop(core);
    let name = files::name(1);
    let mut image = disk.contents(&name).unwrap();
    let at = image.len() - 3 * 4096;
    let salt = FileHeader::decode(&image, 1).unwrap().salt;
    tear(&mut image[at..], salt, before.groups + 2);
    disk.plant(&name, &image);
    let (core, report) = reopen(&disk);
    let (groups, replayed_bytes) = (before.groups + 1, before.replayed_bytes + BLOCK);
    assert_eq!(report, RecoveryReport { torn_bytes: 2 * BLOCK, groups, replayed_bytes, ..before });
    assert_eq!(observe(&core, 2, &mut Random(1)).unwrap(), seen);
    disk.crash();
    assert!(disk.contents(&name).unwrap()[at..at + 4_096].iter().all(|byte| *byte == 0), "durably");
}

/// A group of two blocks whose body did not come to the disk.
fn tear(at: &mut [u8], salt: u64, number: u64) {
    let header = GroupHeader { salt, number, durable: number - 1, length: 5_000, entries: 1, body_crc: 1 };
    at[..64].copy_from_slice(&header.encode());
    at[64..5_064].fill(7);
}

#[test]
fn a_missing_file_is_named() {
    for missing in [1, 2] {
        let disk = filled(3);
        disk.remove(&files::name(missing)).unwrap();
        let text = refusal(&disk);
        assert!(text.contains(&files::name(missing)) && text.contains("missing"), "{text}");
    }
}

#[test]
fn a_damaged_file_header_refuses() {
    let disk = filled(2);
    disk.flip_bit(&files::name(2), 9, 1).unwrap();
    let text = refusal(&disk);
    assert!(text.contains("wal/0000000002.wal is damaged at byte 0"), "{text}");
    assert!(text.contains("millstream log inspect"), "{text}");
}

#[test]
fn another_format_is_said_so() {
    let disk = filled(1);
    disk.plant("FORMAT", b"millstream data directory, format 3\n");
    let text = refusal(&disk);
    assert!(text.contains("has format 3") && text.contains("reads format 2"), "{text}");
    disk.plant("FORMAT", b"\xff\0something else");
    assert!(refusal(&disk).contains("format"));
    disk.remove("FORMAT").unwrap();
    let text = refusal(&disk);
    assert!(text.contains("no FORMAT file"), "{text}");
}

#[test]
fn a_directory_in_use_is_refused_and_free_again_afterwards() {
    let disk = SimDisk::new(1);
    let first = open(&disk, 0).unwrap();
    let error = open(&disk, 0).map(drop).unwrap_err();
    assert!(matches!(error, OpenError::Locked { .. }));
    assert!(error.to_string().contains(&disk.describe()), "{error}");
    drop(first);
    assert!(open(&disk, 0).is_ok());
}

#[test]
fn options_out_of_range_are_named() {
    let with = |wal_file_bytes, admission_bytes| {
        let options = Options { wal_file_bytes, admission_bytes, ..options(&SimDisk::new(1), 0) };
        open_with(&options).map(drop).map_err(|error| error.to_string())
    };
    assert_eq!(with(FILE_BYTES, 64 << 10), Ok(()));
    for (file, admission, name) in [
        (0, 64 << 10, "wal_file_bytes"),
        (2 << 30, 64 << 10, "wal_file_bytes"),
        (FILE_BYTES + 1, 64 << 10, "wal_file_bytes"),
        (FILE_BYTES, 1, "admission_bytes"),
    ] {
        assert!(with(file, admission).unwrap_err().contains(name), "{file} {admission}");
    }
}

#[test]
fn files_of_another_size_are_read_on() {
    let disk = filled(2);
    let (core, before) = reopen(&disk);
    let seen = observe(&core, 2, &mut Random(1)).unwrap();
    drop(core);
    let larger = Options { wal_file_bytes: 2 * FILE_BYTES, ..options(&disk, 0) };
    let (mut core, report) = open_with(&larger).unwrap();
    assert_eq!(report.batches, before.batches);
    assert_eq!(observe(&core, 2, &mut Random(1)).unwrap(), seen);
    let random = &mut Random(9);
    while disk.contents(&files::name(4)).is_err() {
        append(&mut core, random);
    }
    let seen = observe(&core, 2, &mut Random(1)).unwrap();
    drop(core);
    let (core, _) = reopen(&disk);
    assert_eq!(observe(&core, 2, &mut Random(1)).unwrap(), seen);
}

/// File 1 as if it were file 2, prewritten and never used.
fn spare(disk: &SimDisk) -> Vec<u8> {
    let mut spare = disk.contents(&files::name(1)).unwrap();
    spare[64..].fill(0);
    spare[16] = 2;
    let crc = crc32c::crc32c(&spare[..60]);
    spare[60..64].copy_from_slice(&crc.to_le_bytes());
    spare
}

#[test]
fn an_unused_spare_of_another_size_goes() {
    let disk = filled(1);
    let mut spare = spare(&disk);
    disk.plant(&files::name(2), &spare);
    let (core, report) = reopen(&disk);
    assert_eq!(report.files, 2, "kept");
    drop(core);
    spare.resize(spare.len() * 2, 0);
    disk.plant(&files::name(2), &spare);
    let (_, report) = reopen(&disk);
    assert_eq!(report.files, 1, "gone");
    assert!(disk.contents(&files::name(2)).is_err());
}

#[test]
fn a_torn_group_at_the_start_of_the_next_file_is_removed_for_good() {
    let disk = filled(1);
    let (_, before) = reopen(&disk);
    let mut torn = spare(&disk);
    let salt = FileHeader::decode(&torn, 2).unwrap().salt;
    tear(&mut torn[4_096..], salt, before.groups + 2);
    for _ in 0..10 {
        disk.plant(&files::name(2), &torn);
        let (_, report) = reopen(&disk);
        assert_eq!(report.torn_bytes, 2 * BLOCK);
        disk.crash();
        let block = &disk.contents(&files::name(2)).unwrap()[4_096..8_192];
        assert!(block.iter().all(|byte| *byte == 0), "durably");
    }
}

#[test]
fn a_dropped_shard_leaves_nothing_in_memory() {
    let disk = SimDisk::new(1);
    let mut core = open(&disk, 1 << 20).unwrap();
    append(&mut core, &mut Random(1));
    let held = |core: &Core| core.shared.stats().memory_tail_bytes;
    assert!(held(&core) > 0);
    assert_eq!(commit(&mut core, vec![Work::Drop(SHARD)]), [Ok(Vec::new())]);
    assert_eq!((held(&core), core.shared.shards.len()), (0, 0));
}

#[test]
fn the_memory_tail_keeps_to_its_budget() {
    const BUDGET: u64 = 20_000;
    let disk = SimDisk::new(1);
    let random = &mut Random(3);
    let mut core = open(&disk, BUDGET).unwrap();
    let mut most = 0;
    for round in 0..200 {
        append(&mut core, random);
        if round % 50 == 0 {
            commit(&mut core, vec![Work::Trim(SHARD, Position(round))]);
        }
        let held = core.shared.stats().memory_tail_bytes;
        assert!(held <= BUDGET, "{held}");
        most = most.max(held);
    }
    assert!(most > BUDGET / 2, "{most}");
    observe(&core, 2, random).unwrap();
}

#[test]
fn more_files_than_handles_are_recovered_and_read() {
    let count = caps::OPEN_FILES.get() + 10;
    let disk = filled(u32::try_from(count).unwrap());
    disk.kill();
    // A file that is read and one that is looked at beside it, or the newest file and a directory.
    disk.set_open_files(Some(2));
    let mut core = open(&disk, 0).unwrap();
    assert_eq!(disk.open_files(), 1, "the one that is written");
    disk.set_open_files(None);
    let seen = observe(&core, 2, &mut Random(1)).unwrap();
    assert_eq!(disk.open_files(), 1 + caps::OPEN_FILES.get(), "readers keep the last ones open");
    append(&mut core, &mut Random(6));
    assert_ne!(observe(&core, 2, &mut Random(1)).unwrap(), seen);
}
