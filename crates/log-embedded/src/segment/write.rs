use super::footer::{self, Footer, Mark, RunEntry, Trailer};
use super::frame::FrameHeader;
use super::{DIRECTORY, name};
use crate::caps;
use crate::names;
use crate::pieces::Pieces;
use millstream_host::disk::{Disk, DiskFile, OpenMode};
use millstream_log::{RetentionClass, StoredBatch};
use millstream_types::{LogShard, Position};
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// A segment that is whole and durable under its name, but for the sync of its directory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Written {
    pub(crate) trailer: Trailer,
    pub(crate) runs: Vec<RunEntry>,
}

/// Writes one segment from batches that come sorted by shard and position.
#[derive(Debug)]
pub(crate) struct SegmentWriter<'a> {
    disk: &'a dyn Disk,
    abort: &'a AtomicBool,
    number: u32,
    class: RetentionClass,
    file: Arc<dyn DiskFile>,
    pieces: Pieces,
    /// Bytes before those of `pieces`.
    written: u64,
    synced: u64,
    footer: Footer,
    /// Of the newest mark, or of the run's start.
    marked: u64,
}

fn temporary(number: u32) -> String {
    format!("{DIRECTORY}/{number:010}.tmp")
}

impl<'a> SegmentWriter<'a> {
    /// # Errors
    /// What the disk says, here and below. `Interrupted` if `abort` was set meanwhile.
    pub(crate) fn begin(
        disk: &'a dyn Disk,
        abort: &'a AtomicBool,
        number: u32,
        class: RetentionClass,
    ) -> io::Result<Self> {
        names::remove_if_there(disk, &temporary(number))?;
        let file = disk.open(&temporary(number), OpenMode::CreateNew)?;
        let mut pieces = Pieces::default();
        pieces.buffer.extend_from_slice(&footer::header(number));
        let footer = Footer::default();
        Ok(Self { disk, abort, number, class, file, pieces, written: 0, synced: 0, footer, marked: 0 })
    }

    fn offset(&self) -> u64 {
        self.written + self.pieces.len() as u64
    }

    pub(crate) fn push(&mut self, shard: LogShard, stored: &StoredBatch) -> io::Result<()> {
        let offset = self.offset();
        let next = self.footer.runs.last().filter(|run| run.shard == shard).map(|run| run.end);
        if next != Some(stored.first) {
            self.start_run(shard, stored.first, offset);
        } else if offset - self.marked >= caps::MARK_BYTES {
            let mark = Mark { first: stored.first, timestamp: stored.batch.timestamp, offset };
            self.footer.marks.push(mark);
            self.marked = offset;
        }
        let header = FrameHeader::of(shard, stored);
        self.pieces.buffer.extend_from_slice(&header.encode());
        self.pieces.push_body(&stored.batch.body);
        let end_offset = self.offset();
        let marks = u32::try_from(self.footer.marks.len()).map_err(io::Error::other)?;
        if let Some(run) = self.footer.runs.last_mut() {
            run.end = header.end();
            run.newest = header.timestamp;
            run.length = end_offset - run.offset;
            run.marks.1 = marks - run.marks.0;
        }
        if self.pieces.len() >= caps::SEGMENT_PIECE {
            self.put()?;
        }
        Ok(())
    }

    /// The first run of a shard, or another one after a gap: what was there before was trimmed while this was written,
    /// and its frames stay behind unnamed.
    fn start_run(&mut self, shard: LogShard, first: Position, offset: u64) {
        if let Some(gone) = self.footer.runs.pop_if(|run| run.shard == shard) {
            self.footer.marks.truncate(gone.marks.0 as usize);
        }
        let marks = u32::try_from(self.footer.marks.len()).unwrap_or(u32::MAX);
        self.footer.runs.push(RunEntry {
            shard,
            first,
            end: first,
            newest: millstream_types::Timestamp::ZERO,
            offset,
            length: 0,
            marks: (marks, 0),
        });
        self.marked = offset;
    }

    fn put(&mut self) -> io::Result<()> {
        if self.abort.load(Ordering::Relaxed) {
            return Err(io::ErrorKind::Interrupted.into());
        }
        self.file.write_all_at(self.written, &self.pieces.parts())?;
        self.written += self.pieces.len() as u64;
        self.pieces.clear();
        // Little by little, so that no commit of the WAL waits behind hundreds of megabytes.
        if self.written - self.synced >= caps::SEGMENT_SYNC {
            self.sync()?;
        }
        Ok(())
    }

    /// What is on the disk leaves the system's cache: the newest batches are in the memory tail, and hundreds of megabytes
    /// a second would push out what others read and make the kernel find new pages for it all.
    fn sync(&mut self) -> io::Result<()> {
        self.file.sync_data()?;
        self.file.uncache(self.synced, self.written - self.synced);
        self.synced = self.written;
        Ok(())
    }

    /// Remove what is written so far.
    pub(crate) fn discard(self) {
        let Self { disk, number, .. } = self;
        if let Err(error) = disk.remove(&temporary(number)) {
            tracing::debug!(%error, number, "an unfinished segment stays until the next start");
        }
    }

    pub(crate) fn finish(mut self) -> io::Result<Written> {
        let footer_offset = self.offset();
        let footer = self.footer.encode();
        let count = |len: usize| u32::try_from(len).map_err(io::Error::other);
        let trailer = Trailer {
            number: self.number,
            class: self.class,
            runs: count(self.footer.runs.len())?,
            marks: count(self.footer.marks.len())?,
            footer_offset,
            footer_crc: crc32c::crc32c(&footer),
        };
        self.pieces.buffer.extend_from_slice(&footer);
        self.pieces.buffer.extend_from_slice(&trailer.encode());
        let finished = self.put().and_then(|()| self.sync());
        let renamed = finished.and_then(|()| self.disk.rename(&temporary(self.number), &name(self.number)));
        match renamed {
            Ok(()) => Ok(Written { trailer, runs: self.footer.runs }),
            Err(error) => {
                self.discard();
                Err(error)
            }
        }
    }
}
