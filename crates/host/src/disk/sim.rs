use super::{Disk, DiskFile, DiskLock, OpenMode};
use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

const PAGE: usize = 4096;

/// What goes wrong at a chosen moment, once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// A write fails after an arbitrary part of it.
    Write,
    /// A sync fails; as on Linux, the pages are then taken for clean though they never reached the disk: reads see
    /// them until the next power cut, and no later sync saves them.
    Sync,
    /// A read fails.
    Read,
    /// A sync of a directory fails, and its name changes stay unsynced.
    SyncDir,
    /// A rename fails and changes nothing.
    Rename,
    /// A rename happens and is reported to have failed.
    RenameDone,
    /// A removal fails and changes nothing.
    Remove,
    /// An opening fails and changes nothing.
    Open,
    /// Listing a directory fails.
    List,
    /// Asking for a file's length fails.
    Len,
}

/// A disk in memory with a page cache before it. What is written is seen at once and durable after a sync; at a power
/// cut an arbitrary subset of the unsynced pages reaches the disk, and of each directory's unsynced name changes a prefix.
/// The same seed and the same calls give the same disk. Clones share one disk.
#[derive(Clone, Debug)]
pub struct SimDisk {
    inner: Arc<Mutex<Inner>>,
}

#[derive(Debug)]
struct Inner {
    random: Random,
    files: Vec<Inode>,
    names: BTreeMap<String, usize>,
    durable_names: BTreeMap<String, usize>,
    /// Name changes since the last sync of their directory, in order.
    changes: Vec<NameChange>,
    locked: BTreeSet<String>,
    faults: Vec<(Fault, u64)>,
    short_io: bool,
    capacity: Option<u64>,
    /// Files open now, and how many may be.
    open: usize,
    most_open: Option<usize>,
    /// Handles of an earlier life (before a crash) do nothing any more.
    life: u64,
    /// How many changes still happen before the power fails, if it is to fail.
    changes_left: Option<u64>,
    is_off: bool,
}

#[derive(Clone, Debug)]
struct Inode {
    cache: Vec<u8>,
    durable: Vec<u8>,
    dirty: BTreeSet<usize>,
    /// Pages that were given back to the disk.
    holes: BTreeSet<usize>,
}

#[derive(Clone, Debug)]
enum NameChange {
    Set(String, usize),
    Remove(String),
}

/// SplitMix64 (Steele, Lea, Flood 2014): small, seedable, good enough to choose faults.
#[derive(Debug)]
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn below(&mut self, end: usize) -> usize {
        usize::try_from(self.next() % (end.max(1) as u64)).unwrap_or(0)
    }
}

fn error(kind: io::ErrorKind, text: &str) -> io::Error {
    io::Error::new(kind, format!("{text} (simulated)"))
}

impl SimDisk {
    pub fn new(seed: u64) -> Self {
        Self {
            inner: Arc::new(Mutex::new(Inner {
                random: Random(seed),
                files: Vec::new(),
                names: BTreeMap::new(),
                durable_names: BTreeMap::new(),
                changes: Vec::new(),
                locked: BTreeSet::new(),
                faults: Vec::new(),
                short_io: false,
                capacity: None,
                open: 0,
                most_open: None,
                life: 0,
                changes_left: None,
                is_off: false,
            })),
        }
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Let the call of this kind that comes after `skip` others fail.
    pub fn fail(&self, fault: Fault, skip: u64) {
        self.lock().faults.push((fault, skip));
    }

    /// Forget the faults that have not struck yet, a power cut to come among them.
    pub fn heal(&self) {
        let inner = &mut *self.lock();
        inner.faults.clear();
        inner.changes_left = None;
    }

    /// Let reads and writes do less than asked, at random.
    pub fn set_short_io(&self, short: bool) {
        self.lock().short_io = short;
    }

    /// How many bytes of files there is room for; `None` for no end.
    pub fn set_capacity(&self, bytes: Option<u64>) {
        self.lock().capacity = bytes;
    }

    /// How many files may be open at the same time, a directory for the length of a call included; `None` for no end.
    pub fn set_open_files(&self, most: Option<usize>) {
        self.lock().most_open = most;
    }

    /// How many files are open.
    pub fn open_files(&self) -> usize {
        self.lock().open
    }

    /// The bytes of all files.
    pub fn used(&self) -> u64 {
        self.lock().used()
    }

    /// The power fails and comes back. Open handles and locks are gone.
    pub fn crash(&self) {
        self.lock().crash();
    }

    /// Let the power fail in the middle of the change that comes after `skip` others, as in [`crash`](Self::crash). Every
    /// call fails from then on, until [`power_on`](Self::power_on).
    pub fn cut_power_after(&self, skip: u64) {
        self.lock().changes_left = Some(skip);
    }

    /// The power fails now, as in [`crash`](Self::crash), and stays off until [`power_on`](Self::power_on).
    pub fn power_off(&self) {
        let inner = &mut *self.lock();
        inner.crash();
        inner.is_off = true;
    }

    /// Whether a power cut has struck and the power is still off.
    pub fn is_off(&self) -> bool {
        self.lock().is_off
    }

    /// The power comes back. A cut that has not struck yet is forgotten. Returns whether it was off.
    pub fn power_on(&self) -> bool {
        let inner = &mut *self.lock();
        inner.changes_left = None;
        std::mem::take(&mut inner.is_off)
    }

    /// The process dies, the machine goes on: what was written stays to be seen. Open handles and locks are gone.
    pub fn kill(&self) {
        self.lock().end_life();
    }

    /// Turn over one bit on the disk.
    ///
    /// # Errors
    /// `NotFound` if there is no such file, `InvalidInput` if less of it is on the disk.
    pub fn flip_bit(&self, name: &str, offset: u64, bit: u8) -> io::Result<()> {
        let inner = &mut *self.lock();
        let id = *inner.names.get(name).ok_or(io::ErrorKind::NotFound)?;
        let file = &mut inner.files[id];
        let at = usize::try_from(offset).map_err(io::Error::other)?;
        for bytes in [&mut file.durable, &mut file.cache] {
            *bytes.get_mut(at).ok_or(io::ErrorKind::InvalidInput)? ^= 1 << (bit % 8);
        }
        Ok(())
    }

    /// What a read of the whole file would see.
    ///
    /// # Errors
    /// `NotFound` if there is no such file.
    pub fn contents(&self, name: &str) -> io::Result<Vec<u8>> {
        let inner = self.lock();
        let id = *inner.names.get(name).ok_or(io::ErrorKind::NotFound)?;
        Ok(inner.files[id].cache.clone())
    }

    /// Put a whole file there, durable, whatever was there before.
    pub fn plant(&self, name: &str, contents: &[u8]) {
        let inner = &mut *self.lock();
        let id = inner.files.len();
        inner.files.push(Inode {
            cache: contents.to_vec(),
            durable: contents.to_vec(),
            dirty: BTreeSet::new(),
            holes: BTreeSet::new(),
        });
        inner.names.insert(name.to_owned(), id);
        inner.durable_names.insert(name.to_owned(), id);
    }
}

impl Inner {
    fn crash(&mut self) {
        self.end_life();
        // A file system orders the changes of one directory, and promises nothing of two.
        let changes = std::mem::take(&mut self.changes);
        let mut kept: BTreeMap<String, usize> = BTreeMap::new();
        for change in &changes {
            *kept.entry(directory_of(change.name()).to_owned()).or_default() += 1;
        }
        for count in kept.values_mut() {
            *count = self.random.below(*count + 1);
        }
        for change in changes {
            let left = kept.get_mut(directory_of(change.name())).filter(|left| **left > 0);
            if let Some(left) = left {
                *left -= 1;
                change.apply(&mut self.durable_names);
            }
        }
        self.names = self.durable_names.clone();
        // All, none, or each page by a coin: the extremes are likelier in life than a fair coin makes them.
        let odds = [0, 16, 128, 240, 256][self.random.below(5)];
        for file in &mut self.files {
            for page in std::mem::take(&mut file.dirty) {
                if self.random.below(256) < odds {
                    file.persist(page);
                }
            }
            file.cache.clone_from(&file.durable);
        }
    }

    /// Before a change: the power may fail now.
    fn before_change(&mut self) -> io::Result<()> {
        match &mut self.changes_left {
            Some(0) => {
                self.changes_left = None;
                self.crash();
                self.is_off = true;
            }
            Some(left) => *left -= 1,
            None => {}
        }
        self.powered()
    }

    fn powered(&self) -> io::Result<()> {
        if self.is_off { Err(error(io::ErrorKind::BrokenPipe, "no power")) } else { Ok(()) }
    }

    fn end_life(&mut self) {
        self.life += 1;
        self.locked.clear();
        self.faults.clear();
        self.open = 0;
    }

    /// Whether there is a handle for one more file.
    fn handle(&self) -> io::Result<()> {
        const EMFILE: i32 = 24;
        let free = self.most_open.is_none_or(|most| self.open < most);
        if free { Ok(()) } else { Err(io::Error::from_raw_os_error(EMFILE)) }
    }

    fn used(&self) -> u64 {
        let taken = |file: &Inode| file.cache.len().saturating_sub(file.holes.len() * PAGE) as u64;
        self.names.values().map(|id| taken(&self.files[*id])).sum()
    }

    /// Whether a fault of this kind strikes now.
    fn strikes(&mut self, fault: Fault) -> bool {
        let mut struck = false;
        self.faults.retain_mut(|(kind, skip)| {
            if *kind != fault {
                return true;
            }
            let now = *skip == 0;
            struck |= now;
            *skip = skip.saturating_sub(1);
            !now
        });
        struck
    }

    fn change(&mut self, change: NameChange) {
        change.apply(&mut self.names);
        self.changes.push(change);
    }
}

impl NameChange {
    fn apply(&self, names: &mut BTreeMap<String, usize>) {
        match self {
            Self::Set(name, id) => {
                names.retain(|_, other| other != id);
                names.insert(name.clone(), *id);
            }
            Self::Remove(name) => {
                names.remove(name);
            }
        }
    }

    fn name(&self) -> &str {
        match self {
            Self::Set(name, _) | Self::Remove(name) => name,
        }
    }
}

impl Inode {
    fn persist(&mut self, page: usize) {
        let start = page * PAGE;
        let end = (start + PAGE).min(self.cache.len());
        if start < end {
            if self.durable.len() < end {
                self.durable.resize(end, 0);
            }
            self.durable[start..end].copy_from_slice(&self.cache[start..end]);
        }
    }

    fn write(&mut self, offset: usize, bytes: &[u8]) {
        let end = offset + bytes.len();
        if self.cache.len() < end {
            self.cache.resize(end, 0);
        }
        self.cache[offset..end].copy_from_slice(bytes);
        let pages = offset / PAGE..end.div_ceil(PAGE);
        self.holes.retain(|page| !pages.contains(page));
        self.dirty.extend(pages);
    }
}

fn directory_of(name: &str) -> &str {
    name.rsplit_once('/').map_or("", |(directory, _)| directory)
}

impl Disk for SimDisk {
    fn describe(&self) -> String {
        "a simulated disk".to_owned()
    }

    fn create_dir_all(&self, _directory: &str) -> io::Result<()> {
        // Directories are nothing but the front part of names here.
        Ok(())
    }

    fn open(&self, name: &str, mode: OpenMode) -> io::Result<Arc<dyn DiskFile>> {
        let inner = &mut *self.lock();
        if mode == OpenMode::CreateNew {
            inner.before_change()?;
        }
        inner.powered()?;
        inner.handle()?;
        if inner.strikes(Fault::Open) {
            return Err(error(io::ErrorKind::Other, "an opening failed"));
        }
        let id = match (inner.names.get(name), mode) {
            (Some(_), OpenMode::CreateNew) => return Err(io::ErrorKind::AlreadyExists.into()),
            (Some(id), _) => *id,
            (None, OpenMode::CreateNew) => {
                let id = inner.files.len();
                inner.files.push(Inode {
                    cache: Vec::new(),
                    durable: Vec::new(),
                    dirty: BTreeSet::new(),
                    holes: BTreeSet::new(),
                });
                inner.change(NameChange::Set(name.to_owned(), id));
                id
            }
            (None, _) => return Err(io::ErrorKind::NotFound.into()),
        };
        inner.open += 1;
        Ok(Arc::new(SimFile { disk: self.clone(), id, life: inner.life, writable: mode != OpenMode::Read }))
    }

    fn list(&self, directory: &str) -> io::Result<Vec<String>> {
        let inner = &mut *self.lock();
        inner.powered()?;
        inner.handle()?;
        if inner.strikes(Fault::List) {
            return Err(error(io::ErrorKind::Other, "listing a directory failed"));
        }
        let inside = inner.names.keys().filter(|name| directory_of(name) == directory);
        Ok(inside.map(|name| name.rsplit('/').next().unwrap_or_default().to_owned()).collect())
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        let inner = &mut *self.lock();
        inner.before_change()?;
        let id = *inner.names.get(from).ok_or(io::ErrorKind::NotFound)?;
        if inner.strikes(Fault::Rename) {
            return Err(error(io::ErrorKind::Other, "a rename failed"));
        }
        inner.change(NameChange::Set(to.to_owned(), id));
        if inner.strikes(Fault::RenameDone) {
            return Err(error(io::ErrorKind::Other, "a rename is said to have failed"));
        }
        Ok(())
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        let inner = &mut *self.lock();
        inner.before_change()?;
        if inner.strikes(Fault::Remove) {
            return Err(error(io::ErrorKind::Other, "a removal failed"));
        }
        if !inner.names.contains_key(name) {
            return Err(io::ErrorKind::NotFound.into());
        }
        inner.change(NameChange::Remove(name.to_owned()));
        Ok(())
    }

    fn sync_dir(&self, directory: &str) -> io::Result<()> {
        let inner = &mut *self.lock();
        inner.before_change()?;
        inner.handle()?;
        if inner.strikes(Fault::Sync) || inner.strikes(Fault::SyncDir) {
            return Err(error(io::ErrorKind::Other, "sync of a directory failed"));
        }
        let (here, elsewhere) = std::mem::take(&mut inner.changes)
            .into_iter()
            .partition::<Vec<_>, _>(|change| directory_of(change.name()) == directory);
        inner.changes = elsewhere;
        for change in here {
            change.apply(&mut inner.durable_names);
        }
        Ok(())
    }

    fn try_lock(&self, name: &str) -> io::Result<Option<Box<dyn DiskLock>>> {
        let inner = &mut *self.lock();
        inner.powered()?;
        if !inner.locked.insert(name.to_owned()) {
            return Ok(None);
        }
        Ok(Some(Box::new(SimLock { disk: self.clone(), name: name.to_owned(), life: inner.life })))
    }
}

#[derive(Debug)]
struct SimLock {
    disk: SimDisk,
    name: String,
    life: u64,
}

impl DiskLock for SimLock {}

impl Drop for SimLock {
    fn drop(&mut self) {
        let mut inner = self.disk.lock();
        if inner.life == self.life {
            inner.locked.remove(&self.name);
        }
    }
}

#[derive(Debug)]
struct SimFile {
    disk: SimDisk,
    id: usize,
    life: u64,
    writable: bool,
}

impl SimFile {
    fn alive(&self) -> io::Result<MutexGuard<'_, Inner>> {
        let inner = self.disk.lock();
        if inner.life == self.life {
            Ok(inner)
        } else {
            Err(error(io::ErrorKind::BrokenPipe, "this handle is of before the crash"))
        }
    }
}

impl Drop for SimFile {
    fn drop(&mut self) {
        let mut inner = self.disk.lock();
        if inner.life == self.life {
            inner.open -= 1;
        }
    }
}

impl DiskFile for SimFile {
    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<usize> {
        let inner = &mut *self.alive()?;
        if inner.strikes(Fault::Read) {
            return Err(error(io::ErrorKind::Other, "a read failed"));
        }
        let bytes = &inner.files[self.id].cache;
        let start = usize::try_from(offset).map_or(bytes.len(), |offset| offset.min(bytes.len()));
        let mut length = buffer.len().min(bytes.len() - start);
        if inner.short_io && length > 1 {
            length = 1 + inner.random.below(length);
        }
        buffer[..length].copy_from_slice(&inner.files[self.id].cache[start..start + length]);
        Ok(length)
    }

    fn write_at(&self, offset: u64, bytes: &[u8]) -> io::Result<usize> {
        let inner = &mut *self.alive()?;
        if !self.writable {
            return Err(io::ErrorKind::PermissionDenied.into());
        }
        let offset = usize::try_from(offset).map_err(io::Error::other)?;
        if inner.changes_left == Some(0) {
            // Some pages of this write may reach the disk.
            inner.files[self.id].write(offset, bytes);
        }
        inner.before_change()?;
        if inner.strikes(Fault::Write) {
            let part = inner.random.below(bytes.len() + 1);
            let room = inner.files[self.id].cache.len().saturating_sub(offset);
            inner.files[self.id].write(offset, &bytes[..part.min(room)]);
            return Err(error(io::ErrorKind::Other, "a write failed"));
        }
        let mut length = bytes.len();
        if inner.short_io && length > 1 {
            length = 1 + inner.random.below(length);
        }
        let grows = (offset + length).saturating_sub(inner.files[self.id].cache.len()) as u64;
        let full = inner.capacity.is_some_and(|capacity| inner.used() + grows > capacity);
        if grows > 0 && full {
            return Err(error(io::ErrorKind::StorageFull, "no space left on the disk"));
        }
        inner.files[self.id].write(offset, &bytes[..length]);
        Ok(length)
    }

    fn sync_data(&self) -> io::Result<()> {
        let inner = &mut *self.alive()?;
        inner.before_change()?;
        let failed = inner.strikes(Fault::Sync);
        let file = &mut inner.files[self.id];
        for page in std::mem::take(&mut file.dirty) {
            // A failed sync may still have brought some pages to the disk.
            if !failed || inner.random.below(2) == 0 {
                file.persist(page);
            }
        }
        if failed {
            return Err(error(io::ErrorKind::Other, "a sync failed"));
        }
        let len = file.cache.len();
        file.durable.resize(len, 0);
        Ok(())
    }

    fn len(&self) -> io::Result<u64> {
        let inner = &mut *self.alive()?;
        if inner.strikes(Fault::Len) {
            return Err(error(io::ErrorKind::Other, "asking for a length failed"));
        }
        Ok(inner.files[self.id].cache.len() as u64)
    }

    fn punch_hole(&self, offset: u64, len: u64) -> io::Result<()> {
        let inner = &mut *self.alive()?;
        inner.before_change()?;
        if !self.writable {
            return Err(io::ErrorKind::PermissionDenied.into());
        }
        let (offset, len) = (usize::try_from(offset), usize::try_from(len));
        let (offset, len) = (offset.map_err(io::Error::other)?, len.map_err(io::Error::other)?);
        let file = &mut inner.files[self.id];
        let end = (offset + len).min(file.cache.len());
        if offset < end {
            file.write(offset, &vec![0; end - offset]);
            file.holes.extend(offset.div_ceil(PAGE)..end / PAGE);
        }
        Ok(())
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        let inner = &mut *self.alive()?;
        inner.before_change()?;
        let len = usize::try_from(len).map_err(io::Error::other)?;
        let file = &mut inner.files[self.id];
        let from = len.min(file.cache.len());
        file.cache.resize(len, 0);
        file.dirty.extend(from / PAGE..len.div_ceil(PAGE));
        Ok(())
    }
}
