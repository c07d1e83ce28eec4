//! The write-ahead log; `docs/formats/wal.md` is its format, byte by byte.

pub(crate) mod entry;
pub(crate) mod files;
pub(crate) mod group;
pub(crate) mod recover;
pub(crate) mod spares;
pub(crate) mod thread;
pub(crate) mod writer;

/// The `N` bytes at `at`, if they are all there.
fn bytes_at<const N: usize>(bytes: &[u8], at: usize) -> Option<[u8; N]> {
    bytes.get(at..)?.first_chunk::<N>().copied()
}

fn u16_at(bytes: &[u8], at: usize) -> Option<u16> {
    bytes_at(bytes, at).map(u16::from_le_bytes)
}

fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    bytes_at(bytes, at).map(u32::from_le_bytes)
}

fn u64_at(bytes: &[u8], at: usize) -> Option<u64> {
    bytes_at(bytes, at).map(u64::from_le_bytes)
}
