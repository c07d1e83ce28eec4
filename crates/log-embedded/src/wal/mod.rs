//! The write-ahead log; `docs/formats/wal.md` is its format, byte by byte.

pub(crate) mod entry;
pub(crate) mod files;
pub(crate) mod group;
pub(crate) mod pool;
pub(crate) mod recover;
pub(crate) mod spares;
pub(crate) mod thread;
pub(crate) mod writer;
