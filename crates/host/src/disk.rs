//! The disk as an input: what the log needs of a file system and no more, synchronous and object safe.
//!
//! [`OsDisk`] is a directory of the operating system; `SimDisk` (feature `sim`) keeps everything in memory and can lose
//! power, tear writes, flip bits, fill up and fail, each by a seed.
//!
//! Names are relative to the disk's root, with `/` between directories. What holds for both: a write is durable after
//! [`DiskFile::sync_data`] returned `Ok`, a name after [`Disk::sync_dir`] of its directory did; before that a power cut
//! may keep any part of it. After a sync that failed nothing is known of what was written since the last good one, and
//! a later sync that succeeds does not change that.

mod os;
#[cfg(feature = "sim")]
mod sim;

pub use os::OsDisk;
#[cfg(feature = "sim")]
pub use sim::{Fault, SimDisk};

use std::fmt::Debug;
use std::io::{self, IoSlice};
use std::sync::Arc;

/// How to open a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OpenMode {
    /// It must exist; for reading.
    Read,
    /// It must exist; for reading and writing.
    ReadWrite,
    /// It must not exist; for reading and writing.
    CreateNew,
}

/// Holds a lock until it is dropped, or the process ends.
pub trait DiskLock: Debug + Send + Sync {}

/// A directory and what is below it.
pub trait Disk: Debug + Send + Sync + 'static {
    /// Where it is, for messages.
    fn describe(&self) -> String;

    /// Make a directory and those above it; one that exists is no error.
    fn create_dir_all(&self, directory: &str) -> io::Result<()>;

    fn open(&self, name: &str, mode: OpenMode) -> io::Result<Arc<dyn DiskFile>>;

    /// The names (without the directory) of the files in a directory, sorted.
    fn list(&self, directory: &str) -> io::Result<Vec<String>>;

    /// Replaces what has the new name.
    fn rename(&self, from: &str, to: &str) -> io::Result<()>;

    fn remove(&self, name: &str) -> io::Result<()>;

    /// Make the names in a directory durable. The root is the empty string.
    fn sync_dir(&self, directory: &str) -> io::Result<()>;

    /// Take an exclusive lock on a file, which is made if it must be. `None` if another holds it.
    fn try_lock(&self, name: &str) -> io::Result<Option<Box<dyn DiskLock>>>;
}

/// An open file. Every call names its offset, so that one handle serves many threads.
pub trait DiskFile: Debug + Send + Sync + 'static {
    /// Read up to `buffer.len()` bytes; may be short, 0 at the end.
    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<usize>;

    /// Write up to `bytes.len()` bytes; may be short.
    fn write_at(&self, offset: u64, bytes: &[u8]) -> io::Result<usize>;

    /// Wait until all that was written, and the length, is durable.
    fn sync_data(&self) -> io::Result<()>;

    fn len(&self) -> io::Result<u64>;

    fn is_empty(&self) -> io::Result<bool> {
        Ok(self.len()? == 0)
    }

    fn set_len(&self, len: u64) -> io::Result<()>;

    /// Give a part of the file back to the disk; it reads as zeros from then on. Offset and length are whole blocks.
    ///
    /// # Errors
    /// `Unsupported` if the file system cannot.
    fn punch_hole(&self, offset: u64, len: u64) -> io::Result<()>;

    /// Tell the system that nobody is expected to read this part of the file soon, all of which is durable. What it makes
    /// of that is its affair.
    fn uncache(&self, _offset: u64, _len: u64) {}

    /// Fill `buffer`, however many reads that takes.
    ///
    /// # Errors
    /// `UnexpectedEof` if the file ends first.
    fn read_exact_at(&self, mut offset: u64, mut buffer: &mut [u8]) -> io::Result<()> {
        while !buffer.is_empty() {
            match self.read_at(offset, buffer) {
                Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
                Ok(read) => {
                    offset += read as u64;
                    buffer = &mut buffer[read..];
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// Write the pieces one after the other, as many bytes of them as one call takes; may be short.
    fn write_vectored_at(&self, offset: u64, parts: &[IoSlice<'_>]) -> io::Result<usize> {
        let first = parts.iter().find(|part| !part.is_empty());
        first.map_or(Ok(0), |part| self.write_at(offset, part))
    }

    /// Write several pieces, one after the other, however many writes that takes.
    ///
    /// # Errors
    /// On an error any part of it may be written.
    fn write_all_at(&self, mut offset: u64, parts: &[&[u8]]) -> io::Result<()> {
        let mut parts: Vec<IoSlice<'_>> = parts.iter().map(|part| IoSlice::new(part)).collect();
        let mut rest = parts.as_mut_slice();
        IoSlice::advance_slices(&mut rest, 0);
        while !rest.is_empty() {
            match self.write_vectored_at(offset, rest) {
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                Ok(written) => {
                    offset += written as u64;
                    IoSlice::advance_slices(&mut rest, written);
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }
}

/// Whether an error says that there is no room on the disk, which passes, rather than that the disk is broken, which does not.
pub fn is_full(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded)
}

/// Whether an error says that there are no file handles (of the process or the machine) or no memory left, which passes
/// too. `std::io::ErrorKind` has no name for the handles; the numbers are the same on every Unix.
pub fn is_exhausted(error: &io::Error) -> bool {
    const ENFILE: i32 = 23;
    const EMFILE: i32 = 24;
    error.kind() == io::ErrorKind::OutOfMemory || matches!(error.raw_os_error(), Some(ENFILE | EMFILE))
}
