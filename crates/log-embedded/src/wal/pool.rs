use super::files::{self, DIRECTORY};
use crate::names;
use millstream_host::disk::{Disk, DiskFile, OpenMode};
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// WAL files whose groups are all in segments: written already, so they need no room and no zeros to be used again.
/// They are named by the number they had, which nothing has again.
#[derive(Debug)]
pub(crate) struct Pool {
    /// The size of a file worth keeping.
    bytes: u64,
    most: usize,
    files: Mutex<Vec<u32>>,
}

/// What became of a file that is needed no more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct TakenIn {
    /// Of the file.
    pub(crate) bytes: u64,
    /// Whether it is a recycled one now; the disk has its bytes back otherwise.
    pub(crate) kept: bool,
}

/// A recycled file's name below the data directory.
pub(crate) fn spare_name(number: u32) -> String {
    format!("{DIRECTORY}/{number:010}.spare")
}

/// The number in a file's name, if it is a recycled file's.
pub(crate) fn number(file_name: &str) -> Option<u32> {
    names::number(file_name, ".spare")
}

impl Pool {
    pub(crate) fn new(bytes: u64, most: usize) -> Self {
        Self { bytes, most, files: Mutex::default() }
    }

    fn lock(&self) -> MutexGuard<'_, Vec<u32>> {
        self.files.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Keep a file as a recycled one, or remove it: too many are no use, nor are those of another size. Its name is the
    /// one that it had in use, or a recycled file's, left by the process before.
    pub(crate) fn take_in(&self, disk: &dyn Disk, name: &str, number: u32) -> io::Result<TakenIn> {
        let bytes = disk.open(name, OpenMode::Read)?.len()?;
        let mut files = self.lock();
        let kept = files.len() < self.most && bytes == self.bytes;
        if kept {
            let spare = spare_name(number);
            if name != spare {
                disk.rename(name, &spare)?;
            }
            files.push(number);
        } else {
            drop(files);
            disk.remove(name)?;
        }
        Ok(TakenIn { bytes, kept })
    }

    /// A file to write anew, under a temporary name. `None` if there is none.
    pub(crate) fn take(&self, disk: &dyn Disk, temporary: &str) -> io::Result<Option<Arc<dyn DiskFile>>> {
        let Some(number) = self.lock().pop() else { return Ok(None) };
        let open = disk.open(&spare_name(number), OpenMode::ReadWrite);
        let taken = open.and_then(|file| disk.rename(&spare_name(number), temporary).map(|()| file));
        if taken.is_err() {
            self.lock().push(number);
        }
        taken.map(Some)
    }

    /// Remove a file: the disk is full, and something else needs the room. Returns the bytes that the disk has back.
    pub(crate) fn release(&self, disk: &dyn Disk) -> u64 {
        let Some(number) = self.lock().pop() else { return 0 };
        match disk.remove(&spare_name(number)) {
            Ok(()) => self.bytes,
            Err(error) => {
                tracing::debug!(%error, number, "a spare WAL file stays until the next start");
                0
            }
        }
    }
}

/// What a file must be in this directory to be a WAL file in use, a recycled one, or an unfinished one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Wal(u32),
    Spare(u32),
    Temporary,
    /// Nobody's business.
    Other,
}

pub(crate) fn kind(file_name: &str) -> Kind {
    if let Some(number) = files::number(file_name) {
        return Kind::Wal(number);
    }
    if let Some(number) = number(file_name) {
        return Kind::Spare(number);
    }
    if names::is_temporary(file_name) { Kind::Temporary } else { Kind::Other }
}
