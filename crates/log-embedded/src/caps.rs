//! Every limit of this crate.

use std::num::NonZeroUsize;

/// Bytes that the writer takes from the queue for one group. One call may be larger and is then a group by itself.
pub(crate) const GROUP_BYTES: u64 = 8 << 20;

/// A batch of fewer bytes is copied into its group; a larger one is written from where it is.
pub(crate) const COPIED_BODY: usize = 4 << 10;

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

/// WAL files kept open for reading, and as many segments; each read under way may hold one more.
pub(crate) const OPEN_FILES: NonZeroUsize = NonZeroUsize::new(64).expect("64 is not 0");

/// Bytes of segments' footers kept in memory.
pub(crate) const FOOTER_BYTES: usize = 32 << 20;

/// Bytes of a run between two marks in a segment's footer.
pub(crate) const MARK_BYTES: u64 = 64 << 10;

/// Bytes that one read of a segment takes at least and at most, but for one larger batch.
pub(crate) const SEGMENT_READ: (usize, usize) = (64 << 10, 1 << 20);

/// Bytes of a segment that are written with one call, and synced together: no commit waits behind more.
pub(crate) const SEGMENT_PIECE: usize = 1 << 20;
pub(crate) const SEGMENT_SYNC: u64 = 16 << 20;

/// What a flush takes of a shard at a time.
pub(crate) const FLUSH_BATCHES: usize = 4_096;
pub(crate) const FLUSH_BYTES: usize = 4 << 20;

/// How long after a flush that failed the next one is tried, and how many in a row stop the log. A full disk does not
/// count: that passes.
pub(crate) const FLUSH_RETRY: std::time::Duration = std::time::Duration::from_secs(1);
pub(crate) const FLUSH_FAILURES: u32 = 30;

/// Dead records are given back to the disk in blocks of this size.
pub(crate) const HOLE_BYTES: u64 = 4096;

/// A checkpoint has 40 bytes a shard and 24 a segment: this is some millions of them.
pub(crate) const CHECKPOINT_BYTES: u64 = 512 << 20;

/// The part of a WAL file that is kept for trims and drops, which make room, when the disk is full: an eighth of the
/// file, and at most this.
pub(crate) const RESERVE_BYTES: u64 = 256 << 10;

/// A command of the control plane that may use half of that, so that a stream can be deleted on a full disk.
pub(crate) const CONTROL_COMMAND_BYTES: u64 = 4 << 10;

/// WAL that is in no segment yet: flushing starts at the first, and this is the most that a start may have to replay.
pub(crate) const FLUSH_AT: std::ops::RangeInclusive<u64> = 64 << 10..=1 << 30;

/// A WAL file's size: replay reads one file at a time into memory.
pub(crate) const WAL_FILE_BYTES: std::ops::RangeInclusive<u64> = 32 << 10..=1 << 30;

/// The size of a new directory's first file, at most: the first answer waits for it. The next one is made meanwhile.
pub(crate) const FIRST_FILE_BYTES: u64 = 4 << 20;

/// Bytes waiting for the writer: the semaphore counts in `u32`.
pub(crate) const ADMISSION_BYTES: std::ops::RangeInclusive<u64> = 64 << 10..=2 << 30;

/// What a call costs in the queue beyond its bytes, so that many tiny calls are bounded too.
pub(crate) const CALL_OVERHEAD: u64 = 128;

/// What a batch costs in the memory tail beyond its bytes.
pub(crate) const BATCH_OVERHEAD: u64 = 128;

/// How long dropping the log waits for its writer, in seconds.
pub(crate) const DROP_SECONDS: u64 = 10;

/// Shards that a repair makes anew, because nothing says whether they were there: of all numbers up to the highest that
/// was found, and of as many after it.
pub(crate) const REVIVED_SHARDS: u64 = 1 << 20;
pub(crate) const REVIVED_BEYOND: u64 = 10_000;
