//! What an inspection says, for people (`Display`) and for programs (`Serialize`).

use crate::segment::footer::class;
use millstream_log::RetentionClass;
use millstream_types::{LogShard, Position, Timestamp};
use serde::Serialize;
use std::fmt;

/// Lines of each kind that the text shows; programs get them all.
const SHOWN: usize = 20;

/// What a data directory holds, and what is wrong with it.
#[derive(Clone, Debug, Serialize)]
pub struct Inspection {
    pub directory: String,
    /// What FORMAT says; none if that cannot be told.
    pub format: Option<u16>,
    /// Whether the checksum of every batch was looked at.
    pub deep: bool,
    pub checkpoint: Option<CheckpointReport>,
    pub wal: Vec<WalFileReport>,
    pub segments: Vec<SegmentReport>,
    /// Every shard that can still be found, as a repair would leave it.
    pub shards: Vec<ShardReport>,
    /// Bytes of groups that were never acknowledged: the next start removes them. No problem.
    pub torn_bytes: u64,
    pub problems: Vec<Problem>,
    /// What a repair gives up, as far as it can be known.
    pub losses: Vec<Loss>,
    /// What else a repair means.
    pub notes: Vec<String>,
}

#[derive(Clone, Debug, Serialize)]
pub struct CheckpointReport {
    pub file: String,
    /// Groups up to this one are in segments.
    pub group: u64,
    /// Where the WAL goes on.
    pub wal_file: String,
    pub wal_offset: u64,
    pub shards: usize,
    pub segments: usize,
}

/// What a file in the WAL's directory is there for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum WalUse {
    /// It holds groups that no segment has, or is the one being written.
    Used,
    /// Made ahead of its use.
    Spare,
    /// All that it held is in segments.
    Recycled,
}

#[derive(Clone, Debug, Serialize)]
pub struct WalFileReport {
    pub file: String,
    pub used: WalUse,
    pub bytes: u64,
    /// Sixteen hexadecimal digits.
    pub salt: Option<String>,
    /// The first and the last group in it that a start replays.
    pub groups: Option<(u64, u64)>,
}

#[derive(Clone, Debug, Serialize)]
pub struct SegmentReport {
    pub file: String,
    /// Hours, 0 for ever; none if that cannot be read.
    pub class_hours: Option<u32>,
    pub bytes: u64,
    /// Runs of shards, and records in them.
    pub runs: usize,
    pub records: u64,
    /// Milliseconds since 1970 UTC. The oldest time is known to a deep inspection only.
    pub oldest: Option<Timestamp>,
    pub newest: Option<Timestamp>,
    /// Whether a record of it can be asked for.
    pub live: bool,
    /// Whether a checkpoint names it; if none does, the next start removes it.
    pub named: bool,
}

#[derive(Clone, Debug, Serialize)]
pub struct ShardReport {
    pub shard: LogShard,
    /// Hours, 0 for ever.
    pub class_hours: u32,
    pub earliest: Position,
    pub next: Position,
    pub newest: Option<Timestamp>,
    /// Records by where they are.
    pub in_segments: u64,
    pub in_wal: u64,
}

/// Something that is not as it was written.
#[derive(Clone, Debug, Serialize)]
pub struct Problem {
    pub file: String,
    pub offset: u64,
    pub group: Option<u64>,
    pub shard: Option<LogShard>,
    /// The first position it is about, and the one after the last.
    pub positions: Option<(Position, Position)>,
    /// Whether a server does not start because of it.
    pub refuses_start: bool,
    /// Records that cannot be read because of it; none if that cannot be known.
    pub records: Option<u64>,
    pub what: String,
}

/// Why records will be gone.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Gone {
    /// Nothing on the disk has them whole.
    Unreadable,
    /// They can be read, but others after them cannot, and a shard has no holes.
    BeforeAHole,
    /// They come after a group of the WAL that cannot be read.
    AfterTheCut,
}

/// Records of one shard that a repair gives up.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Loss {
    pub shard: LogShard,
    pub first: Position,
    /// The position after the last.
    pub end: Position,
    pub why: Gone,
}

impl Loss {
    pub fn records(&self) -> u64 {
        self.end.0 - self.first.0
    }
}

impl Inspection {
    /// Nothing is wrong.
    pub fn is_sound(&self) -> bool {
        self.problems.is_empty()
    }

    /// Whether a server does not start on this directory.
    pub fn refuses_start(&self) -> bool {
        self.problems.iter().any(|problem| problem.refuses_start)
    }

    /// What a repair would lose, for people.
    pub fn loss_text(&self) -> String {
        let (records, shards) = self.lost();
        let summary = match records {
            0 => "No record is lost, as far as can be known.\n".to_owned(),
            _ => format!("Lost are {records} records of {shards} shards:\n"),
        };
        let losses = self.losses.iter().map(|loss| format!("  {loss}\n"));
        let notes = self.notes.iter().map(|note| format!("  {note}\n"));
        std::iter::once(summary).chain(losses).chain(notes).collect()
    }

    fn lost(&self) -> (u64, usize) {
        let mut shards: Vec<LogShard> = self.losses.iter().map(|loss| loss.shard).collect();
        shards.sort_unstable();
        shards.dedup();
        (self.losses.iter().map(Loss::records).sum(), shards.len())
    }
}

impl fmt::Display for Loss {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { shard, first, end, why } = self;
        let why = match why {
            Gone::Unreadable => "nothing on the disk has them whole",
            Gone::BeforeAHole => {
                "readable, but given up: others after them are lost, and a shard has no holes"
            }
            Gone::AfterTheCut => "they come after a damaged group of the write-ahead log",
        };
        write!(f, "{shard}: positions {first} to {} ({} records): {why}", end.0 - 1, self.records())
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} at byte {}", self.file, self.offset)?;
        if let Some(group) = self.group {
            write!(f, ", group {group}")?;
        }
        if let Some(shard) = self.shard {
            write!(f, ", {shard}")?;
        }
        if let Some((first, end)) = self.positions {
            write!(f, ", positions {first} to {}", end.0.saturating_sub(1))?;
        }
        write!(f, ": {}; ", self.what)?;
        match self.records {
            Some(0) => write!(f, "no record is lost")?,
            Some(records) => write!(f, "{records} records cannot be read")?,
            None => write!(f, "an unknown number of records cannot be read")?,
        }
        if self.refuses_start { write!(f, "; the server does not start") } else { Ok(()) }
    }
}

fn retention(hours: Option<u32>) -> String {
    match hours.map(class) {
        Some(RetentionClass::Forever) => "for ever".to_owned(),
        Some(RetentionClass::Hours(hours)) => format!("{hours} h"),
        None => "unknown retention".to_owned(),
    }
}

fn time(at: Option<Timestamp>) -> String {
    at.map_or_else(|| "?".to_owned(), Timestamp::lambda_date)
}

impl fmt::Display for WalFileReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {} bytes", self.file, self.bytes)?;
        match (self.used, self.groups) {
            (WalUse::Used, Some((first, last))) => write!(f, ", groups {first} to {last}")?,
            (WalUse::Used, None) => write!(f, ", no group that a start replays")?,
            (WalUse::Spare, _) => write!(f, ", ready to be written")?,
            (WalUse::Recycled, _) => write!(f, ", recycled: segments have all that it held")?,
        }
        self.salt.as_ref().map_or(Ok(()), |salt| write!(f, ", salt {salt}"))
    }
}

impl fmt::Display for SegmentReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { file, bytes, runs, records, .. } = self;
        let (class, newest) = (retention(self.class_hours), time(self.newest));
        let state = match (self.named, self.live) {
            (true, true) => "live",
            (true, false) => "nothing of it is left",
            (false, _) => "not named by the checkpoint",
        };
        write!(f, "{file} {bytes} bytes, {class}, {runs} runs, {records} records, newest {newest}")?;
        if let Some(oldest) = self.oldest {
            write!(f, ", oldest {}", time(Some(oldest)))?;
        }
        write!(f, ", {state}")
    }
}

impl fmt::Display for ShardReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { shard, earliest, next, in_segments, in_wal, .. } = self;
        let class = retention(Some(self.class_hours));
        write!(f, "{shard} {class}, positions {earliest} to {next}, ")?;
        write!(f, "{in_segments} records in segments and {in_wal} in the WAL")?;
        self.newest.map_or(Ok(()), |newest| write!(f, ", newest {}", time(Some(newest))))
    }
}

fn list<T: fmt::Display>(f: &mut fmt::Formatter<'_>, title: &str, lines: &[T]) -> fmt::Result {
    writeln!(f, "{title}: {}", lines.len())?;
    for line in lines.iter().take(SHOWN) {
        writeln!(f, "  {line}")?;
    }
    let more = lines.len().saturating_sub(SHOWN);
    if more > 0 { writeln!(f, "  … and {more} more: --json has them all") } else { Ok(()) }
}

impl fmt::Display for Inspection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let format = self.format.map_or_else(|| "unknown".to_owned(), |format| format.to_string());
        writeln!(f, "Data directory {}, format {format}", self.directory)?;
        match &self.checkpoint {
            Some(CheckpointReport { file, group, wal_file, wal_offset, shards, segments }) => writeln!(
                f,
                "Checkpoint {file}: {shards} shards, {segments} segments, groups up to {group}; the WAL goes on in \
                 {wal_file} at byte {wal_offset}"
            )?,
            None => writeln!(f, "Checkpoint: none that can be read")?,
        }
        list(f, "WAL files", &self.wal)?;
        list(f, "Segments", &self.segments)?;
        list(f, "Shards", &self.shards)?;
        if self.torn_bytes > 0 {
            let torn = self.torn_bytes;
            writeln!(f, "Torn tail: {torn} bytes, never acknowledged; the next start removes them")?;
        }
        if self.is_sound() {
            let how = if self.deep { "every checksum was looked at" } else { "records were not looked at" };
            return write!(f, "No problem was found; {how}");
        }
        list(f, "Problems", &self.problems)?;
        write!(f, "If this is repaired: {}", self.loss_text())?;
        let whether = if self.refuses_start() { "does not start" } else { "starts" };
        write!(f, "The server {whether} on this directory as it is")
    }
}
