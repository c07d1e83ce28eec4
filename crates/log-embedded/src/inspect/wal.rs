//! What can still be read of the WAL. The rules are those of `wal/recover.rs`; where that refuses, this goes on looking.

use super::look;
use super::report::{Problem, WalFileReport, WalUse};
use crate::checkpoint::{Checkpoint, ShardLine};
use crate::directory::FORMAT_VERSION;
use crate::error::OpenError;
use crate::index::Place;
use crate::wal::entry::{BadEntry, Entry};
use crate::wal::files::{self, BadFileHeader, DIRECTORY, FIRST_GROUP, FileHeader};
use crate::wal::group::{BLOCK, Found, GroupHeader, HEADER, padded};
use crate::wal::pool::{self, Kind};
use crate::wal::recover::io_error;
use millstream_host::disk::Disk;
use millstream_log::RetentionClass;
use millstream_types::{LogShard, Position, Timestamp};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// A shard as checkpoint and WAL describe it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Seen {
    pub(crate) class: Option<RetentionClass>,
    /// Whether its beginning is known, and with it `earliest`.
    pub(crate) known: bool,
    pub(crate) dropped: bool,
    pub(crate) earliest: Position,
    pub(crate) next: Position,
    pub(crate) newest: Option<Timestamp>,
    /// In order.
    pub(crate) batches: Vec<Place>,
}

/// What checkpoint and WAL say together.
#[derive(Debug, Default)]
pub(crate) struct WalScan {
    pub(crate) files: Vec<WalFileReport>,
    pub(crate) shards: BTreeMap<LogShard, Seen>,
    pub(crate) discarded: BTreeSet<u32>,
    pub(crate) problems: Vec<Problem>,
    /// Records in groups that come after one that is lost.
    pub(crate) cut: BTreeMap<LogShard, (Position, Position)>,
    pub(crate) notes: Vec<String>,
    /// Files that a repair must not let go of without a copy.
    pub(crate) aside: BTreeSet<String>,
    /// The highest number of a group anywhere.
    pub(crate) newest_group: u64,
    pub(crate) highest_file: u32,
    /// Of the largest file.
    pub(crate) file_bytes: u64,
    pub(crate) torn_bytes: u64,
}

struct File {
    number: u32,
    /// None if nothing in the file tells it.
    salt: Option<u64>,
    /// Whether a file before it is missing.
    beyond: bool,
}

struct Scanner<'a> {
    disk: &'a Arc<dyn Disk>,
    checkpoint: Option<&'a Checkpoint>,
    /// Whether every entry must fit what came before: not if the checkpoint is lost.
    strict: bool,
    files: Vec<File>,
    next: u64,
    /// Why the files cannot be replayed to their end, whatever they hold.
    broken: bool,
    scan: WalScan,
}

/// `hints` are shards of an older checkpoint, for a directory whose newest one is lost.
pub(crate) fn scan(
    disk: &Arc<dyn Disk>,
    checkpoint: Option<&Checkpoint>,
    lost: bool,
    hints: &[ShardLine],
    progress: &dyn Fn(u64),
) -> Result<WalScan, OpenError> {
    let mut scanner = Scanner {
        disk,
        checkpoint,
        strict: !lost,
        files: Vec::new(),
        next: checkpoint.map_or(1, |checkpoint| checkpoint.resume.group + 1),
        broken: false,
        scan: WalScan::default(),
    };
    scanner.scan.newest_group = scanner.next - 1;
    let lines = checkpoint.map_or(hints, |checkpoint| &checkpoint.shards);
    for line in lines {
        let seen = Seen {
            class: Some(line.class),
            known: !lost,
            earliest: line.earliest,
            next: line.next,
            newest: line.newest,
            ..Seen::default()
        };
        scanner.scan.shards.insert(line.shard, seen);
    }
    scanner.list()?;
    scanner.replay(progress)?;
    Ok(scanner.scan)
}

impl Scanner<'_> {
    fn problem(&mut self, file: u32, offset: u64, what: String, records: Option<u64>) {
        let file = files::name(file);
        self.scan.problems.push(Problem {
            file,
            offset,
            group: Some(self.next),
            shard: None,
            positions: None,
            refuses_start: true,
            records,
            what,
        });
    }

    fn format(&self, found: impl std::fmt::Display) -> OpenError {
        OpenError::Format {
            directory: self.disk.describe(),
            found: format!("{FORMAT_VERSION} with {found}"),
            supported: FORMAT_VERSION,
        }
    }

    fn read(&self, number: u32) -> Result<Vec<u8>, OpenError> {
        let name = files::name(number);
        let read = || match look::open(&**self.disk, &name)? {
            Some(file) => look::read(&*file, 0, file.len()?.min(*crate::caps::WAL_FILE_BYTES.end())),
            None => Ok(Vec::new()),
        };
        read().map_err(io_error(&**self.disk, format!("reading {name}")))
    }

    fn list(&mut self) -> Result<(), OpenError> {
        let io = io_error(&**self.disk, "listing the WAL");
        let names = look::list(&**self.disk, DIRECTORY).map_err(io)?;
        let kinds: Vec<Kind> = names.iter().map(|name| pool::kind(name)).collect();
        let mut numbers: Vec<u32> = kinds
            .iter()
            .filter_map(|kind| if let Kind::Wal(number) = kind { Some(*number) } else { None })
            .collect();
        numbers.sort_unstable();
        let resume = self.checkpoint.map(|checkpoint| checkpoint.resume);
        let lowest = numbers.first().copied().unwrap_or(1);
        let first = resume.map_or(if self.strict { 1 } else { lowest }, |resume| resume.file);
        for (name, kind) in names.iter().zip(&kinds) {
            let (Kind::Wal(number) | Kind::Spare(number)) = *kind else { continue };
            self.scan.highest_file = self.scan.highest_file.max(number);
            let path = format!("{DIRECTORY}/{name}");
            let file = look::open(&**self.disk, &path).and_then(|file| file.map_or(Ok(0), |file| file.len()));
            let bytes = file.map_err(io_error(&**self.disk, format!("opening {path}")))?;
            self.scan.file_bytes = self.scan.file_bytes.max(bytes);
            let recycled = matches!(kind, Kind::Spare(_)) || number < first;
            let used = if recycled { WalUse::Recycled } else { WalUse::Spare };
            self.scan.files.push(WalFileReport { file: path, used, bytes, salt: None, groups: None });
        }
        self.scan.highest_file = self.scan.highest_file.max(first.saturating_sub(1));
        numbers.retain(|number| *number >= first);
        let mut expected = first;
        let mut beyond = false;
        if numbers.is_empty() && (resume.is_some() || !self.strict) {
            self.missing(first.max(self.scan.highest_file + 1));
        }
        for number in numbers {
            if number != expected && !beyond {
                beyond = true;
                self.missing(expected);
            }
            let salt = self.salt(number)?;
            self.files.push(File { number, salt, beyond });
            expected = number + 1;
        }
        Ok(())
    }

    fn missing(&mut self, number: u32) {
        self.broken = true;
        self.problem(number, 0, "the file is missing".to_owned(), None);
    }

    /// What the file's groups have to bear. A header that cannot be read is no loss: they tell it themselves.
    fn salt(&mut self, number: u32) -> Result<Option<u64>, OpenError> {
        let bytes = self.read(number)?;
        let resume =
            self.checkpoint.map(|checkpoint| checkpoint.resume).filter(|resume| resume.file == number);
        let salt = match FileHeader::decode(&bytes, number) {
            Ok(header) => Some(header.salt),
            Err(BadFileHeader::Version(version)) => {
                return Err(self.format(format_args!("a WAL file of version {version}")));
            }
            Err(error) => {
                self.problem(number, 0, format!("{error}; what follows it is read all the same"), Some(0));
                self.scan.aside.insert(files::name(number));
                let first = usize::try_from(FIRST_GROUP).ok().and_then(|first| bytes.get(first..));
                let told = first.and_then(look::any_group).map(|group| group.salt);
                resume.map(|resume| resume.salt).or(told)
            }
        };
        if let Some(resume) = resume
            && (salt, true) != (Some(resume.salt), resume.offset <= bytes.len() as u64)
        {
            self.broken = true;
            self.problem(number, 0, "it is not the file that the checkpoint means".to_owned(), None);
            return Ok(None);
        }
        Ok(salt)
    }

    fn found(&self, file: usize, bytes: &[u8], offset: u64) -> Result<Option<GroupHeader>, OpenError> {
        let at = usize::try_from(offset).ok().and_then(|offset| bytes.get(offset..)).unwrap_or_default();
        let Some(salt) = self.files[file].salt else { return Ok(None) };
        match GroupHeader::find(at, salt) {
            Found::Header(header) => Ok(Some(header)),
            Found::Nothing => Ok(None),
            Found::Version(version) => Err(self.format(format_args!("a WAL group of version {version}"))),
        }
    }

    /// A whole group.
    fn group<'b>(
        &self,
        file: usize,
        bytes: &'b [u8],
        offset: u64,
    ) -> Result<Option<(GroupHeader, &'b [u8])>, OpenError> {
        let header = self.found(file, bytes, offset)?;
        Ok(header.and_then(|header| {
            let body = header.body(bytes.get(usize::try_from(offset).ok()?..)?)?;
            Some((header, body))
        }))
    }

    /// Without a checkpoint, replay begins with the first group that can be read.
    fn first_group(&mut self, bytes: &[u8]) -> Result<u64, OpenError> {
        for offset in (FIRST_GROUP..bytes.len() as u64).step_by(usize::try_from(BLOCK).unwrap_or(4_096)) {
            if let Some((header, _)) = self.group(0, bytes, offset)? {
                self.next = header.number;
                return Ok(offset);
            }
        }
        Ok(FIRST_GROUP)
    }

    fn replay(&mut self, progress: &dyn Fn(u64)) -> Result<(), OpenError> {
        if self.files.is_empty() {
            if self.broken {
                self.note_cut();
            }
            return Ok(());
        }
        let mut current = 0;
        let mut bytes = self.read(self.files[0].number)?;
        let mut offset = match self.checkpoint {
            Some(checkpoint) => checkpoint.resume.offset,
            None if self.strict => FIRST_GROUP,
            None => self.first_group(&bytes)?,
        };
        loop {
            let replayed = self.replay_file(current, offset, &bytes)?;
            offset = replayed.offset;
            progress(bytes.len() as u64);
            let later = self.files.get(current + 1).filter(|file| !replayed.bad && !file.beyond);
            if let Some(later) = later {
                let next = self.read(later.number)?;
                let there = self.group(current + 1, &next, FIRST_GROUP)?;
                if there.is_some_and(|(header, _)| header.number == self.next) {
                    (current, bytes, offset) = (current + 1, next, FIRST_GROUP);
                    continue;
                }
            }
            return self.end_at(current, offset, &bytes, progress);
        }
    }

    /// Apply the groups of one file.
    fn replay_file(&mut self, file: usize, start: u64, bytes: &[u8]) -> Result<Replayed, OpenError> {
        let mut offset = start;
        let number = self.files[file].number;
        let first = self.next;
        while let Some((header, body)) = self.group(file, bytes, offset)? {
            if header.number != self.next || self.files[file].beyond {
                break;
            }
            if let Err((at, what)) = self.apply(number, offset, &header, body)? {
                self.broken = true;
                self.problem(number, at, what, None);
                return Ok(Replayed { offset, bad: true });
            }
            self.next += 1;
            offset += padded(header.bytes());
        }
        self.scan.newest_group = self.scan.newest_group.max(self.next - 1);
        let salt = self.files[file].salt;
        let name = files::name(number);
        if let Some(report) = self.scan.files.iter_mut().find(|report| report.file == name) {
            report.used = WalUse::Used;
            report.salt = salt.map(|salt| format!("{salt:016x}"));
            report.groups = (self.next > first).then(|| (first, self.next - 1));
        }
        Ok(Replayed { offset, bad: false })
    }

    /// The inner error says what does not fit, and where.
    fn apply(
        &mut self,
        file: u32,
        offset: u64,
        header: &GroupHeader,
        body: &[u8],
    ) -> Result<Result<(), (u64, String)>, OpenError> {
        let mut rest = body;
        for _ in 0..header.entries {
            let at = offset + HEADER as u64 + (body.len() - rest.len()) as u64;
            let (entry, after) = match Entry::decode(rest) {
                Ok(decoded) => decoded,
                Err(BadEntry::Kind(kind)) => {
                    return Err(self.format(format_args!("WAL entries of kind {kind}")));
                }
                Err(error @ BadEntry::Short) => return Ok(Err((at, error.to_string()))),
            };
            if let Err(what) = self.entry(file, at, &entry) {
                return Ok(Err((at, what)));
            }
            rest = after;
        }
        Ok(if rest.is_empty() { Ok(()) } else { Err((offset, "bytes follow the last entry".to_owned())) })
    }

    fn entry(&mut self, file: u32, at: u64, entry: &Entry<'_>) -> Result<(), String> {
        let strict = self.strict;
        let shards = &mut self.scan.shards;
        let missing = |shard: LogShard| format!("{shard} does not exist");
        match *entry {
            Entry::Append { shard, first, timestamp, count, crc, body } => {
                let seen = match shards.get_mut(&shard).filter(|seen| !seen.dropped) {
                    Some(seen) => seen,
                    None if strict => return Err(missing(shard)),
                    None => shards.entry(shard).or_default(),
                };
                if strict && (first != seen.next || seen.newest > Some(timestamp)) {
                    return Err(format!("{shard} goes on at {} and not at {first}", seen.next));
                }
                let number = |value: u64| u32::try_from(value).map_err(|error| error.to_string());
                let (offset, length) = (number(at)?, number(body.len() as u64)?);
                let place = Place { first, timestamp, file, offset, length, count };
                seen.next = seen.next.max(place.end());
                seen.newest = seen.newest.max(Some(timestamp));
                if crc32c::crc32c(body) == crc {
                    seen.batches.push(place);
                } else {
                    let positions = Some((first, place.end()));
                    self.bad_batch(file, at, shard, positions, u64::from(count));
                }
            }
            Entry::Create { shard, class } => {
                let seen = shards.entry(shard).or_default();
                if strict && (seen.known && !seen.dropped) {
                    return Err(format!("{shard} is made twice"));
                }
                *seen = Seen { class: Some(class), known: true, ..Seen::default() };
            }
            Entry::Trim { shard, before } => {
                let seen = match shards.get_mut(&shard).filter(|seen| !seen.dropped) {
                    Some(seen) => seen,
                    None if strict => return Err(missing(shard)),
                    None => shards.entry(shard).or_default(),
                };
                seen.next = if strict { seen.next } else { seen.next.max(before) };
                seen.earliest = seen.earliest.max(before.min(seen.next));
            }
            Entry::Drop { shard } => {
                let seen = shards.entry(shard).or_default();
                if strict && (!seen.known || seen.dropped) {
                    return Err(missing(shard));
                }
                (seen.dropped, seen.batches) = (true, Vec::new());
            }
            Entry::Discard { segment } => {
                self.scan.discarded.insert(segment);
            }
            Entry::Mark => {}
        }
        Ok(())
    }

    /// A batch that was not whole when it was written: its own checksum is older than the group's.
    fn bad_batch(
        &mut self,
        file: u32,
        offset: u64,
        shard: LogShard,
        positions: Option<(Position, Position)>,
        records: u64,
    ) {
        let (file, what) = (files::name(file), "the batch is not what its checksum says".to_owned());
        self.scan.aside.insert(file.clone());
        self.scan.problems.push(Problem {
            file,
            offset,
            group: Some(self.next),
            shard: Some(shard),
            positions,
            refuses_start: false,
            records: Some(records),
            what,
        });
    }

    /// Nothing more can be replayed: the end, a torn tail, or a cut.
    fn end_at(
        &mut self,
        current: usize,
        offset: u64,
        bytes: &[u8],
        progress: &dyn Fn(u64),
    ) -> Result<(), OpenError> {
        let bad = self.bad_place(current, offset, bytes)?;
        let mut later = Later::default();
        self.look_behind(current, offset, bytes, &mut later)?;
        for file in current + 1..self.files.len() {
            let bytes = self.read(self.files[file].number)?;
            self.look_behind(file, FIRST_GROUP, &bytes, &mut later)?;
            progress(bytes.len() as u64);
        }
        self.scan.newest_group = self.scan.newest_group.max(later.newest);
        if let Some((group, name)) = later.witness {
            self.broken = true;
            let what =
                format!("the group cannot be read, yet group {group} in {name} says that it was on the disk");
            self.problem(self.files[bad.0].number, bad.1, what, None);
        }
        if !self.broken {
            self.scan.torn_bytes = later.bytes;
            return Ok(());
        }
        for file in &self.files[current.min(bad.0)..] {
            self.scan.aside.insert(files::name(file.number));
        }
        for (shard, end) in later.ends {
            let next = self
                .scan
                .shards
                .get(&shard)
                .filter(|seen| !seen.dropped)
                .map_or(Position::ZERO, |seen| seen.next);
            if end > next {
                self.scan.cut.insert(shard, (next, end));
            }
        }
        self.note_cut();
        Ok(())
    }

    fn note_cut(&mut self) {
        let from = if self.files.is_empty() {
            "is not there: what segments do not hold is lost".to_owned()
        } else {
            format!("ends before group {}: what came from there on is lost", self.next)
        };
        self.scan.notes.push(format!(
            "The write-ahead log {from}, in all shards and in the control log. Records that only groups that cannot be \
             read held are not among those that are listed. Sequence numbers of lost records will be given again"
        ));
    }

    /// As `Replay::bad_place` does.
    fn bad_place(&self, current: usize, offset: u64, bytes: &[u8]) -> Result<(usize, u64), OpenError> {
        let here = (current, offset);
        let Some(later) = self.files.get(current + 1) else { return Ok(here) };
        if self.found(current, bytes, offset)?.is_some() {
            return Ok(here);
        }
        let next = self.read(later.number)?;
        if self.found(current + 1, &next, FIRST_GROUP)?.is_some_and(|header| header.number == self.next) {
            return Ok((current + 1, FIRST_GROUP));
        }
        let block = |bytes: &[u8], offset: u64| {
            let rest =
                usize::try_from(offset).ok().and_then(|offset| bytes.get(offset..)).unwrap_or_default();
            rest.iter().take(HEADER).any(|byte| *byte != 0)
        };
        let there = !block(bytes, offset) && block(&next, FIRST_GROUP);
        Ok(if there { (current + 1, FIRST_GROUP) } else { here })
    }

    fn look_behind(&self, file: usize, from: u64, bytes: &[u8], later: &mut Later) -> Result<(), OpenError> {
        let mut offset = from;
        while offset < bytes.len() as u64 {
            if let Some(header) = self.found(file, bytes, offset)? {
                later.bytes += padded(header.bytes()).min(bytes.len() as u64 - offset);
                later.newest = later.newest.max(header.number);
                if header.durable >= self.next && later.witness.is_none() {
                    later.witness = Some((header.number, files::name(self.files[file].number)));
                }
                if header.number >= self.next
                    && let Some((_, body)) = self.group(file, bytes, offset)?
                {
                    later.take(header.entries, body);
                }
            }
            offset += BLOCK;
        }
        Ok(())
    }
}

struct Replayed {
    /// Where the first group that was not applied would be.
    offset: u64,
    /// It is there, and makes no sense.
    bad: bool,
}

/// What stands behind the place where replay ends.
#[derive(Debug, Default)]
struct Later {
    bytes: u64,
    newest: u64,
    /// A group that says that the one missing was durable.
    witness: Option<(u64, String)>,
    /// How far shards had come.
    ends: BTreeMap<LogShard, Position>,
}

impl Later {
    fn take(&mut self, entries: u32, body: &[u8]) {
        let mut rest = body;
        for _ in 0..entries {
            let Ok((entry, after)) = Entry::decode(rest) else { return };
            if let Entry::Append { shard, first, count, .. } = entry {
                let end = self.ends.entry(shard).or_default();
                *end = (*end).max(first.plus(u64::from(count)));
            }
            rest = after;
        }
    }
}
