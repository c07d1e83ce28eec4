//! The simulated machine's disk, with a switch for the power: it can be cut between any two calls, in the middle of
//! what the log takes for one step.

use millstream_host::disk::{Disk, DiskFile, DiskLock, OpenMode, SimDisk};
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Cheap to clone; clones are one disk.
#[derive(Clone, Debug)]
pub(crate) struct PoweredDisk {
    disk: SimDisk,
    power: Arc<Mutex<Power>>,
    /// Syncs of files do nothing.
    lies: bool,
}

#[derive(Debug)]
struct Power {
    on: bool,
    /// It is off because it failed, and not because the process was killed.
    failed: bool,
    /// Calls until the power is cut.
    cut_in: Option<u64>,
    calls: u64,
    /// Of all calls and what they were about: FNV-1a.
    hash: u64,
}

impl PoweredDisk {
    pub(crate) fn new(seed: u64, lies: bool) -> Self {
        let power = Power { on: true, failed: false, cut_in: None, calls: 0, hash: 0xcbf2_9ce4_8422_2325 };
        Self { disk: SimDisk::new(seed), power: Arc::new(Mutex::new(power)), lies }
    }

    /// The disk itself, to make it fail.
    pub(crate) fn sim(&self) -> &SimDisk {
        &self.disk
    }

    /// Cut the power now.
    pub(crate) fn cut(&self) {
        self.lock().cut(&self.disk);
    }

    /// The process is killed: the disk keeps what it was given, and takes nothing more from that process.
    pub(crate) fn kill(&self) {
        let mut power = self.lock();
        power.on = false;
        power.failed = false;
        power.cut_in = None;
        self.disk.kill();
    }

    /// Cut the power after so many more calls.
    pub(crate) fn cut_in(&self, calls: u64) {
        self.lock().cut_in = Some(calls);
    }

    pub(crate) fn is_on(&self) -> bool {
        self.lock().on
    }

    pub(crate) fn lost_power(&self) -> bool {
        self.lock().failed
    }

    pub(crate) fn turn_on(&self) {
        let mut power = self.lock();
        power.on = true;
        power.cut_in = None;
    }

    /// How many calls there were, and a hash of all of them.
    pub(crate) fn calls(&self) -> (u64, u64) {
        let power = self.lock();
        (power.calls, power.hash)
    }

    fn lock(&self) -> MutexGuard<'_, Power> {
        self.power.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Do what a call does, unless the power is off or goes off: then it may be done and nobody hears of it.
    fn call<T>(
        &self,
        what: &str,
        name: &str,
        numbers: [u64; 2],
        act: impl FnOnce() -> io::Result<T>,
    ) -> io::Result<T> {
        let (cut, done) = {
            let mut power = self.lock();
            if !power.on {
                return Err(off());
            }
            power.note(what, name, numbers);
            let cut = power.cut_in == Some(0);
            power.cut_in = power.cut_in.map(|left| left.saturating_sub(1));
            (cut, power.hash & 1 == 0)
        };
        if !cut {
            return act();
        }
        if done {
            // Nobody hears of it, be it good or bad.
            drop(act());
        }
        self.cut();
        Err(off())
    }
}

fn off() -> io::Error {
    io::Error::new(io::ErrorKind::BrokenPipe, "the power is off (simulated)")
}

impl Power {
    fn cut(&mut self, disk: &SimDisk) {
        self.on = false;
        self.failed = true;
        self.cut_in = None;
        disk.crash();
    }

    fn note(&mut self, what: &str, name: &str, numbers: [u64; 2]) {
        self.calls += 1;
        let numbers = numbers.iter().flat_map(|number| number.to_le_bytes());
        for byte in what.bytes().chain(name.bytes()).chain(numbers) {
            self.hash = (self.hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
        }
    }
}

impl Disk for PoweredDisk {
    fn describe(&self) -> String {
        self.disk.describe()
    }

    fn create_dir_all(&self, directory: &str) -> io::Result<()> {
        self.call("mkdir", directory, [0; 2], || self.disk.create_dir_all(directory))
    }

    fn open(&self, name: &str, mode: OpenMode) -> io::Result<Arc<dyn DiskFile>> {
        let file = self.call("open", name, [0; 2], || self.disk.open(name, mode))?;
        Ok(Arc::new(PoweredFile { disk: self.clone(), name: name.to_owned(), file }))
    }

    fn list(&self, directory: &str) -> io::Result<Vec<String>> {
        self.call("list", directory, [0; 2], || self.disk.list(directory))
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        self.call("rename", to, [0; 2], || self.disk.rename(from, to))
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        self.call("remove", name, [0; 2], || self.disk.remove(name))
    }

    fn sync_dir(&self, directory: &str) -> io::Result<()> {
        self.call("sync_dir", directory, [0; 2], || self.disk.sync_dir(directory))
    }

    fn try_lock(&self, name: &str) -> io::Result<Option<Box<dyn DiskLock>>> {
        self.call("lock", name, [0; 2], || self.disk.try_lock(name))
    }
}

#[derive(Debug)]
struct PoweredFile {
    disk: PoweredDisk,
    name: String,
    file: Arc<dyn DiskFile>,
}

impl DiskFile for PoweredFile {
    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<usize> {
        let numbers = [offset, buffer.len() as u64];
        self.disk.call("read", &self.name, numbers, || self.file.read_at(offset, buffer))
    }

    fn write_at(&self, offset: u64, bytes: &[u8]) -> io::Result<usize> {
        let numbers = [offset, bytes.len() as u64];
        self.disk.call("write", &self.name, numbers, || self.file.write_at(offset, bytes))
    }

    fn sync_data(&self) -> io::Result<()> {
        let sync = || if self.disk.lies { Ok(()) } else { self.file.sync_data() };
        self.disk.call("sync", &self.name, [0; 2], sync)
    }

    fn len(&self) -> io::Result<u64> {
        self.disk.call("len", &self.name, [0; 2], || self.file.len())
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.disk.call("set_len", &self.name, [len, 0], || self.file.set_len(len))
    }

    fn punch_hole(&self, offset: u64, len: u64) -> io::Result<()> {
        self.disk.call("punch", &self.name, [offset, len], || self.file.punch_hole(offset, len))
    }
}
