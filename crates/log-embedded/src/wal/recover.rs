use super::entry::{BadEntry, Entry};
use super::files::{self, DIRECTORY, FIRST_GROUP, FileHeader, KnownFile, Maker};
use super::group::{BLOCK, Found, GroupHeader, HEADER, VERSION, padded};
use super::writer::{End, Tracked};
use crate::error::OpenError;
use crate::index::Place;
use crate::shard::Shard;
use millstream_host::disk::{Disk, OpenMode};
use millstream_types::LogShard;
use std::collections::{HashMap, VecDeque};
use std::io;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

const BLOCK_BYTES: usize = 4096;
const _: () = assert!(BLOCK_BYTES as u64 == BLOCK && BLOCK == FIRST_GROUP);

/// What opening found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RecoveryReport {
    /// Groups replayed.
    pub groups: u64,
    /// Batches found in them, trimmed and dropped ones included.
    pub batches: u64,
    /// Shards that exist.
    pub shards: u64,
    /// WAL files, the spare ones included.
    pub files: u64,
    /// Bytes of groups that were never acknowledged and are now gone: a write was under way when the process or the
    /// machine stopped.
    pub torn_bytes: u64,
}

/// The state that the WAL describes.
#[derive(Debug)]
pub(crate) struct Recovered {
    pub(crate) shards: HashMap<LogShard, Tracked>,
    pub(crate) end: End,
    pub(crate) spares: VecDeque<KnownFile>,
    /// The number of the next file to be made.
    pub(crate) next_file: u32,
    /// Of all files.
    pub(crate) bytes: u64,
    pub(crate) report: RecoveryReport,
}

/// A group's place, for those without a witness.
#[derive(Clone, Copy, Debug)]
struct GroupPlace {
    number: u64,
    file: usize,
    offset: u64,
    bytes: u64,
}

#[derive(Debug)]
struct Replay<'a> {
    disk: &'a Arc<dyn Disk>,
    /// None is open but while it is read or written.
    files: Vec<KnownFile>,
    shards: HashMap<LogShard, Tracked>,
    report: RecoveryReport,
    /// The group to come.
    next: u64,
    /// The newest group that a later one names durable.
    durable: u64,
    /// Groups after `durable`.
    unwitnessed: Vec<GroupPlace>,
    marked: bool,
}

/// Read the WAL and make the disk agree with what was read. `bytes` is the size of new files.
pub(crate) fn recover(disk: &Arc<dyn Disk>, bytes: u64) -> Result<Recovered, OpenError> {
    let files = list_files(disk, bytes)?;
    let mut replay = Replay {
        disk,
        files,
        shards: HashMap::new(),
        report: RecoveryReport::default(),
        next: 1,
        durable: 0,
        unwitnessed: Vec::new(),
        // Of nothing there is nothing to witness.
        marked: true,
    };
    let mut total: u64 = replay.files.iter().map(|file| file.len).sum();
    let (current, offset) = replay.run()?;
    replay.rewrite_unwitnessed()?;
    let mut spares: VecDeque<KnownFile> = replay.files.drain(current + 1..).collect();
    total -= drop_misfits(disk, &mut spares, bytes)?;
    let newest = replay.files[current];
    let what = format!("opening {}", files::name(newest.number));
    let file = newest.open(&**disk).map_err(io_error(&**disk, what))?;
    let mut report = replay.report;
    report.shards = replay.shards.len() as u64;
    report.files = (current + 1 + spares.len()) as u64;
    let next_file = spares.back().unwrap_or(&newest).number + 1;
    let end = End { file, offset, next: replay.next, marked: replay.marked };
    Ok(Recovered { shards: replay.shards, end, spares, next_file, bytes: total, report })
}

pub(crate) fn io_error(disk: &dyn Disk, what: impl Into<String>) -> impl FnOnce(io::Error) -> OpenError {
    let (directory, what) = (disk.describe(), what.into());
    move |source| OpenError::Io { directory, what, source }
}

/// All files in order, at least one.
fn list_files(disk: &Arc<dyn Disk>, bytes: u64) -> Result<Vec<KnownFile>, OpenError> {
    let names = disk.list(DIRECTORY).map_err(io_error(&**disk, "listing the WAL"))?;
    for name in names.iter().filter(|name| files::is_temporary(name)) {
        let what = format!("removing the unfinished {name}");
        disk.remove(&format!("{DIRECTORY}/{name}")).map_err(io_error(&**disk, what))?;
    }
    // The process before may have died between giving a name and making it durable.
    disk.sync_dir(DIRECTORY).map_err(io_error(&**disk, "syncing the WAL's directory"))?;
    let numbers: Vec<u32> = names.iter().filter_map(|name| files::number(name)).collect();
    let mut files = Vec::with_capacity(numbers.len());
    for (number, expected) in numbers.into_iter().zip(1_u32..) {
        if number != expected {
            return Err(OpenError::MissingFile { directory: disk.describe(), file: files::name(expected) });
        }
        files.push(know_file(disk, number)?);
    }
    if files.is_empty() {
        let mut maker = Maker { disk: Arc::clone(disk), bytes, next: 1 };
        let made = maker.make(&AtomicBool::new(false));
        let made = made.map_err(io_error(&**disk, "making the first WAL file"))?;
        files.push(KnownFile { number: made.number, salt: made.salt, len: made.len });
    }
    Ok(files)
}

fn know_file(disk: &Arc<dyn Disk>, number: u32) -> Result<KnownFile, OpenError> {
    let name = files::name(number);
    let open = || -> io::Result<_> {
        let file = disk.open(&name, OpenMode::Read)?;
        let len = file.len()?;
        let mut header = [0; HEADER];
        // A file that is too short for a header has a damaged one.
        let whole = len >= HEADER as u64;
        if whole {
            file.read_exact_at(0, &mut header)?;
        }
        Ok((len, header))
    };
    let (len, header) = open().map_err(io_error(&**disk, format!("reading {name}")))?;
    let header = FileHeader::decode(&header, number).map_err(|error| OpenError::Corrupt {
        directory: disk.describe(),
        file: name,
        offset: 0,
        group: 0,
        detail: error.to_string(),
    })?;
    Ok(KnownFile { number, salt: header.salt, len })
}

/// Spare files of another size than the one asked for now are no use. From the newest down, so that a crash between
/// two leaves no gap. Returns the bytes that are gone.
fn drop_misfits(
    disk: &Arc<dyn Disk>,
    spares: &mut VecDeque<KnownFile>,
    bytes: u64,
) -> Result<u64, OpenError> {
    let mut gone = 0;
    let fitting = spares.iter().take_while(|spare| spare.len == bytes).count();
    while spares.len() > fitting {
        let Some(spare) = spares.pop_back() else { break };
        let name = files::name(spare.number);
        disk.remove(&name)
            .and_then(|()| disk.sync_dir(DIRECTORY))
            .map_err(io_error(&**disk, format!("removing the spare {name}")))?;
        gone += spare.len;
    }
    Ok(gone)
}

impl Replay<'_> {
    /// Apply every group up to the first bad one, and clear what is behind it. Returns where the next group goes.
    fn run(&mut self) -> Result<(usize, u64), OpenError> {
        let mut current = 0;
        let mut bytes = self.read(current)?;
        loop {
            let offset = self.replay_file(current, &bytes)?;
            // The writer goes to the next file when a group does not fit into this one.
            if current + 1 < self.files.len() {
                let next = self.read(current + 1)?;
                if self.group_at(current + 1, &next, FIRST_GROUP)?.is_some() {
                    (current, bytes) = (current + 1, next);
                    continue;
                }
            }
            self.end_at(current, offset, &bytes)?;
            return Ok((current, offset));
        }
    }

    fn read(&self, file: usize) -> Result<Vec<u8>, OpenError> {
        let name = files::name(self.files[file].number);
        let bytes = self.disk.open(&name, OpenMode::Read).and_then(|file| files::read_whole(&*file));
        bytes.map_err(|error| io_error(&**self.disk, format!("reading {name}"))(error))
    }

    fn corrupt(&self, file: usize, offset: u64, detail: impl Into<String>) -> OpenError {
        OpenError::Corrupt {
            directory: self.disk.describe(),
            file: files::name(self.files[file].number),
            offset,
            group: self.next,
            detail: detail.into(),
        }
    }

    fn found(&self, file: usize, bytes: &[u8], offset: u64) -> Result<Option<GroupHeader>, OpenError> {
        let at = usize::try_from(offset).ok().and_then(|offset| bytes.get(offset..)).unwrap_or_default();
        match GroupHeader::find(at, self.files[file].salt) {
            Found::Header(header) => Ok(Some(header)),
            Found::Nothing => Ok(None),
            Found::Version(found) => Err(OpenError::Format {
                directory: self.disk.describe(),
                found: found.to_string(),
                supported: VERSION,
            }),
        }
    }

    /// The group that comes next, if it is here and whole: its header and its body.
    fn group_at<'b>(
        &self,
        file: usize,
        bytes: &'b [u8],
        offset: u64,
    ) -> Result<Option<(GroupHeader, &'b [u8])>, OpenError> {
        let header = self.found(file, bytes, offset)?.filter(|header| header.number == self.next);
        Ok(header.and_then(|header| {
            let body = header.body(bytes.get(usize::try_from(offset).ok()?..)?)?;
            Some((header, body))
        }))
    }

    /// Apply the groups of one file. Returns where the first one that is not there would be.
    fn replay_file(&mut self, file: usize, bytes: &[u8]) -> Result<u64, OpenError> {
        let mut offset = FIRST_GROUP;
        while let Some((header, body)) = self.group_at(file, bytes, offset)? {
            self.apply(file, offset, &header, body)?;
            let size = padded(header.bytes());
            self.durable = self.durable.max(header.durable);
            self.unwitnessed.push(GroupPlace { number: self.next, file, offset, bytes: size });
            let durable = self.durable;
            self.unwitnessed.retain(|group| group.number > durable);
            self.report.groups += 1;
            self.next += 1;
            offset += size;
        }
        Ok(offset)
    }

    fn apply(
        &mut self,
        file: usize,
        offset: u64,
        header: &GroupHeader,
        body: &[u8],
    ) -> Result<(), OpenError> {
        let mut rest = body;
        self.marked = true;
        for _ in 0..header.entries {
            let at = offset + HEADER as u64 + (body.len() - rest.len()) as u64;
            let (entry, after) = Entry::decode(rest).map_err(|error| match error {
                BadEntry::Kind(kind) => OpenError::Format {
                    directory: self.disk.describe(),
                    found: format!("{VERSION} with entries of kind {kind}"),
                    supported: VERSION,
                },
                BadEntry::Short => self.corrupt(file, at, error.to_string()),
            })?;
            self.marked &= entry == Entry::Mark;
            let number = self.files[file].number;
            self.entry(number, at, &entry).map_err(|detail| self.corrupt(file, at, detail))?;
            rest = after;
        }
        if rest.is_empty() { Ok(()) } else { Err(self.corrupt(file, offset, "bytes follow the last entry")) }
    }

    fn entry(&mut self, file: u32, at: u64, entry: &Entry<'_>) -> Result<(), String> {
        match *entry {
            Entry::Append { shard, first, timestamp, count, body, .. } => {
                let tracked = self.shards.get_mut(&shard).ok_or_else(|| format!("{shard} does not exist"))?;
                if first != tracked.next || tracked.newest > Some(timestamp) {
                    return Err(format!("{shard} goes on at {} and not at {first}", tracked.next));
                }
                let number = |value: u64| u32::try_from(value).map_err(|error| error.to_string());
                let (offset, length) = (number(at)?, number(body.len() as u64)?);
                let place = Place { first, timestamp, file, offset, length, count };
                tracked.next = place.end();
                tracked.newest = Some(timestamp);
                tracked.shard.publish([(place, None)], tracked.earliest);
                self.report.batches += 1;
            }
            Entry::Create { shard, .. } => {
                let tracked = Tracked::new(Shard::new(shard));
                if self.shards.insert(shard, tracked).is_some() {
                    return Err(format!("{shard} is made twice"));
                }
            }
            Entry::Trim { shard, before } => {
                let tracked = self.shards.get_mut(&shard).ok_or_else(|| format!("{shard} does not exist"))?;
                tracked.earliest = tracked.earliest.max(before.min(tracked.next));
                tracked.shard.publish([], tracked.earliest);
            }
            Entry::Drop { shard } => {
                self.shards.remove(&shard).ok_or_else(|| format!("{shard} does not exist"))?;
            }
            Entry::Mark => {}
        }
        Ok(())
    }

    /// The first bad group decides: if any later header names it durable it was lost, and going on would hide that;
    /// otherwise it was never acknowledged, and neither was what follows.
    fn end_at(&mut self, current: usize, offset: u64, bytes: &[u8]) -> Result<(), OpenError> {
        let bad = self.bad_place(current, offset, bytes)?;
        self.probe(current, bytes, offset, bad)?;
        for later in current + 1..self.files.len() {
            self.probe(later, &self.read(later)?, FIRST_GROUP, bad)?;
        }
        // Only now, with every file seen to hold no witness, is anything changed.
        let mut torn = self.clear(current, bytes, offset)?;
        for later in current + 1..self.files.len() {
            torn += self.clear(later, &self.read(later)?, FIRST_GROUP)?;
        }
        if torn > 0 {
            let file = files::name(self.files[current].number);
            let group = self.next;
            tracing::warn!(torn, file, offset, group, "removed a torn tail: it was never acknowledged");
        }
        self.report.torn_bytes = torn;
        Ok(())
    }

    /// Where the first bad group is: here, or at the start of the next file if nothing was ever written here.
    fn bad_place(&self, current: usize, offset: u64, bytes: &[u8]) -> Result<(usize, u64), OpenError> {
        let rest = usize::try_from(offset).ok().and_then(|offset| bytes.get(offset..)).unwrap_or_default();
        let untouched = rest.iter().take(HEADER).all(|byte| *byte == 0);
        if untouched && current + 1 < self.files.len() {
            let next = self.read(current + 1)?;
            if next.iter().skip(BLOCK_BYTES).take(HEADER).any(|byte| *byte != 0) {
                return Ok((current + 1, FIRST_GROUP));
            }
        }
        Ok((current, offset))
    }

    fn probe(&self, file: usize, bytes: &[u8], from: u64, bad: (usize, u64)) -> Result<(), OpenError> {
        let mut offset = from;
        while offset < bytes.len() as u64 {
            if let Some(witness) = self.found(file, bytes, offset)?
                && witness.durable >= self.next
            {
                let at = files::name(self.files[file].number);
                let detail = format!(
                    "the group cannot be read, yet group {} in {at} at byte {offset} says that it was on the disk",
                    witness.number,
                );
                return Err(self.corrupt(bad.0, bad.1, detail));
            }
            offset += BLOCK;
        }
        Ok(())
    }

    /// Make the rest of a file zero again, durably, so that no later crash brings a torn group back. Returns the bytes
    /// of the blocks that were not.
    fn clear(&self, file: usize, bytes: &[u8], from: u64) -> Result<u64, OpenError> {
        const ZEROS: [u8; BLOCK_BYTES] = [0; BLOCK_BYTES];
        let known = &self.files[file];
        let rest = usize::try_from(from).ok().and_then(|from| bytes.get(from..)).unwrap_or_default();
        let blocks = rest.chunks(ZEROS.len()).zip((from..).step_by(ZEROS.len()));
        let torn: Vec<_> = blocks.filter(|(block, _)| *block != &ZEROS[..block.len()]).collect();
        if torn.is_empty() {
            return Ok(0);
        }
        let clear = || -> io::Result<()> {
            let file = known.open(&**self.disk)?.file;
            for (block, offset) in &torn {
                file.write_all_at(*offset, &[&ZEROS[..block.len()]])?;
            }
            file.sync_data()
        };
        let what = format!("removing the torn tail of {}", files::name(known.number));
        clear().map_err(io_error(&**self.disk, what))?;
        Ok(torn.iter().map(|(block, _)| block.len() as u64).sum())
    }

    /// Groups that no later one names durable may be in the page cache only: the process was killed before their sync,
    /// or the sync failed, after which Linux takes the pages for clean. Written again they are dirty, and the sync that
    /// follows is the first one that counts for them.
    fn rewrite_unwitnessed(&self) -> Result<(), OpenError> {
        let rewrite = |group: &GroupPlace| -> io::Result<()> {
            let file = self.files[group.file].open(&**self.disk)?.file;
            let mut bytes = vec![0; usize::try_from(group.bytes).map_err(io::Error::other)?];
            file.read_exact_at(group.offset, &mut bytes)?;
            file.write_all_at(group.offset, &[&bytes])?;
            file.sync_data()
        };
        self.unwitnessed
            .iter()
            .try_for_each(rewrite)
            .map_err(io_error(&**self.disk, "making the newest groups durable"))
    }
}
