use super::entry::{BadEntry, Entry};
use super::files::{self, DIRECTORY, FIRST_GROUP, FileHeader, KnownFile, Maker};
use super::group::{BLOCK, Found, GroupHeader, HEADER, VERSION, padded};
use super::pool::{self, Kind, Pool};
use super::writer::{End, Tracked};
use crate::caps;
use crate::checkpoint::{Checkpoint, Resume};
use crate::error::OpenError;
use crate::index::Place;
use millstream_host::disk::{Disk, OpenMode};
use millstream_types::LogShard;
use rustc_hash::FxHashMap;
use std::collections::{BTreeSet, VecDeque};
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
    /// Bytes of WAL replayed.
    pub replayed_bytes: u64,
    /// Segments in use.
    pub segments: u64,
    /// Bytes of groups that were never acknowledged and are now gone: a write was under way when the process or the
    /// machine stopped.
    pub torn_bytes: u64,
}

/// The state that checkpoint and WAL describe, but for what is in segments.
#[derive(Debug)]
pub(crate) struct Recovered {
    pub(crate) shards: FxHashMap<LogShard, Tracked>,
    pub(crate) end: End,
    pub(crate) spares: VecDeque<KnownFile>,
    pub(crate) pool: Arc<Pool>,
    /// The number of the oldest file, and of the next one to be made.
    pub(crate) oldest_file: u32,
    pub(crate) next_file: u32,
    /// Of all files.
    pub(crate) bytes: u64,
    /// Files before the oldest one, which nothing needs once the segments are known to be whole.
    pub(crate) needless: Vec<u32>,
    /// Segments that the WAL says are gone, whatever the checkpoint says.
    pub(crate) discarded: BTreeSet<u32>,
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
    /// Where the first group to replay is in the first file.
    from: u64,
    shards: FxHashMap<LogShard, Tracked>,
    discarded: BTreeSet<u32>,
    report: RecoveryReport,
    /// The group to come.
    next: u64,
    /// The newest group that a later one names durable.
    durable: u64,
    /// Groups after `durable`.
    unwitnessed: Vec<GroupPlace>,
    marked: bool,
}

/// Read the WAL from where the checkpoint says and make the disk agree with what was read. `bytes` is the size of new
/// files, `recycled` how many old ones are worth keeping.
pub(crate) fn recover(
    disk: &Arc<dyn Disk>,
    checkpoint: Option<&Checkpoint>,
    bytes: u64,
    recycled: usize,
) -> Result<Recovered, OpenError> {
    let resume = checkpoint.map(|checkpoint| checkpoint.resume);
    let pool = Arc::new(Pool::new(bytes, recycled));
    let Listed { files, needless, mut total } = list_files(disk, resume, bytes, &pool)?;
    let shards = checkpoint.iter().flat_map(|checkpoint| &checkpoint.shards);
    let mut replay = Replay {
        disk,
        files,
        from: resume.map_or(FIRST_GROUP, |resume| resume.offset),
        shards: shards.map(|line| (line.shard, Tracked::restored(line))).collect(),
        discarded: BTreeSet::new(),
        report: RecoveryReport::default(),
        next: resume.map_or(1, |resume| resume.group + 1),
        durable: resume.map_or(0, |resume| resume.group),
        unwitnessed: Vec::new(),
        // Of nothing there is nothing to witness.
        marked: true,
    };
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
    Ok(Recovered {
        oldest_file: replay.files[0].number,
        next_file: spares.back().unwrap_or(&newest).number + 1,
        end: End { file, offset, next: replay.next, marked: replay.marked },
        shards: replay.shards,
        spares,
        pool,
        bytes: total,
        needless,
        discarded: replay.discarded,
        report,
    })
}

pub(crate) fn io_error(disk: &dyn Disk, what: impl Into<String>) -> impl FnOnce(io::Error) -> OpenError {
    let (directory, what) = (disk.describe(), what.into());
    move |source| OpenError::Io { directory, what, source }
}

/// The files to replay, in order, at least one; and the bytes of all files, the recycled ones included.
struct Listed {
    files: Vec<KnownFile>,
    /// Files before those.
    needless: Vec<u32>,
    total: u64,
}

fn list_files(
    disk: &Arc<dyn Disk>,
    resume: Option<Resume>,
    bytes: u64,
    pool: &Arc<Pool>,
) -> Result<Listed, OpenError> {
    let names = disk.list(DIRECTORY).map_err(io_error(&**disk, "listing the WAL"))?;
    let first = resume.map_or(1, |resume| resume.file);
    let kinds: Vec<Kind> = names.iter().map(|name| pool::kind(name)).collect();
    let wal = kinds.iter().filter_map(|kind| match kind {
        Kind::Wal(number) => Some(*number),
        _ => None,
    });
    let (needless, numbers): (Vec<u32>, Vec<u32>) = wal.partition(|number| *number < first);
    for (number, expected) in numbers.iter().zip(first..) {
        if *number != expected {
            return Err(OpenError::MissingFile { directory: disk.describe(), file: files::name(expected) });
        }
    }
    if numbers.is_empty() && resume.is_some() {
        return Err(OpenError::MissingFile { directory: disk.describe(), file: files::name(first) });
    }
    let mut files = Vec::with_capacity(numbers.len());
    for number in numbers {
        files.push(know_file(disk, number)?);
    }
    if let Some((resume, file)) = resume.zip(files.first())
        && (file.salt, true) != (resume.salt, resume.offset <= file.len)
    {
        return Err(OpenError::Corrupt {
            directory: disk.describe(),
            file: files::name(first),
            offset: 0,
            group: resume.group,
            detail: "it is not the file that the checkpoint means".to_owned(),
        });
    }
    let mut total =
        settle_names(disk, &names, &kinds, pool).map_err(io_error(&**disk, "settling the WAL's files"))?;
    if files.is_empty() {
        let (disk, pool) = (Arc::clone(disk), Arc::clone(pool));
        let bytes = bytes.min(caps::FIRST_FILE_BYTES);
        let mut maker = Maker { disk: Arc::clone(&disk), pool, bytes, next: 1 };
        let made = maker.make(&AtomicBool::new(false));
        let made = made.map_err(io_error(&*disk, "making the first WAL file"))?.file;
        files.push(KnownFile { number: made.number, salt: made.salt, len: made.len });
    }
    total += files.iter().map(|file| file.len).sum::<u64>();
    Ok(Listed { files, needless, total })
}

/// Remove what was never finished, and know the recycled files. Returns the bytes of those.
fn settle_names(disk: &Arc<dyn Disk>, names: &[String], kinds: &[Kind], pool: &Pool) -> io::Result<u64> {
    let mut bytes = 0;
    for (name, kind) in names.iter().zip(kinds) {
        match kind {
            Kind::Temporary => disk.remove(&format!("{DIRECTORY}/{name}"))?,
            Kind::Spare(number) => {
                let taken = pool.take_in(&**disk, &pool::spare_name(*number), *number)?;
                bytes += if taken.kept { taken.bytes } else { 0 };
            }
            Kind::Wal(_) | Kind::Other => {}
        }
    }
    // The process before may have died between giving a name and making it durable.
    disk.sync_dir(DIRECTORY)?;
    Ok(bytes)
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
            let start = if current == 0 { self.from } else { FIRST_GROUP };
            let offset = self.replay_file(current, start, &bytes)?;
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
    fn replay_file(&mut self, file: usize, start: u64, bytes: &[u8]) -> Result<u64, OpenError> {
        let mut offset = start;
        while let Some((header, body)) = self.group_at(file, bytes, offset)? {
            self.apply(file, offset, &header, body)?;
            let size = padded(header.bytes());
            self.durable = self.durable.max(header.durable);
            self.unwitnessed.push(GroupPlace { number: self.next, file, offset, bytes: size });
            let durable = self.durable;
            self.unwitnessed.retain(|group| group.number > durable);
            self.report.groups += 1;
            self.report.replayed_bytes += size;
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
            Entry::Create { shard, class } => {
                let tracked = Tracked::new(shard, class);
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
            Entry::Discard { segment } => {
                self.discarded.insert(segment);
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

    /// Where the first bad group is: here, or at the start of the next file if nothing was ever written here. A recycled
    /// file has something older here in any case, so the next file's first header is asked too.
    fn bad_place(&self, current: usize, offset: u64, bytes: &[u8]) -> Result<(usize, u64), OpenError> {
        let here = (current, offset);
        if current + 1 >= self.files.len() || self.found(current, bytes, offset)?.is_some() {
            return Ok(here);
        }
        let next = self.read(current + 1)?;
        if self.found(current + 1, &next, FIRST_GROUP)?.is_some_and(|header| header.number == self.next) {
            return Ok((current + 1, FIRST_GROUP));
        }
        let rest = usize::try_from(offset).ok().and_then(|offset| bytes.get(offset..)).unwrap_or_default();
        let untouched = rest.iter().take(HEADER).all(|byte| *byte == 0);
        let written = next.iter().skip(BLOCK_BYTES).take(HEADER).any(|byte| *byte != 0);
        Ok(if untouched && written { (current + 1, FIRST_GROUP) } else { here })
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

    /// Write zeros over the headers of torn groups in the rest of a file, durably, so that no later crash brings one
    /// back. A body without its header is nothing. Returns the bytes of those groups.
    fn clear(&self, file: usize, bytes: &[u8], from: u64) -> Result<u64, OpenError> {
        const ZEROS: [u8; BLOCK_BYTES] = [0; BLOCK_BYTES];
        let mut torn = Vec::new();
        let mut torn_bytes = 0;
        let len = bytes.len() as u64;
        for offset in (from..len).step_by(BLOCK_BYTES) {
            if let Some(header) = self.found(file, bytes, offset)? {
                torn.push(offset);
                torn_bytes += padded(header.bytes()).min(len - offset);
            }
        }
        if torn.is_empty() {
            return Ok(0);
        }
        let known = &self.files[file];
        let clear = || -> io::Result<()> {
            let file = known.open(&**self.disk)?.file;
            for offset in &torn {
                let block = usize::try_from((len - offset).min(BLOCK)).map_err(io::Error::other)?;
                file.write_all_at(*offset, &[&ZEROS[..block]])?;
            }
            file.sync_data()
        };
        let what = format!("removing the torn tail of {}", files::name(known.number));
        clear().map_err(io_error(&**self.disk, what))?;
        Ok(torn_bytes)
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
