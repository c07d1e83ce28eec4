//! A whole data directory: opened, read, written to, opened again.
//!
//! An input is a program: which directory to begin with, whether to make the checksums right again, and what to change,
//! eight bytes a change. Mutating 200 KiB of mostly zeros byte by byte would find little.

use super::scan::{self, Batches};
use super::{PLAIN, repair};
use crate::mutate::EDGES;
use crate::seeds::{DIRECTORIES, Files, driven, now, options};
use crate::{Random, Target, Verdict};
use millstream_host::clock::ManualClock;
use millstream_host::disk::SimDisk;
use millstream_host::entropy;
use millstream_log::{Batch, Log, ReadLimit};
use millstream_log_embedded::{Driver, EmbeddedLog, OpenError};
use millstream_types::{LogShard, Position, Timestamp};
use std::collections::BTreeMap;
use std::sync::LazyLock;
use std::time::Duration;

pub(super) const DATA_DIRECTORY: Target = Target {
    name: "data_directory",
    about: "a whole data directory with changes made to it",
    seeds,
    check,
    longest: 2 + 32 * CHANGE,
    // All files twice (what is written, and what is durable), those read last, and what a log is made of.
    memory: (16 << 20, 0),
    tries: 1_500,
    ..PLAIN
};

const CHANGE: usize = 8;
/// Shards that are looked at: those that the directories have, and one that they have not.
const SHARDS: u64 = 9;

static WRITTEN: LazyLock<Vec<Batches>> = LazyLock::new(|| DIRECTORIES.iter().map(scan::batches).collect());

fn seeds() -> Vec<Vec<u8>> {
    let mut random = Random(11);
    let mut seeds = Vec::new();
    for directory in 0..u8::try_from(DIRECTORIES.len()).unwrap_or(u8::MAX) {
        for repaired in 0..2 {
            seeds.push(vec![directory, repaired]);
            for kind in 0..KINDS {
                for _ in 0..4 {
                    let place: [u8; CHANGE - 1] = std::array::from_fn(|_| random.byte());
                    seeds.push([&[directory, repaired, kind], &place[..]].concat());
                }
            }
        }
    }
    seeds
}

fn check(program: &[u8]) -> Verdict {
    let (Some((head, changes)), count) = (program.split_first_chunk::<2>(), DIRECTORIES.len()) else {
        return Verdict::Refused;
    };
    let (chosen, repaired) = (usize::from(head[0]) % count, head[1] % 2 == 1);
    let mut files = DIRECTORIES[chosen].clone();
    for place in changes.chunks_exact(CHANGE) {
        change(&mut files, place);
    }
    if repaired {
        repair(&mut files);
    }
    let disk = SimDisk::new(1);
    for (name, file) in &files {
        disk.plant(name, file);
    }
    // Forged checksums vouch for anything; without them what is served is what was written.
    open_and_use(&disk, (!repaired).then(|| &WRITTEN[chosen]))
}

/// Kinds of changes.
const KINDS: u8 = 12;

/// One change: kind, file, place (three bytes), length or another place (two), value.
fn change(files: &mut Files, bytes: &[u8]) {
    let field = |at: usize| usize::from(bytes[at]);
    let (at, other, value) = (field(1) % files.len(), field(5) % files.len(), bytes[7]);
    let more = field(5) << 8 | field(6);
    let source = files[other].1.clone();
    let file = &mut files[at].1;
    let place = place(file, field(2) << 16 | field(3) << 8 | field(4));
    let edge = EDGES[usize::from(value) % EDGES.len()].to_le_bytes();
    match bytes[0] % KINDS {
        0 | 1 => overwrite(file, place, |byte| *byte ^= 1 << (value % 8)),
        2 => overwrite(file, place, |byte| *byte = value),
        3 => edge[..4].iter().zip(place..).for_each(|(new, at)| overwrite(file, at, |byte| *byte = *new)),
        4 => edge.iter().zip(place..).for_each(|(new, at)| overwrite(file, at, |byte| *byte = *new)),
        5 => file.truncate(place),
        6 => file.resize(file.len() + usize::from(value) * 64, value),
        7 => {
            // A block where another one was, of this file or of another.
            let from = ((more << 8) % source.len().max(1)) & !0xfff;
            let block = source.iter().skip(from).take(4_096);
            block.zip(place & !0xfff..).for_each(|(new, at)| overwrite(file, at, |byte| *byte = *new));
        }
        8 => (place..place + more % 8_192).for_each(|at| overwrite(file, at, |byte| *byte = 0)),
        9 => drop(files.remove(at)),
        10 => file.clone_from(&source),
        _ => {
            let name = files[other].0.clone();
            files[at].0 = name;
        }
    }
    if files.is_empty() {
        files.push(("FORMAT".to_owned(), Vec::new()));
    }
}

/// Most of a file is nothing but zeros: a place in the part that is not, or near the start of a block.
fn place(file: &[u8], number: usize) -> usize {
    let used = file.iter().rposition(|byte| *byte != 0).map_or(0, |last| last + 1);
    let place = number % used.max(1);
    if number & 0x80_0000 == 0 { place } else { place & !0xfff | number & 0x7f }
}

fn overwrite(file: &mut [u8], at: usize, change: impl FnOnce(&mut u8)) {
    if let Some(byte) = file.get_mut(at) {
        change(byte);
    }
}

fn repair(files: &mut Files) {
    let mut footers = BTreeMap::new();
    for (name, file) in files.iter_mut() {
        if name.starts_with("wal/") {
            repair::wal_file(file);
        } else if name.starts_with("segments/") {
            repair::segment(file);
            let number: u32 =
                name.trim_start_matches("segments/").trim_end_matches(".seg").parse().unwrap_or(0);
            let crc = file.len().checked_sub(24).and_then(|at| file.get(at..at + 4)).map(<[u8]>::to_vec);
            footers.insert(number, crc.unwrap_or_default());
        }
    }
    for (_, file) in files.iter_mut().filter(|(name, _)| name.starts_with("checkpoint/")) {
        let shards = repair::u32_at(file, 40).unwrap_or(0);
        // Where segments are named, with the checksum of their footers.
        for line in file.get_mut(64 + shards * 40..).unwrap_or_default().chunks_exact_mut(24) {
            let number = repair::u32_at(line, 0).and_then(|number| u32::try_from(number).ok()).unwrap_or(0);
            if let Some(crc) = footers.get(&number).filter(|crc| crc.len() == 4) {
                line[4..8].copy_from_slice(crc);
            }
        }
        repair::checkpoint(file);
    }
}

type Opened = Result<(EmbeddedLog, Driver), OpenError>;

fn open(disk: &SimDisk) -> Opened {
    let clock = ManualClock::at(Timestamp::from_millis(1_700_000_000_000));
    EmbeddedLog::open_driven(&options(disk), clock).map(|(log, driver, _)| (log, driver))
}

fn open_and_use(disk: &SimDisk, written: Option<&Batches>) -> Verdict {
    let _seeded = entropy::seed(5);
    let (log, mut driver) = match open(disk) {
        Err(error) => {
            assert!(!error.to_string().is_empty());
            return Verdict::Refused;
        }
        Ok(opened) => opened,
    };
    let mut seen = observe(&log, written.is_none());
    if let Some(written) = written {
        check_served(&seen, written);
    }
    // It goes on where it was, and what it says next lasts too.
    let tails: Vec<_> = seen.iter().filter_map(|(shard, state)| Some((*shard, state.tail?))).collect();
    for (shard, tail) in tails {
        // Nothing comes after the last position there is.
        let Some(end) = tail.0.checked_add(1) else { continue };
        let batch = Batch::single(Timestamp::from_millis(1_700_000_000_000), b"one more");
        let append =
            async { log.append(vec![(shard, batch.clone())], Duration::ZERO).await?.durable().await };
        let Ok(appended) = driven(&mut driver, append) else { continue };
        assert_eq!(appended[0].first, tail, "a shard goes on at its tail");
        let state = seen.get_mut(&shard).expect("it was seen");
        state.tail = Some(Position(end));
        let timestamp = appended[0].timestamp.millis();
        // What comes behind damage is not looked at.
        if state.damaged.is_none() {
            state.batches.push((tail.0, (timestamp, 1, batch.body.to_vec())));
        }
    }
    // The driver first: a log waits for its writer to end.
    drop((driver, log));
    disk.kill();
    let (log, driver) = open(disk).expect("a log that was opened can be opened again");
    let again = observe(&log, written.is_none());
    // A forged count may be refused at one time and fit at another.
    if written.is_some() {
        for (shard, seen) in &seen {
            assert_eq!(
                again.get(shard),
                Some(seen),
                "{shard}: what was served is there after the next start"
            );
        }
        assert_eq!(again.len(), seen.len(), "no other shard is there");
    }
    drop((driver, log));
    Verdict::Read
}

/// Timestamp, count, bytes.
type Batched = (u64, usize, Vec<u8>);

/// What can be read of a shard.
#[derive(Default, PartialEq)]
struct Seen {
    tail: Option<Position>,
    /// By first position.
    batches: Vec<(u64, Batched)>,
    /// Where reading ended, if not at the tail.
    damaged: Option<Position>,
}

impl std::fmt::Debug for Seen {
    /// Short enough to be read when a law is broken.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "to {:?}, damaged at {:?}:", self.tail, self.damaged)?;
        for (first, (timestamp, count, bytes)) in &self.batches {
            write!(f, " {first}+{count} at {timestamp} {:08x}", crc32c::crc32c(bytes))?;
        }
        Ok(())
    }
}

fn observe(log: &EmbeddedLog, forged: bool) -> BTreeMap<LogShard, Seen> {
    let limit = ReadLimit { records: 7, bytes: 2_000 };
    let mut all = BTreeMap::new();
    for shard in (0..SHARDS).map(LogShard) {
        let Ok(tail) = log.tail(shard) else { continue };
        let mut seen = Seen { tail: Some(tail.current()), ..Seen::default() };
        let mut next = Position::ZERO;
        loop {
            let chunk = match now(log.read(shard, next, limit)) {
                Err(millstream_log::ReadError::Trimmed { earliest }) if earliest > next => {
                    next = earliest;
                    continue;
                }
                Err(_) => {
                    seen.damaged = Some(next);
                    break;
                }
                Ok(chunk) => chunk,
            };
            let Some(last) = chunk.batches.last() else { break };
            let (end, tail) = (last.end(), seen.tail);
            assert!(end > next, "{shard}: a read goes on");
            // A count is believed if its checksum is right.
            if forged && Some(end) > tail {
                seen.damaged = Some(next);
                break;
            }
            assert!(Some(end) <= tail, "{shard}: read from {next} to {end}, and the tail is {tail:?}");
            next = last.end();
            seen.batches.extend(chunk.batches.into_iter().map(|stored| {
                assert!(stored.batch.is_intact());
                let Batch { timestamp, count, body, .. } = stored.batch;
                (stored.first.0, (timestamp.millis(), count as usize, body.to_vec()))
            }));
        }
        for at in [0, 1_700_000_000_020, u64::MAX] {
            if let Ok(found) = now(log.seek_time(shard, Timestamp::from_millis(at))) {
                assert!(Some(found) <= seen.tail, "{shard}: nothing is behind the tail");
            }
        }
        all.insert(shard, seen);
    }
    all
}

fn check_served(seen: &BTreeMap<LogShard, Seen>, written: &Batches) {
    for (shard, state) in seen {
        for (first, batch) in &state.batches {
            assert_eq!(written.get(&(shard.0, *first)), Some(batch), "{shard} at {first}");
        }
    }
}
