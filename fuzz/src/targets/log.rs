//! The formats of the embedded log, one by one (`docs/formats/wal.md`, `segment.md`, `checkpoint.md`).

use super::{PLAIN, repair, scan};
use crate::seeds::DIRECTORIES;
use crate::{Target, Verdict};
use bytes::Bytes;
use millstream_host::disk::{Disk, SimDisk};
use millstream_log_embedded::fuzzing;
use std::sync::Arc;

pub(super) const WAL_FILE_HEADER: Target = Target {
    name: "wal_file_header",
    about: "the header of a WAL file",
    seeds: || files(".wal", |file| vec![file[..64].to_vec()]),
    repair: Some(|bytes| repair::header(bytes, *b"MSWF")),
    // Whatever number it has: the file's name has to agree with it, and another one must not do.
    check: |bytes| {
        let number = repair::u64_at(bytes, 16).and_then(|number| u32::try_from(number).ok()).unwrap_or(1);
        assert!(!fuzzing::wal_file_header(bytes, number ^ 1), "a file of another number");
        read(fuzzing::wal_file_header(bytes, number))
    },
    longest: 128,
    ..PLAIN
};

pub(super) const WAL_GROUP: Target = Target {
    name: "wal_group",
    about: "a group of the WAL and its entries",
    seeds: || files(".wal", |file| scan::groups(file).map(<[u8]>::to_vec).collect()),
    repair: Some(|bytes| repair::group(bytes)),
    check: |bytes| {
        let salt = repair::u64_at(bytes, 8).unwrap_or(0);
        assert!(!fuzzing::wal_group(bytes, salt ^ 1), "a group of another file");
        read(fuzzing::wal_group(bytes, salt))
    },
    ..PLAIN
};

pub(super) const WAL_ENTRIES: Target = Target {
    name: "wal_entries",
    about: "the entries of a WAL group; the first byte says how many",
    seeds: || {
        files(".wal", |file| {
            let counted = |group: &[u8]| [&group[36..37], &group[64..]].concat();
            scan::groups(file).map(counted).collect()
        })
    },
    check: |bytes| {
        let Some((count, bytes)) = bytes.split_first() else { return Verdict::Refused };
        read(fuzzing::wal_entries(bytes, (*count).into()))
    },
    ..PLAIN
};

pub(super) const SEGMENT_FRAME: Target = Target {
    name: "segment_frame",
    about: "a batch in a segment",
    seeds: || files(".seg", |file| scan::frames(file).into_iter().map(<[u8]>::to_vec).collect()),
    repair: Some(|bytes| {
        repair::frame(bytes);
    }),
    check: |bytes| read(fuzzing::segment_frame(&Bytes::copy_from_slice(bytes))),
    ..PLAIN
};

/// The number that the segments under test have: mutants of several must fit one name.
const SEGMENT_NUMBER: u32 = 1;

pub(super) const SEGMENT: Target = Target {
    name: "segment",
    about: "a whole segment: trailer, footer, and its batches as readers find them",
    seeds: || {
        files(".seg", |file| {
            let (mut file, at) = (file.to_vec(), file.len() - 64 + 16);
            file[at..at + 4].copy_from_slice(&SEGMENT_NUMBER.to_le_bytes());
            repair::segment(&mut file);
            vec![file]
        })
    },
    repair: Some(|bytes| repair::segment(bytes)),
    check: segment,
    // Two copies on the disk, and the run's windows.
    memory: (256 << 10, 16),
    tries: 4_000,
    ..PLAIN
};

fn segment(bytes: &[u8]) -> Verdict {
    let disk = SimDisk::new(0);
    disk.plant(&fuzzing::segment_name(SEGMENT_NUMBER), bytes);
    let disk: Arc<dyn Disk> = Arc::new(disk);
    let Some(batches) = fuzzing::segment(&disk, SEGMENT_NUMBER) else { return Verdict::Refused };
    let served: usize = batches.iter().map(|(_, stored)| stored.batch.body.len()).sum();
    assert!(served <= bytes.len(), "more is read than there is");
    Verdict::Read
}

pub(super) const CHECKPOINT: Target = Target {
    name: "checkpoint",
    about: "a checkpoint of the log",
    seeds: || files(".ckp", |file| vec![file.to_vec()]),
    repair: Some(|bytes| repair::checkpoint(bytes)),
    check: |bytes| {
        let number = repair::u32_at(bytes, 8).and_then(|number| u32::try_from(number).ok()).unwrap_or(1);
        assert!(!fuzzing::checkpoint(bytes, number ^ 1), "a checkpoint of another number");
        read(fuzzing::checkpoint(bytes, number))
    },
    ..PLAIN
};

pub(super) const FORMAT: Target = Target {
    name: "format",
    about: "the FORMAT file of a data directory",
    seeds: || files("FORMAT", |file| vec![file.to_vec()]),
    check: |bytes| {
        let disk = SimDisk::new(0);
        disk.plant("FORMAT", bytes);
        let disk: Arc<dyn Disk> = Arc::new(disk);
        let known = fuzzing::format(&disk);
        assert!(!known || bytes.starts_with(b"millstream") || bytes.first().is_some_and(u8::is_ascii_digit));
        read(known)
    },
    longest: 4_096,
    ..PLAIN
};

fn read(is_read: bool) -> Verdict {
    if is_read { Verdict::Read } else { Verdict::Refused }
}

/// Seeds from all files with this ending.
fn files(ending: &str, seeds: fn(&[u8]) -> Vec<Vec<u8>>) -> Vec<Vec<u8>> {
    let files = DIRECTORIES.iter().flatten().filter(|(name, _)| name.ends_with(ending));
    files.flat_map(|(_, file)| seeds(file)).collect()
}
