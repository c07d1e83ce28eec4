use crate::caps;
use crate::index::Place;
use crate::wal::entry::{self, Entry};
use crate::wal::files::OpenFiles;
use bytes::Bytes;
use millstream_host::disk::Disk;
use millstream_log::{Batch, ReadError, StoredBatch};
use millstream_types::LogShard;
use std::io;
use std::sync::Arc;

/// Reads batches back from the WAL. Blocking: callers in a runtime put it on a thread of its own.
#[derive(Debug)]
pub(crate) struct Reader {
    files: OpenFiles,
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

impl Reader {
    pub(crate) fn new(disk: Arc<dyn Disk>) -> Self {
        Self { files: OpenFiles::new(disk) }
    }

    /// The batches at these places of a shard, which are in order. Damaged data is an error, never a result.
    pub(crate) fn fetch(&self, shard: LogShard, places: &[Place]) -> Result<Vec<StoredBatch>, ReadError> {
        let mut batches = Vec::with_capacity(places.len());
        let mut rest = places;
        while let Some(first) = rest.first() {
            let pairs = rest.iter().zip(&rest[1..]);
            let count = 1 + pairs.take_while(|(last, next)| joins(first, last, next)).count();
            let (span, after) = rest.split_at(count);
            self.fetch_span(shard, span, &mut batches)?;
            rest = after;
        }
        Ok(batches)
    }

    fn fetch_span(
        &self,
        shard: LogShard,
        span: &[Place],
        batches: &mut Vec<StoredBatch>,
    ) -> Result<(), ReadError> {
        let [first, ..] = span else { return Ok(()) };
        let last = span.last().unwrap_or(first);
        let start = u64::from(first.offset);
        let read = || -> io::Result<Bytes> {
            let mut bytes = vec![0; usize::try_from(end(last) - start).map_err(io::Error::other)?];
            self.files.get(first.file)?.read_exact_at(start, &mut bytes)?;
            Ok(bytes.into())
        };
        let bytes = read().map_err(|error| {
            tracing::error!(%error, %shard, file = first.file, offset = start, "reading the WAL failed");
            ReadError::Io(error.to_string())
        })?;
        for place in span {
            let at = (place.offset - first.offset) as usize;
            let stored = check(shard, place, &bytes, at).ok_or_else(|| {
                let detail = format!("WAL file {}, byte {}", place.file, place.offset);
                tracing::error!(%shard, position = %place.first, detail, "damaged data is not served");
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
