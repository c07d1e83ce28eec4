//! Reading what may be damaged: where the disk gives nothing, there are zeros.

use crate::bytes::u64_at;
use crate::wal::group::{BLOCK, Found, GroupHeader};
use millstream_host::disk::{Disk, DiskFile, OpenMode};
use std::io;
use std::sync::Arc;

/// Bytes that a walk through a file reads at a time.
const WINDOW: u64 = 1 << 20;

/// The names of a directory's files; none if there is no such directory, as in a directory of format 1.
pub(crate) fn list(disk: &dyn Disk, directory: &str) -> io::Result<Vec<String>> {
    match disk.list(directory) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
        other => other,
    }
}

/// A file, if it is there.
pub(crate) fn open(disk: &dyn Disk, name: &str) -> io::Result<Option<Arc<dyn DiskFile>>> {
    match disk.open(name, OpenMode::Read) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        other => other.map(Some),
    }
}

/// Part of a file, which has that many bytes. Blocks that the disk cannot read are zeros.
pub(crate) fn read(file: &dyn DiskFile, offset: u64, bytes: u64) -> io::Result<Vec<u8>> {
    let mut buffer = vec![0; usize::try_from(bytes).map_err(io::Error::other)?];
    if file.read_exact_at(offset, &mut buffer).is_ok() {
        return Ok(buffer);
    }
    buffer.fill(0);
    let block = usize::try_from(BLOCK).map_err(io::Error::other)?;
    for (piece, at) in buffer.chunks_mut(block).zip((offset..).step_by(block)) {
        if let Err(error) = file.read_exact_at(at, piece) {
            tracing::warn!(%error, at, "a block cannot be read");
            piece.fill(0);
        }
    }
    Ok(buffer)
}

/// A group's header of whatever incarnation of a file.
pub(crate) fn any_group(bytes: &[u8]) -> Option<GroupHeader> {
    match GroupHeader::find(bytes, u64_at(bytes, 8)?) {
        Found::Header(header) => Some(header),
        Found::Version(_) | Found::Nothing => None,
    }
}

/// A walk through a large file.
#[derive(Debug)]
pub(crate) struct Walk<'a> {
    file: &'a dyn DiskFile,
    end: u64,
    start: u64,
    bytes: Vec<u8>,
}

impl<'a> Walk<'a> {
    /// Up to `end`, which is in the file.
    pub(crate) fn new(file: &'a dyn DiskFile, end: u64) -> Self {
        Self { file, end, start: 0, bytes: Vec::new() }
    }

    /// `bytes` of the file, or those that are there before the end.
    pub(crate) fn at(&mut self, offset: u64, bytes: u64) -> io::Result<&[u8]> {
        let bytes = bytes.min(self.end.saturating_sub(offset));
        let have = self.start..self.start + self.bytes.len() as u64;
        if !have.contains(&offset) || offset + bytes > have.end {
            let length = bytes.max(WINDOW).min(self.end.saturating_sub(offset));
            self.bytes = read(self.file, offset, length)?;
            self.start = offset;
        }
        let at = usize::try_from(offset - self.start).map_err(io::Error::other)?;
        let length = usize::try_from(bytes).map_err(io::Error::other)?;
        Ok(&self.bytes[at..at + length])
    }
}
