use super::footer::{Footer, RunEntry, TRAILER, Trailer};
use super::frame::{self, FrameHeader};
use super::name;
use crate::caps;
use crate::open_files::OpenFiles;
use crate::runs::Run;
use bytes::Bytes;
use lru::LruCache;
use millstream_host::Buffer;
use millstream_host::disk::{Disk, DiskFile};
use millstream_log::{ReadError, ReadLimit, StoredBatch};
use millstream_types::{LogShard, Position, Timestamp};
use std::io;
use std::sync::{Arc, Mutex, PoisonError};

/// Why a segment's footer cannot be had.
#[derive(Debug, thiserror::Error)]
pub(crate) enum FooterError {
    #[error(transparent)]
    Io(#[from] io::Error),
    #[error("the segment is of version {0}, which this Millstream does not know")]
    Version(u16),
    #[error("{0}")]
    Damaged(&'static str),
}

/// Read a segment's trailer and footer, and check that they belong to this number and fit the file.
pub(crate) fn load_footer(file: &dyn DiskFile, number: u32) -> Result<(Trailer, Footer), FooterError> {
    let len = file.len()?;
    let at = len.checked_sub(TRAILER as u64).ok_or(FooterError::Damaged("the file is cut short"))?;
    let mut bytes = [0; TRAILER];
    file.read_exact_at(at, &mut bytes)?;
    let trailer = Trailer::decode(&bytes).map_err(|version| match version {
        0 => FooterError::Damaged("its trailer cannot be read"),
        version => FooterError::Version(version),
    })?;
    if trailer.number != number || trailer.file_bytes() != len {
        return Err(FooterError::Damaged("its trailer does not belong to it"));
    }
    // The trailer's checksum holds and the file has this many bytes: the size is no fantasy.
    let mut footer = vec![0; usize::try_from(trailer.footer_bytes()).map_err(io::Error::other)?];
    file.read_exact_at(trailer.footer_offset, &mut footer)?;
    let footer =
        Footer::decode(&footer, &trailer).ok_or(FooterError::Damaged("its footer cannot be read"))?;
    Ok((trailer, footer))
}

/// Reads batches from segments. Blocking: callers in a runtime put it on a thread of its own.
#[derive(Debug)]
pub(crate) struct SegmentReader {
    files: OpenFiles,
    footers: Mutex<Footers>,
}

/// The footers used last, within a budget of bytes.
#[derive(Debug)]
struct Footers {
    cache: LruCache<u32, Arc<Footer>>,
    bytes: usize,
}

/// Part of a file in memory.
struct Window {
    start: u64,
    bytes: Bytes,
}

impl SegmentReader {
    pub(crate) fn new(disk: Arc<dyn Disk>) -> Self {
        let footers = Footers { cache: LruCache::unbounded(), bytes: 0 };
        Self { files: OpenFiles::new(disk, name), footers: Mutex::new(footers) }
    }

    /// A segment is gone: let go of its file and footer.
    pub(crate) fn forget(&self, segment: u32) {
        self.files.forget(segment);
        let mut footers = self.footers.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(footer) = footers.cache.pop(&segment) {
            footers.bytes -= footer.cost();
        }
    }

    pub(crate) fn footer(&self, segment: u32) -> Result<Arc<Footer>, FooterError> {
        if let Some(footer) = self.footers.lock().unwrap_or_else(PoisonError::into_inner).cache.get(&segment)
        {
            return Ok(Arc::clone(footer));
        }
        let (_, footer) = load_footer(&*self.files.get(segment)?, segment)?;
        let footer = Arc::new(footer);
        self.remember(segment, &footer);
        Ok(footer)
    }

    fn remember(&self, segment: u32, footer: &Arc<Footer>) {
        let mut footers = self.footers.lock().unwrap_or_else(PoisonError::into_inner);
        footers.bytes += footer.cost();
        if let Some(before) = footers.cache.put(segment, Arc::clone(footer)) {
            footers.bytes -= before.cost();
        }
        while footers.bytes > caps::FOOTER_BYTES && footers.cache.len() > 1 {
            let Some((_, oldest)) = footers.cache.pop_lru() else { break };
            footers.bytes -= oldest.cost();
        }
    }

    fn entry(&self, shard: LogShard, run: &Run) -> Result<(Arc<Footer>, RunEntry), ReadError> {
        let footer = self.footer(run.segment).map_err(|error| footer_error(run, &error))?;
        let entry = footer.run(shard).copied().filter(|entry| entry.first <= run.first);
        let entry = entry.ok_or_else(|| damaged(shard, run.segment, 0, run.first))?;
        Ok((footer, entry))
    }

    /// Append the run's batches from the one that holds `from` to `batches`, up to the limit but at least one.
    pub(crate) fn read(
        &self,
        shard: LogShard,
        run: &Run,
        from: Position,
        limit: ReadLimit,
        batches: &mut Vec<StoredBatch>,
    ) -> Result<(), ReadError> {
        let (footer, entry) = self.entry(shard, run)?;
        let marks = footer.marks_of(&entry);
        let mark = marks.partition_point(|mark| mark.first <= from).checked_sub(1);
        let (offset, first) =
            mark.map_or((entry.offset, entry.first), |mark| (marks[mark].offset, marks[mark].first));
        let mut walk =
            Walk { reader: self, shard, segment: run.segment, entry, offset, next: first, window: None };
        let (mut records, mut bytes) = (0_usize, 0_usize);
        let wanted = limit.bytes.clamp(caps::SEGMENT_READ.0, caps::SEGMENT_READ.1) as u64;
        while walk.next < entry.end {
            if records > 0 && (records >= limit.records || bytes >= limit.bytes) {
                break;
            }
            let header = walk.header(wanted)?;
            if header.end() > from {
                let stored = walk.batch(&header, wanted)?;
                records += header.count as usize;
                bytes += stored.batch.body.len();
                batches.push(stored);
            }
            walk.pass(&header);
        }
        Ok(())
    }

    /// The position of the run's first batch with this timestamp or a later one.
    pub(crate) fn seek_time(
        &self,
        shard: LogShard,
        run: &Run,
        at: Timestamp,
    ) -> Result<Option<Position>, ReadError> {
        let (footer, entry) = self.entry(shard, run)?;
        let marks = footer.marks_of(&entry);
        let mark = marks.partition_point(|mark| mark.timestamp < at).checked_sub(1);
        let (offset, first) =
            mark.map_or((entry.offset, entry.first), |mark| (marks[mark].offset, marks[mark].first));
        let mut walk =
            Walk { reader: self, shard, segment: run.segment, entry, offset, next: first, window: None };
        while walk.next < entry.end {
            let header = walk.header(caps::MARK_BYTES)?;
            if header.timestamp >= at {
                return Ok(Some(header.first));
            }
            walk.pass(&header);
        }
        Ok(None)
    }
}

/// Goes through a run, frame by frame.
struct Walk<'a> {
    reader: &'a SegmentReader,
    shard: LogShard,
    segment: u32,
    entry: RunEntry,
    offset: u64,
    next: Position,
    window: Option<Window>,
}

impl Walk<'_> {
    /// At least `needed` bytes from the current offset on (fewer at the run's end), and `wanted` if a read is needed.
    fn bytes(&mut self, needed: u64, wanted: u64) -> Result<Bytes, ReadError> {
        let left = self.entry.end_offset().saturating_sub(self.offset);
        let needed = needed.min(left);
        if let Some(window) = &self.window
            && self.offset >= window.start
            && self.offset + needed <= window.start + window.bytes.len() as u64
        {
            let at = usize::try_from(self.offset - window.start).unwrap_or(usize::MAX);
            return Ok(window.bytes.slice(at..));
        }
        let length = wanted.max(needed).min(left);
        let read = || -> io::Result<Bytes> {
            let mut bytes = Buffer::to_fill(usize::try_from(length).map_err(io::Error::other)?);
            self.reader.files.get(self.segment)?.read_exact_at(self.offset, &mut bytes)?;
            Ok(bytes.freeze())
        };
        let bytes = read().map_err(|error| ReadError::Io(format!("{}: {error}", name(self.segment))))?;
        self.window = Some(Window { start: self.offset, bytes: bytes.clone() });
        Ok(bytes)
    }

    fn damaged(&self) -> ReadError {
        damaged(self.shard, self.segment, self.offset, self.next)
    }

    fn header(&mut self, wanted: u64) -> Result<FrameHeader, ReadError> {
        let bytes = self.bytes(frame::HEADER as u64, wanted)?;
        let header = FrameHeader::decode(&bytes)
            .filter(|header| (header.shard, header.first) == (self.shard, self.next))
            .filter(|header| self.offset + header.bytes() <= self.entry.end_offset())
            .filter(|header| header.end() <= self.entry.end);
        header.ok_or_else(|| self.damaged())
    }

    fn batch(&mut self, header: &FrameHeader, wanted: u64) -> Result<StoredBatch, ReadError> {
        let bytes = self.bytes(header.bytes(), wanted)?;
        header.batch(&bytes).ok_or_else(|| self.damaged())
    }

    fn pass(&mut self, header: &FrameHeader) {
        self.offset += header.bytes();
        self.next = header.end();
    }
}

fn damaged(shard: LogShard, segment: u32, offset: u64, position: Position) -> ReadError {
    let detail = format!("{shard} in {} at byte {offset}", name(segment));
    ReadError::Corrupt { position, detail }
}

fn footer_error(run: &Run, error: &FooterError) -> ReadError {
    let detail = format!("{}: {error}", name(run.segment));
    match error {
        FooterError::Io(_) => ReadError::Io(detail),
        FooterError::Version(_) | FooterError::Damaged(_) => {
            ReadError::Corrupt { position: run.first, detail }
        }
    }
}
