//! Segments: what has left the WAL, sorted by shard, never changed again; `docs/formats/segment.md` is their format,
//! byte by byte.

pub(crate) mod footer;
pub(crate) mod frame;
pub(crate) mod read;
pub(crate) mod table;
pub(crate) mod write;

/// The segments' directory below the data directory.
pub(crate) const DIRECTORY: &str = "segments";

/// The version of the segments' format.
pub(crate) const VERSION: u16 = 1;

/// A segment's name below the data directory.
pub(crate) fn name(number: u32) -> String {
    format!("{DIRECTORY}/{number:010}.seg")
}

/// The number in a file's name, if it is a segment's.
pub(crate) fn number(file_name: &str) -> Option<u32> {
    crate::names::number(file_name, ".seg")
}
