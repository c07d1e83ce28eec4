//! Every limit of this crate.

/// Bytes that the writer takes from the queue for one group. One call may be larger and is then a group by itself.
pub(crate) const GROUP_BYTES: u64 = 8 << 20;

/// Bytes of one call: it is written, synced and replayed as a whole.
pub(crate) const CALL_BYTES: u64 = 32 << 20;

/// Bytes that one read returns at most (beyond its first batch), whatever its caller asks for.
pub(crate) const READ_BYTES: usize = 16 << 20;

/// Bytes that one read of the disk spans at most (beyond its first batch).
pub(crate) const SPAN_BYTES: u64 = 4 << 20;

/// Bytes between two batches that are read and thrown away rather than skipped by another read.
pub(crate) const GAP_BYTES: u64 = 16 << 10;

/// How long appends that need another WAL file are refused after one could not be made, before that is tried again.
pub(crate) const ROTATE_RETRY: std::time::Duration = std::time::Duration::from_secs(1);

/// Reads of the disk under way at the same time; more wait.
pub(crate) const CONCURRENT_READS: usize = 16;

/// WAL files kept open for reading; each read under way may hold one more.
pub(crate) const OPEN_FILES: usize = 64;

/// A WAL file's size: replay reads one file at a time into memory.
pub(crate) const WAL_FILE_BYTES: std::ops::RangeInclusive<u64> = 32 << 10..=1 << 30;

/// Bytes waiting for the writer: the semaphore counts in `u32`.
pub(crate) const ADMISSION_BYTES: std::ops::RangeInclusive<u64> = 64 << 10..=2 << 30;

/// What a call costs in the queue beyond its bytes, so that many tiny calls are bounded too.
pub(crate) const CALL_OVERHEAD: u64 = 128;

/// What a batch costs in the memory tail beyond its bytes.
pub(crate) const BATCH_OVERHEAD: u64 = 128;

/// How long dropping the log waits for its writer, in seconds.
pub(crate) const DROP_SECONDS: u64 = 10;
