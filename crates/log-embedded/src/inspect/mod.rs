//! Looking at a data directory that may be damaged: what is there, what is wrong, what a repair would leave. Nothing is
//! changed.

pub(crate) mod look;
pub(crate) mod report;
pub(crate) mod salvage;
pub(crate) mod segments;
pub(crate) mod wal;

use crate::caps;
use crate::checkpoint::{self, BadCheckpoint, Checkpoint, ShardLine};
use crate::directory::{self, FORMAT_VERSION};
use crate::error::OpenError;
use crate::names;
use crate::segment;
use crate::segment::footer::hours;
use crate::wal::files;
use crate::wal::recover::io_error;
use millstream_host::disk::Disk;
use millstream_types::LogShard;
use report::{CheckpointReport, Gone, Inspection, Loss, Problem, ShardReport, WalUse};
use salvage::{Origin, Salvaged, revive, salvage};
use segments::{Context, SegmentScan};
use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::sync::Arc;
use wal::WalScan;

/// How closely to look.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Depth {
    /// At every byte that a record needs.
    Deep,
    /// Not at the records in segments.
    Quick,
}

/// Look at a data directory, also one that refuses to open. Changes nothing, and takes the directory's lock meanwhile.
/// `progress` hears of bytes that were looked at, and of how many there are.
///
/// # Errors
/// `Locked` if a server uses the directory, `Format` if another version wrote it, `Io` if it cannot be read at all.
/// Damage is no error: it is what the inspection is for.
pub fn inspect(
    disk: &Arc<dyn Disk>,
    depth: Depth,
    progress: &dyn Fn(u64, u64),
) -> Result<Inspection, OpenError> {
    let _lock = directory::lock(disk)?;
    survey(disk, depth, progress).map(|survey| survey.inspection)
}

/// All that was found, and what a repair makes of it.
#[derive(Debug)]
pub(crate) struct Survey {
    pub(crate) inspection: Inspection,
    /// The newest one, if it can be read.
    pub(crate) checkpoint: Option<Checkpoint>,
    pub(crate) next_checkpoint: u32,
    pub(crate) next_segment: u32,
    pub(crate) wal: WalScan,
    pub(crate) segments: Vec<SegmentScan>,
    pub(crate) shards: BTreeMap<LogShard, Salvaged>,
    /// Segments that stay as they are.
    pub(crate) kept: BTreeSet<u32>,
    pub(crate) rewrites_format: bool,
    pub(crate) rewrites_wal: bool,
    pub(crate) rewrites_checkpoint: bool,
    /// Files that a repair keeps a copy of.
    pub(crate) aside: BTreeSet<String>,
}

pub(crate) fn survey(
    disk: &Arc<dyn Disk>,
    depth: Depth,
    progress: &dyn Fn(u64, u64),
) -> Result<Survey, OpenError> {
    let mut looking = Looking::begin(disk, depth, progress)?;
    looking.format()?;
    let found = looking.checkpoint()?;
    let wal = wal::scan(disk, found.newest.as_ref(), found.lost, &found.hints, &|bytes| looking.saw(bytes))?;
    looking.problems.extend(wal.problems.iter().cloned());
    let segments = looking.segments(&found, &wal)?;
    Ok(looking.conclude(found, wal, segments))
}

struct Looking<'a> {
    disk: &'a Arc<dyn Disk>,
    depth: Depth,
    progress: &'a dyn Fn(u64, u64),
    seen_bytes: std::cell::Cell<u64>,
    all_bytes: u64,
    present: Vec<u32>,
    wal_files: Vec<u32>,
    format: Option<u16>,
    problems: Vec<Problem>,
    aside: BTreeSet<String>,
}

/// What the checkpoints say.
#[derive(Default)]
struct Checkpoints {
    newest: Option<Checkpoint>,
    /// There was one, and it cannot be read.
    lost: bool,
    /// Of an older one.
    hints: Vec<ShardLine>,
    next: u32,
}

impl<'a> Looking<'a> {
    fn begin(
        disk: &'a Arc<dyn Disk>,
        depth: Depth,
        progress: &'a dyn Fn(u64, u64),
    ) -> Result<Self, OpenError> {
        let numbers = |directory: &str, number: fn(&str) -> Option<u32>| -> io::Result<(Vec<u32>, u64)> {
            let mut bytes = 0;
            let mut numbers = Vec::new();
            for name in look::list(&**disk, directory)? {
                let Some(found) = number(&name) else { continue };
                numbers.push(found);
                if let Some(file) = look::open(&**disk, &format!("{directory}/{name}"))? {
                    bytes += file.len()?;
                }
            }
            Ok((numbers, bytes))
        };
        let listed = numbers(segment::DIRECTORY, segment::number)
            .and_then(|segments| Ok((segments, numbers(files::DIRECTORY, files::number)?)));
        let ((present, in_segments), (wal_files, in_wal)) =
            listed.map_err(io_error(&**disk, "listing the data directory"))?;
        Ok(Self {
            disk,
            depth,
            progress,
            seen_bytes: std::cell::Cell::new(0),
            all_bytes: in_segments + in_wal,
            present,
            wal_files,
            format: None,
            problems: Vec::new(),
            aside: BTreeSet::new(),
        })
    }

    fn saw(&self, bytes: u64) {
        self.seen_bytes.set(self.all_bytes.min(self.seen_bytes.get() + bytes));
        (self.progress)(self.seen_bytes.get(), self.all_bytes);
    }

    fn problem(&mut self, file: &str, records: Option<u64>, what: impl Into<String>) {
        self.problems.push(Problem {
            file: file.to_owned(),
            offset: 0,
            group: None,
            shard: None,
            positions: None,
            refuses_start: true,
            records,
            what: what.into(),
        });
    }

    fn format(&mut self) -> Result<(), OpenError> {
        match directory::format(self.disk) {
            Ok(Some(found)) => self.format = Some(found),
            Ok(None) => {
                let checkpoints = checkpoint_numbers(self.disk)?;
                if !(self.present.is_empty() && self.wal_files.is_empty() && checkpoints.is_empty()) {
                    self.problem(directory::FORMAT, Some(0), "the file is missing");
                }
            }
            Err(OpenError::Format { found, .. }) if found.parse::<u16>().is_err() => {
                self.problem(directory::FORMAT, Some(0), "it does not say what format the directory has");
                self.aside.insert(directory::FORMAT.to_owned());
            }
            Err(other) => return Err(other),
        }
        Ok(())
    }

    fn checkpoint(&mut self) -> Result<Checkpoints, OpenError> {
        let numbers = checkpoint_numbers(self.disk)?;
        let mut found =
            Checkpoints { next: numbers.last().map_or(1, |last| last + 1), ..Checkpoints::default() };
        for number in numbers.iter().rev() {
            match self.read_checkpoint(*number)? {
                Some(checkpoint) if found.lost => {
                    found.hints = checkpoint.shards;
                    break;
                }
                Some(checkpoint) => {
                    found.newest = Some(checkpoint);
                    break;
                }
                None => {
                    let name = checkpoint::name(*number);
                    if !found.lost {
                        self.problem(&name, None, BadCheckpoint::Damaged.to_string());
                    }
                    self.aside.insert(name);
                    found.lost = true;
                }
            }
        }
        // The first WAL file goes only when a checkpoint says that it may.
        let begins = self.wal_files.first() == Some(&1);
        let nothing = self.wal_files.is_empty() && self.present.is_empty();
        if numbers.is_empty() && !begins && !nothing {
            found.lost = true;
            self.problem(
                checkpoint::DIRECTORY,
                None,
                "there is neither a checkpoint nor the first file of the write-ahead log",
            );
        }
        Ok(found)
    }

    /// `None` if it is damaged.
    fn read_checkpoint(&self, number: u32) -> Result<Option<Checkpoint>, OpenError> {
        let name = checkpoint::name(number);
        let read = || -> io::Result<Vec<u8>> {
            let Some(file) = look::open(&**self.disk, &name)? else { return Ok(Vec::new()) };
            look::read(&*file, 0, file.len()?.min(caps::CHECKPOINT_BYTES))
        };
        let bytes = read().map_err(io_error(&**self.disk, format!("reading {name}")))?;
        match Checkpoint::decode(&bytes, number) {
            Ok(checkpoint) => Ok(Some(checkpoint)),
            Err(BadCheckpoint::Damaged) => Ok(None),
            Err(BadCheckpoint::Version(version)) => Err(OpenError::Format {
                directory: self.disk.describe(),
                found: format!("{FORMAT_VERSION} with a checkpoint of version {version}"),
                supported: FORMAT_VERSION,
            }),
        }
    }

    fn segments(&mut self, found: &Checkpoints, wal: &WalScan) -> Result<Vec<SegmentScan>, OpenError> {
        let shards = wal.shards.iter().filter(|(_, seen)| !seen.dropped && (seen.known || found.lost));
        let mut earliest: BTreeMap<_, _> = shards.map(|(shard, seen)| (*shard, seen.earliest)).collect();
        if found.lost {
            let dropped = wal.shards.iter().filter(|(_, seen)| seen.dropped);
            earliest.extend(dropped.map(|(shard, _)| (*shard, millstream_types::Position(u64::MAX))));
        }
        let named: BTreeMap<u32, (u64, u32)> = match &found.newest {
            Some(checkpoint) => {
                checkpoint.segments.iter().map(|(number, bytes, crc)| (*number, (*bytes, *crc))).collect()
            }
            None => BTreeMap::new(),
        };
        let unnamed = if found.lost { self.present.as_slice() } else { &[] };
        let all: BTreeSet<u32> = unnamed
            .iter()
            .chain(named.keys())
            .filter(|number| !wal.discarded.contains(number))
            .copied()
            .collect();
        let deep = self.depth == Depth::Deep;
        let context = Context { disk: self.disk, deep, earliest: &earliest, only_known: !found.lost };
        let mut problems = Vec::new();
        let mut scans = Vec::new();
        for number in all {
            let mentioned = named.get(&number).copied();
            let scan = context.scan(number, mentioned, &mut problems, &|bytes| self.saw(bytes))?;
            scans.extend(scan);
        }
        self.problems.extend(problems);
        Ok(scans)
    }

    fn conclude(self, found: Checkpoints, wal: WalScan, segments: Vec<SegmentScan>) -> Survey {
        let (mut shards, mut losses) = salvage(&wal.shards, &segments, found.lost);
        for (shard, (first, end)) in &wal.cut {
            let first = shards.get(shard).map_or(*first, |salvaged| salvaged.next.max(*first));
            if first < *end {
                losses.push(Loss { shard: *shard, first, end: *end, why: Gone::AfterTheCut });
            }
        }
        losses.sort_unstable_by_key(|loss| (loss.shard, loss.first));
        let mut problems = self.problems;
        if problems.is_empty() && !losses.is_empty() {
            problems.extend(losses.iter().map(nowhere));
        }
        let mut notes = wal.notes.clone();
        if found.lost {
            notes.push(NO_CHECKPOINT.to_owned());
        }
        if losses.iter().any(|loss| loss.shard == LogShard::CONTROL && loss.why != Gone::AfterTheCut) {
            notes.push(CONTROL_LOST.to_owned());
        }
        let kept = segments.iter().filter(|scan| scan.is_sound && is_used_whole(scan, &shards));
        let kept: BTreeSet<u32> = kept.map(|scan| scan.number).collect();
        let rewrites_wal = found.lost || !wal.problems.is_empty();
        let holes = shards.values().any(|salvaged| salvaged.is_cut);
        let mut aside = self.aside;
        aside.extend(wal.aside.iter().cloned());
        // Also what can be read and is given up.
        let gone = segments.iter().filter(|scan| !kept.contains(&scan.number) && scan.report.live);
        aside.extend(gone.map(|scan| segment::name(scan.number)));
        if rewrites_wal && holes {
            aside.extend(
                wal.files.iter().filter(|file| file.used == WalUse::Used).map(|file| file.file.clone()),
            );
        }
        let reports = shards.iter().map(shard_report).collect();
        if found.lost {
            revive(&mut shards, &wal.shards);
        }
        let named = found.newest.iter().flat_map(|checkpoint| &checkpoint.segments);
        let numbers = named.map(|(number, ..)| number).chain(&self.present).chain(&wal.discarded);
        let next_segment = numbers.max().map_or(1, |number| number + 1);
        let inspection = Inspection {
            directory: self.disk.describe(),
            format: self.format,
            deep: self.depth == Depth::Deep,
            checkpoint: found.newest.as_ref().map(checkpoint_report),
            wal: wal.files.clone(),
            segments: segments.iter().map(|scan| scan.report.clone()).collect(),
            shards: reports,
            torn_bytes: wal.torn_bytes,
            losses,
            notes,
            problems,
        };
        Survey {
            rewrites_format: inspection.problems.iter().any(|problem| problem.file == directory::FORMAT),
            rewrites_checkpoint: rewrites_wal
                || holes
                || inspection.problems.iter().any(|problem| problem.file.starts_with(segment::DIRECTORY)),
            rewrites_wal,
            checkpoint: found.newest,
            next_checkpoint: found.next,
            next_segment,
            inspection,
            wal,
            segments,
            shards,
            kept,
            aside,
        }
    }
}

const CONTROL_LOST: &str = "Part of the control log (log-0) is among it, which says what streams and functions there \
    are: the server will not start after a repair unless a whole snapshot follows what is lost";

const NO_CHECKPOINT: &str = "Without its checkpoint, shards are rebuilt from all segments and the write-ahead log: \
    records that were trimmed may be there again, until retention comes by; whether there were records before the first \
    that is found cannot be known; shards of which nothing was found are made \
    anew, empty, with positions that nobody has had; what the checkpoint alone knew is lost";

/// Segments and WAL are whole and do not fit together.
fn nowhere(loss: &Loss) -> Problem {
    Problem {
        file: segment::DIRECTORY.to_owned(),
        offset: 0,
        group: None,
        shard: Some(loss.shard),
        positions: Some((loss.first, loss.end)),
        refuses_start: true,
        records: Some(loss.records()),
        what: "no segment has these records".to_owned(),
    }
}

/// Whether every live run of the segment is needed to its end: then it can stay as it is.
fn is_used_whole(scan: &SegmentScan, shards: &BTreeMap<LogShard, Salvaged>) -> bool {
    let origin = Origin::Segment(scan.number);
    let mut live = 0;
    scan.spans.iter().all(|span| {
        let Some(salvaged) = shards.get(&span.shard).filter(|salvaged| salvaged.earliest < span.end) else {
            return true;
        };
        live += 1;
        salvaged.pieces.iter().any(|piece| piece.origin == origin && piece.end == span.end)
    }) && live > 0
}

fn checkpoint_numbers(disk: &Arc<dyn Disk>) -> Result<Vec<u32>, OpenError> {
    let names = look::list(&**disk, checkpoint::DIRECTORY);
    let names = names.map_err(io_error(&**disk, "listing the checkpoints"))?;
    Ok(names.iter().filter_map(|name| names::number(name, ".ckp")).collect())
}

fn checkpoint_report(checkpoint: &Checkpoint) -> CheckpointReport {
    CheckpointReport {
        file: checkpoint::name(checkpoint.number),
        group: checkpoint.resume.group,
        wal_file: files::name(checkpoint.resume.file),
        wal_offset: checkpoint.resume.offset,
        shards: checkpoint.shards.len(),
        segments: checkpoint.segments.len(),
    }
}

fn shard_report((shard, salvaged): (&LogShard, &Salvaged)) -> ShardReport {
    let count = |wal: bool| {
        let there = salvaged.pieces.iter().filter(|piece| (piece.origin == Origin::Wal) == wal);
        there.map(salvage::Piece::records).sum()
    };
    ShardReport {
        shard: *shard,
        class_hours: hours(salvaged.class),
        earliest: salvaged.earliest,
        next: salvaged.next,
        newest: salvaged.newest,
        in_segments: count(false),
        in_wal: count(true),
    }
}
