use crate::caps;
use crate::error::OpenError;
use crate::wal::group::BLOCK;
use millstream_host::disk::{Disk, OsDisk};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

/// How to open the log.
#[derive(Clone, Debug)]
pub struct Options {
    /// The data directory.
    pub disk: Arc<dyn Disk>,
    /// The size of a WAL file, which is written with zeros before its use: 32 KiB to 1 GiB.
    pub wal_file_bytes: u64,
    /// Bytes of calls that may wait for the disk: 64 KiB to 2 GiB. Beyond that callers wait, then hear `Full`.
    pub admission_bytes: u64,
    /// Bytes of recent batches that are kept in memory, all shards together.
    pub memory_tail_bytes: u64,
    /// Bytes of WAL that are brought to segments together: 64 KiB to 1 GiB. More make larger segments, and a start that
    /// replays more. A quarter of it is enough once it counts for half of the memory tail.
    pub flush_bytes: u64,
    /// How long a record may be in the WAL before it is brought to a segment, however little there is.
    pub flush_after: Duration,
    /// Bytes of WAL that a start may have to replay, at most 1 GiB. Writing waits for the flush beyond it.
    pub replay_bytes: u64,
    /// How long the log must be quiet before it marks its newest group as durable on the disk.
    pub idle_mark: Duration,
}

impl Options {
    /// The defaults on some disk.
    pub fn new(disk: Arc<dyn Disk>) -> Self {
        Self {
            disk,
            wal_file_bytes: 64 << 20,
            admission_bytes: 256 << 20,
            memory_tail_bytes: 256 << 20,
            flush_bytes: 256 << 20,
            flush_after: Duration::from_hours(1),
            replay_bytes: 1 << 30,
            idle_mark: Duration::from_millis(100),
        }
    }

    /// The defaults in a directory of the operating system, which is made if it must be.
    ///
    /// # Errors
    /// If it cannot be made.
    pub fn in_directory(path: &Path) -> Result<Self, OpenError> {
        let disk = OsDisk::open(path).map_err(|source| OpenError::Io {
            directory: path.display().to_string(),
            what: "making the data directory".to_owned(),
            source,
        })?;
        Ok(Self::new(Arc::new(disk)))
    }

    /// Bytes that one call may have: it must fit into a file and into the queue.
    pub(crate) fn call_bytes(&self) -> u64 {
        let in_file = self.wal_file_bytes - 2 * BLOCK;
        caps::CALL_BYTES
            .min(in_file)
            .min(self.replay_bytes - 2 * BLOCK)
            .min(self.admission_bytes - caps::CALL_OVERHEAD)
    }

    /// Recycled WAL files worth keeping: what is written until a flush begins, and again until it is done.
    pub(crate) fn recycled_files(&self) -> usize {
        usize::try_from(2 * self.flush_bytes.div_ceil(self.wal_file_bytes) + 1).unwrap_or(1)
    }

    pub(crate) fn check(&self) -> Result<(), OpenError> {
        let within = |name, value, range: std::ops::RangeInclusive<u64>| {
            if range.contains(&value) {
                return Ok(());
            }
            Err(OpenError::Option { name, value, least: *range.start(), most: *range.end() })
        };
        within("wal_file_bytes", self.wal_file_bytes, caps::WAL_FILE_BYTES)?;
        within("admission_bytes", self.admission_bytes, caps::ADMISSION_BYTES)?;
        within("flush_bytes", self.flush_bytes, caps::FLUSH_AT)?;
        // The flush under way, what comes meanwhile, and a call.
        let least = self.flush_bytes.saturating_mul(2).min(*caps::FLUSH_AT.end());
        within("replay_bytes", self.replay_bytes, least..=*caps::FLUSH_AT.end())?;
        if !self.wal_file_bytes.is_multiple_of(BLOCK) {
            let value = self.wal_file_bytes;
            let least = value - value % BLOCK;
            return Err(OpenError::Option { name: "wal_file_bytes", value, least, most: least });
        }
        Ok(())
    }
}
