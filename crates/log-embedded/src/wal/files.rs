use super::group::{BLOCK, HEADER, VERSION};
use super::pool::Pool;
use crate::bytes::{bytes_at, u16_at, u32_at, u64_at};
use crate::{caps, names};
use millstream_host::disk::{self, Disk, DiskFile, OpenMode};
use millstream_host::entropy;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// The WAL's directory below the data directory.
pub(crate) const DIRECTORY: &str = "wal";

const MAGIC: [u8; 4] = *b"MSWF";

/// Zeros are written in pieces of this size and synced after each: a new file never makes a commit wait for more.
const PIECE: usize = 4 << 20;

/// A file's name below the data directory.
pub(crate) fn name(number: u32) -> String {
    format!("{DIRECTORY}/{number:010}.wal")
}

/// The number in a file's name, if it is a WAL file's.
pub(crate) fn number(file_name: &str) -> Option<u32> {
    names::number(file_name, ".wal")
}

/// What is known of a file, which may not be open: there are thousands of them, and fewer file handles.
#[derive(Clone, Copy, Debug)]
pub(crate) struct KnownFile {
    pub(crate) number: u32,
    pub(crate) salt: u64,
    pub(crate) len: u64,
}

impl KnownFile {
    /// For reading and writing.
    pub(crate) fn open(&self, disk: &dyn Disk) -> io::Result<WalFile> {
        let Self { number, salt, len } = *self;
        let file = disk.open(&name(number), OpenMode::ReadWrite)?;
        Ok(WalFile { number, salt, len, file })
    }
}

/// A file being written, or ready to be.
#[derive(Clone, Debug)]
pub(crate) struct WalFile {
    pub(crate) number: u32,
    pub(crate) salt: u64,
    pub(crate) len: u64,
    pub(crate) file: Arc<dyn DiskFile>,
}

/// The start of a file's first block; the rest of that block is zero.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct FileHeader {
    pub(crate) number: u32,
    pub(crate) salt: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum BadFileHeader {
    #[error("the file's header cannot be read")]
    Damaged,
    #[error("the file says that it is number {0}")]
    Number(u64),
    #[error("the file is of version {0}, which this Millstream does not know")]
    Version(u16),
}

impl FileHeader {
    fn encode(self) -> [u8; HEADER] {
        let mut bytes = [0; HEADER];
        bytes[0..4].copy_from_slice(&MAGIC);
        bytes[4..6].copy_from_slice(&VERSION.to_le_bytes());
        bytes[8..16].copy_from_slice(&self.salt.to_le_bytes());
        bytes[16..24].copy_from_slice(&u64::from(self.number).to_le_bytes());
        let crc = crc32c::crc32c(&bytes[..60]);
        bytes[60..64].copy_from_slice(&crc.to_le_bytes());
        bytes
    }

    pub(crate) fn decode(bytes: &[u8], number: u32) -> Result<Self, BadFileHeader> {
        let (salt, found) = Self::fields(bytes).ok_or(BadFileHeader::Damaged)?;
        match u16_at(bytes, 4) {
            Some(VERSION) if found == u64::from(number) => Ok(Self { number, salt }),
            Some(VERSION) => Err(BadFileHeader::Number(found)),
            version => Err(BadFileHeader::Version(version.unwrap_or_default())),
        }
    }

    fn fields(bytes: &[u8]) -> Option<(u64, u64)> {
        let whole =
            bytes_at::<4>(bytes, 0)? == MAGIC && u32_at(bytes, 60)? == crc32c::crc32c(bytes.get(..60)?);
        if whole { Some((u64_at(bytes, 8)?, u64_at(bytes, 16)?)) } else { None }
    }
}

/// Whether a file that could not be made or opened is worth another try: the disk is full, or there are no file handles
/// or no memory, none of which says that the disk is broken.
pub(crate) fn passes(error: &io::Error) -> bool {
    disk::is_full(error) || disk::is_exhausted(error)
}

/// A sync that fails is never tried again, for want of memory neither: what it was to make durable is unknown.
fn sync_failed(error: io::Error) -> io::Error {
    if error.kind() == io::ErrorKind::OutOfMemory { io::Error::other(error) } else { error }
}

/// Makes files ready to be written: recycled or prewritten, durable, and under their name only when they are whole.
#[derive(Debug)]
pub(crate) struct Maker {
    pub(crate) disk: Arc<dyn Disk>,
    pub(crate) pool: Arc<Pool>,
    pub(crate) bytes: u64,
    /// The number of the next file.
    pub(crate) next: u32,
}

/// A file that was made, and whether the disk has that much less room now.
#[derive(Debug)]
pub(crate) struct Made {
    pub(crate) file: WalFile,
    pub(crate) is_new: bool,
}

impl Maker {
    /// # Errors
    /// What the disk says; `Interrupted` if `abort` was set meanwhile. The next call starts over.
    pub(crate) fn make(&mut self, abort: &AtomicBool) -> io::Result<Made> {
        let temporary = format!("{DIRECTORY}/{:010}.tmp", self.next);
        let made = self.write(&temporary, abort);
        match made {
            Ok(file) => {
                self.next += 1;
                Ok(file)
            }
            Err(error) => {
                // The first error is the one that says why. What is left over goes at the next attempt or start.
                if let Err(second) = self.disk.remove(&temporary) {
                    tracing::debug!(%second, temporary, "an unfinished WAL file stays for now");
                }
                Err(error)
            }
        }
    }

    fn write(&self, temporary: &str, abort: &AtomicBool) -> io::Result<Made> {
        names::remove_if_there(&*self.disk, temporary)?;
        let recycled = self.pool.take(&*self.disk, temporary)?;
        let is_new = recycled.is_none();
        let file = match recycled {
            Some(file) => file,
            None => self.prewrite(temporary, abort)?,
        };
        // The new salt makes nothing of what a recycled file held.
        let header = FileHeader { number: self.next, salt: entropy::u64() };
        file.write_all_at(0, &[&header.encode()])?;
        file.sync_data().map_err(sync_failed)?;
        self.disk.rename(temporary, &name(self.next))?;
        self.disk.sync_dir(DIRECTORY).map_err(sync_failed)?;
        let file = WalFile { number: self.next, salt: header.salt, len: self.bytes, file };
        Ok(Made { file, is_new })
    }

    fn prewrite(&self, temporary: &str, abort: &AtomicBool) -> io::Result<Arc<dyn DiskFile>> {
        let file = self.disk.open(temporary, OpenMode::CreateNew)?;
        let zeros = vec![0; PIECE];
        let mut offset = 0;
        while offset < self.bytes {
            if abort.load(Ordering::Relaxed) {
                return Err(io::ErrorKind::Interrupted.into());
            }
            let piece = usize::try_from(self.bytes - offset).unwrap_or(PIECE).min(PIECE);
            file.write_all_at(offset, &[&zeros[..piece]])?;
            file.sync_data().map_err(sync_failed)?;
            offset += piece as u64;
        }
        Ok(file)
    }
}

/// A file's header block and the rest, read as a whole.
pub(crate) fn read_whole(file: &dyn DiskFile) -> io::Result<Vec<u8>> {
    let len = file.len()?;
    if len > *caps::WAL_FILE_BYTES.end() {
        return Err(io::Error::new(io::ErrorKind::FileTooLarge, format!("a WAL file of {len} bytes")));
    }
    let mut bytes = vec![0; usize::try_from(len).map_err(io::Error::other)?];
    file.read_exact_at(0, &mut bytes)?;
    Ok(bytes)
}

/// Where groups start in a file.
pub(crate) const FIRST_GROUP: u64 = BLOCK;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_numbers_agree() {
        assert_eq!(name(12), "wal/0000000012.wal");
        assert_eq!(number("0000000012.wal"), Some(12));
    }

    #[test]
    fn want_of_memory_passes_unless_a_sync_met_it() {
        let no_memory = || io::Error::from(io::ErrorKind::OutOfMemory);
        assert!(passes(&no_memory()) && !passes(&sync_failed(no_memory())));
        let full = || io::Error::from(io::ErrorKind::StorageFull);
        assert!(passes(&full()) && passes(&sync_failed(full())));
        assert!(!passes(&io::Error::other("broken")));
    }

    #[test]
    fn a_file_header_names_its_number() {
        let bytes = FileHeader { number: 3, salt: 9 }.encode();
        assert_eq!(FileHeader::decode(&bytes, 3), Ok(FileHeader { number: 3, salt: 9 }));
        assert_eq!(FileHeader::decode(&bytes, 4), Err(BadFileHeader::Number(3)));
        let mut damaged = bytes;
        damaged[9] ^= 1;
        assert_eq!(FileHeader::decode(&damaged, 3), Err(BadFileHeader::Damaged));
        assert_eq!(FileHeader::decode(&bytes[..20], 3), Err(BadFileHeader::Damaged));
    }
}
