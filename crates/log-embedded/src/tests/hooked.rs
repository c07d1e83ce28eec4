use super::fixture::FILE_BYTES;
use crate::options::Options;
use millstream_host::disk::{Disk, DiskFile, DiskLock, OpenMode, SimDisk};
use std::fmt::{self, Debug, Formatter};
use std::io;
use std::sync::Arc;

/// What a hook hears of, before it happens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Call {
    Open(OpenMode),
    Read,
}

/// May fail the call, hold it up, or panic.
type Hook = dyn Fn(Call, &str) -> io::Result<()> + Send + Sync;

/// A simulated disk with a test looking on.
#[derive(Clone)]
pub(super) struct HookedDisk {
    disk: SimDisk,
    hook: Arc<Hook>,
}

impl HookedDisk {
    pub(super) fn new(
        disk: &SimDisk,
        hook: impl Fn(Call, &str) -> io::Result<()> + Send + Sync + 'static,
    ) -> Self {
        Self { disk: disk.clone(), hook: Arc::new(hook) }
    }

    /// Small files, and nothing served from memory.
    pub(super) fn options(self) -> Options {
        Options { wal_file_bytes: FILE_BYTES, memory_tail_bytes: 0, ..Options::new(Arc::new(self)) }
    }
}

impl Debug for HookedDisk {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.debug_struct("HookedDisk").field("disk", &self.disk).finish_non_exhaustive()
    }
}

impl Disk for HookedDisk {
    fn describe(&self) -> String {
        self.disk.describe()
    }

    fn create_dir_all(&self, directory: &str) -> io::Result<()> {
        self.disk.create_dir_all(directory)
    }

    fn open(&self, name: &str, mode: OpenMode) -> io::Result<Arc<dyn DiskFile>> {
        (self.hook)(Call::Open(mode), name)?;
        let file = self.disk.open(name, mode)?;
        Ok(Arc::new(HookedFile { file, name: name.to_owned(), disk: self.clone() }))
    }

    fn list(&self, directory: &str) -> io::Result<Vec<String>> {
        self.disk.list(directory)
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        self.disk.rename(from, to)
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        self.disk.remove(name)
    }

    fn sync_dir(&self, directory: &str) -> io::Result<()> {
        self.disk.sync_dir(directory)
    }

    fn try_lock(&self, name: &str) -> io::Result<Option<Box<dyn DiskLock>>> {
        self.disk.try_lock(name)
    }
}

#[derive(Debug)]
struct HookedFile {
    file: Arc<dyn DiskFile>,
    name: String,
    disk: HookedDisk,
}

impl DiskFile for HookedFile {
    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<usize> {
        (self.disk.hook)(Call::Read, &self.name)?;
        self.file.read_at(offset, buffer)
    }

    fn write_at(&self, offset: u64, bytes: &[u8]) -> io::Result<usize> {
        self.file.write_at(offset, bytes)
    }

    fn sync_data(&self) -> io::Result<()> {
        self.file.sync_data()
    }

    fn len(&self) -> io::Result<u64> {
        self.file.len()
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.file.set_len(len)
    }

    fn punch_hole(&self, offset: u64, len: u64) -> io::Result<()> {
        self.file.punch_hole(offset, len)
    }
}
