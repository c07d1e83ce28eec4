use crate::Shared;
use crate::caps;
use crate::index::Place;
use crate::open_files::OpenFiles;
use crate::segment::read::SegmentReader;
use crate::shard::{Plan, Shard, Sought, Source};
use crate::stats::Counters;
use crate::wal::entry::{self, Entry};
use crate::wal::files;
use bytes::Bytes;
use millstream_host::Buffer;
use millstream_host::disk::Disk;
use millstream_log::{Batch, Chunk, ReadError, ReadLimit, StoredBatch};
use millstream_types::{LogShard, Position, Timestamp};
use std::io;
use std::sync::Arc;

/// Reads batches back from the disk. Blocking: callers in a runtime put it on a thread of its own.
#[derive(Debug)]
pub(crate) struct Reader {
    pub(crate) wal: OpenFiles,
    pub(crate) segments: SegmentReader,
}

/// A read of the disk that failed.
#[derive(Debug, thiserror::Error)]
#[error("{error}")]
pub(crate) struct Unread {
    pub(crate) error: ReadError,
    /// Whether it is worth another try: there were no file handles or no memory.
    pub(crate) passes: bool,
}

/// The same, and where it was to read.
struct Failed {
    source: Source,
    unread: Unread,
}

impl From<ReadError> for Unread {
    fn from(error: ReadError) -> Self {
        Self { error, passes: false }
    }
}

fn end(place: &Place) -> u64 {
    u64::from(place.offset) + entry::HEADER as u64 + u64::from(place.length)
}

/// Whether `next` is read together with the places from `first` to `last`.
fn joins(first: &Place, last: &Place, next: &Place) -> bool {
    next.file == last.file
        && u64::from(next.offset) <= end(last) + caps::GAP_BYTES
        && end(next) <= u64::from(first.offset) + caps::SPAN_BYTES
}

impl Shared {
    /// Read whole batches, from wherever they are.
    pub(crate) fn read(&self, id: LogShard, from: Position, limit: ReadLimit) -> Result<Chunk, ReadError> {
        let shard = self.shards.get(id)?;
        let mut chunk = Chunk::default();
        let (mut records, mut bytes) = (0_usize, 0_usize);
        let mut next = from;
        loop {
            let rest = ReadLimit { records: limit.records - records, bytes: limit.bytes - bytes };
            let (mut batches, plan) = match self.read_once(&shard, next, rest) {
                // What was read before is right, whatever happened to the shard since.
                Err(ReadError::Trimmed { .. } | ReadError::NoSuchShard(_)) if !chunk.batches.is_empty() => {
                    return Ok(chunk);
                }
                other => other?,
            };
            (chunk.tail, chunk.newest) = (plan.tail, plan.newest);
            records += batches.iter().map(|stored| stored.batch.count as usize).sum::<usize>();
            bytes += batches.iter().map(|stored| stored.batch.body.len()).sum::<usize>();
            next = batches.last().map_or(next, StoredBatch::end);
            let more = plan.is_part() && !batches.is_empty();
            chunk.batches.append(&mut batches);
            if !more || records >= limit.records || bytes >= limit.bytes {
                return Ok(chunk);
            }
        }
    }

    fn read_once(
        &self,
        shard: &Shard,
        from: Position,
        limit: ReadLimit,
    ) -> Result<(Vec<StoredBatch>, Plan), ReadError> {
        let mut plan = shard.plan(from, limit)?;
        loop {
            let Failed { source, unread: Unread { error, .. } } =
                match self.reader.fetch(shard.id, &plan.sources, limit) {
                    Ok(batches) => return Ok((batches, plan)),
                    Err(failed) => failed,
                };
            // The bytes may have moved to a segment, or be gone, since the plan was made.
            let again = shard.plan(from, limit)?;
            if again.sources.first().is_some_and(|first| first.is_same_place(&source)) {
                Counters::add(&self.counters.failed_reads, 1);
                tracing::error!(%error, shard = %shard.id, "reading the log failed; nothing damaged is served");
                return Err(error);
            }
            plan = again;
        }
    }

    /// The position of the first record at or after a time.
    pub(crate) fn seek_time(&self, id: LogShard, at: Timestamp) -> Result<Position, ReadError> {
        let shard = self.shards.get(id)?;
        let mut sought = shard.seek_time(at)?;
        loop {
            let (run, earliest) = match sought {
                Sought::At(position) => return Ok(position),
                Sought::In(run, earliest) => (run, earliest),
            };
            let error = match self.reader.segments.seek_time(id, &run, at) {
                Ok(Some(position)) => return Ok(position.max(earliest)),
                Ok(None) => ReadError::Corrupt {
                    position: run.first,
                    detail: format!("no batch of {id} is as new as its segment {} says", run.segment),
                },
                Err(error) => error,
            };
            let again = shard.seek_time(at)?;
            if again == sought {
                Counters::add(&self.counters.failed_reads, 1);
                tracing::error!(%error, shard = %id, "finding a time in the log failed");
                return Err(error);
            }
            sought = again;
        }
    }
}

impl Plan {
    /// Whether the disk must be read.
    pub(crate) fn is_in_memory(&self) -> bool {
        !matches!(self.sources.first(), Some(Source::Wal(_) | Source::Segment(..)))
    }

    /// Whether there may be more than it names, though the read has room for more.
    fn is_part(&self) -> bool {
        matches!(self.sources.first(), Some(Source::Segment(..)))
    }

    pub(crate) fn into_chunk(self) -> Chunk {
        let batches = self.sources.into_iter().filter_map(|source| match source {
            Source::Memory(stored) => Some(stored),
            Source::Wal(_) | Source::Segment(..) => None,
        });
        Chunk { batches: batches.collect(), tail: self.tail, newest: self.newest }
    }
}

impl Reader {
    pub(crate) fn new(disk: &Arc<dyn Disk>) -> Self {
        Self {
            wal: OpenFiles::new(Arc::clone(disk), files::name),
            segments: SegmentReader::new(Arc::clone(disk)),
        }
    }

    /// The batches at these places of a shard, which are in order. Damaged data is an error, never a result.
    fn fetch(
        &self,
        shard: LogShard,
        sources: &[Source],
        limit: ReadLimit,
    ) -> Result<Vec<StoredBatch>, Failed> {
        let mut batches = Vec::with_capacity(sources.len());
        let mut places: Vec<Place> = Vec::new();
        for source in sources {
            if let Source::Wal(place) = source {
                places.push(*place);
                continue;
            }
            self.fetch_wal(shard, &mut places, &mut batches)?;
            match source {
                Source::Memory(stored) => batches.push(stored.clone()),
                Source::Segment(run, from) => self
                    .segments
                    .read(shard, run, *from, limit, &mut batches)
                    .map_err(|error| Failed { source: source.clone(), unread: error.into() })?,
                Source::Wal(_) => {}
            }
        }
        self.fetch_wal(shard, &mut places, &mut batches)?;
        Ok(batches)
    }

    /// The same for the flusher, which tries again later if it fails.
    pub(crate) fn fetch_all(&self, shard: LogShard, sources: &[Source]) -> Result<Vec<StoredBatch>, Unread> {
        let no_limit = ReadLimit { records: usize::MAX, bytes: usize::MAX };
        self.fetch(shard, sources, no_limit).map_err(|failed| failed.unread)
    }

    fn fetch_wal(
        &self,
        shard: LogShard,
        places: &mut Vec<Place>,
        batches: &mut Vec<StoredBatch>,
    ) -> Result<(), Failed> {
        let Some(oldest) = places.first().copied() else { return Ok(()) };
        let mut rest = places.as_slice();
        while let Some(first) = rest.first() {
            let pairs = rest.iter().zip(&rest[1..]);
            let count = 1 + pairs.take_while(|(last, next)| joins(first, last, next)).count();
            let (span, after) = rest.split_at(count);
            // The oldest place is the first to move to a segment: what is there still, is all there still.
            self.fetch_span(shard, span, batches)
                .map_err(|unread| Failed { source: Source::Wal(oldest), unread })?;
            rest = after;
        }
        places.clear();
        Ok(())
    }

    fn fetch_span(
        &self,
        shard: LogShard,
        span: &[Place],
        batches: &mut Vec<StoredBatch>,
    ) -> Result<(), Unread> {
        let [first, ..] = span else { return Ok(()) };
        let last = span.last().unwrap_or(first);
        let start = u64::from(first.offset);
        let read = || -> io::Result<Bytes> {
            let mut bytes = Buffer::to_fill(usize::try_from(end(last) - start).map_err(io::Error::other)?);
            self.wal.get(first.file)?.read_exact_at(start, &mut bytes)?;
            Ok(bytes.freeze())
        };
        let bytes = read().map_err(|error| Unread {
            passes: files::passes(&error),
            error: ReadError::Io(format!("{}: {error}", files::name(first.file))),
        })?;
        for place in span {
            let at = (place.offset - first.offset) as usize;
            let stored = check(shard, place, &bytes, at).ok_or_else(|| {
                let detail = format!("{shard} in {} at byte {}", files::name(place.file), place.offset);
                ReadError::Corrupt { position: place.first, detail }
            })?;
            batches.push(stored);
        }
        Ok(())
    }
}

/// The batch at `at`, if it is the one that the index means and whole.
fn check(shard: LogShard, place: &Place, bytes: &Bytes, at: usize) -> Option<StoredBatch> {
    let (found, _) = Entry::decode(bytes.get(at..)?).ok()?;
    let Entry::Append { shard: found_shard, first, timestamp, count, crc, body } = found else { return None };
    if (found_shard, first, timestamp, count) != (shard, place.first, place.timestamp, place.count) {
        return None;
    }
    if body.len() != place.length as usize {
        return None;
    }
    let batch = Batch { timestamp, count, body: bytes.slice_ref(body), crc };
    batch.is_intact().then_some(StoredBatch { first, batch })
}
