//! The decoders of what is on the disk, by themselves, for the fuzz targets in `fuzz/`. Each panics if it breaks a law:
//! what is read can be written, and reads again as the same.

use crate::checkpoint::Checkpoint;
use crate::directory;
use crate::flush::run_of;
use crate::segment::footer::{Footer, RunEntry};
use crate::segment::frame::FrameHeader;
use crate::segment::read::{SegmentReader, load_footer};
use crate::segment::{self};
use crate::wal::entry::Entry;
use crate::wal::files::FileHeader;
use crate::wal::group::{Found, GroupHeader};
use bytes::Bytes;
use millstream_host::disk::{Disk, OpenMode};
use millstream_log::{ReadLimit, StoredBatch};
use millstream_types::{LogShard, Position};
use std::sync::Arc;

/// A WAL file's header, of the file `number`: whether it is one.
pub fn wal_file_header(bytes: &[u8], number: u32) -> bool {
    FileHeader::decode(bytes, number).is_ok_and(|header| header.number == number)
}

/// A group of the WAL and all its entries; whether it is whole.
pub fn wal_group(bytes: &[u8], salt: u64) -> bool {
    let Found::Header(header) = GroupHeader::find(bytes, salt) else { return false };
    assert_eq!(GroupHeader::find(&header.encode(), salt), Found::Header(header));
    assert!(header.durable < header.number && header.bytes() > 0);
    let Some(body) = header.body(bytes) else { return false };
    assert_eq!(body.len(), header.length as usize);
    wal_entries(body, header.entries)
}

/// So many entries, one after the other; whether they are there and nothing follows them.
pub fn wal_entries(bytes: &[u8], count: u32) -> bool {
    let mut rest = bytes;
    for _ in 0..count {
        let Ok((entry, after)) = Entry::decode(rest) else { return false };
        assert!(after.len() < rest.len(), "every entry takes bytes");
        let mut encoded = Vec::new();
        entry.encode(&mut encoded);
        assert!(encoded.len() <= rest.len() - after.len());
        assert_eq!(Entry::decode(&encoded), Ok((entry, &[][..])));
        rest = after;
    }
    rest.is_empty()
}

/// A batch in a segment; whether it is whole.
pub fn segment_frame(bytes: &Bytes) -> bool {
    let Some(header) = FrameHeader::decode(bytes) else { return false };
    assert_eq!(FrameHeader::decode(&header.encode()), Some(header));
    assert!(header.end() > header.first);
    let Some(stored) = header.batch(bytes) else { return false };
    assert!(stored.batch.is_intact());
    assert_eq!(stored.end(), header.end());
    assert_eq!(FrameHeader::of(header.shard, &stored), header);
    true
}

/// A checkpoint; whether it is one.
pub fn checkpoint(bytes: &[u8], number: u32) -> bool {
    let Ok(checkpoint) = Checkpoint::decode(bytes, number) else { return false };
    assert_eq!(Checkpoint::decode(&checkpoint.encode(), number), Ok(checkpoint));
    true
}

/// FORMAT; whether it is one that this program reads.
pub fn format(disk: &Arc<dyn Disk>) -> bool {
    directory::format(disk).is_ok_and(|found| found.is_some())
}

/// The name that a segment has on the disk.
pub fn segment_name(number: u32) -> String {
    segment::name(number)
}

/// All that can be read of a segment, as readers and flushes read it; nothing if it has no footer. A run that is damaged
/// ends there.
pub fn segment(disk: &Arc<dyn Disk>, number: u32) -> Option<Vec<(LogShard, StoredBatch)>> {
    let file = disk.open(&segment::name(number), OpenMode::Read).ok()?;
    let (trailer, footer) = load_footer(&*file, number).ok()?;
    assert_eq!(trailer.encode().len() + footer.encode().len(), {
        let behind = trailer.file_bytes() - trailer.footer_offset;
        usize::try_from(behind).expect("the footer was read into memory")
    });
    assert_eq!(Footer::decode(&footer.encode(), &trailer).as_ref(), Some(&footer));
    let reader = SegmentReader::new(Arc::clone(disk));
    let mut found = Vec::new();
    for entry in &footer.runs {
        assert_eq!(footer.run(entry.shard), Some(entry));
        run(&reader, number, entry, &mut found);
    }
    Some(found)
}

fn run(reader: &SegmentReader, number: u32, entry: &RunEntry, found: &mut Vec<(LogShard, StoredBatch)>) {
    let run = run_of(number, entry);
    let limit = ReadLimit { records: 3, bytes: 1_000 };
    let mut next = entry.first;
    while next < entry.end {
        let mut batches = Vec::new();
        if reader.read(entry.shard, &run, next, limit, &mut batches).is_err() {
            return;
        }
        let Some(last) = batches.last().map(StoredBatch::end) else { return };
        assert!(last > next, "a read goes on");
        assert!(batches.iter().all(|stored| stored.batch.is_intact() && stored.end() > next));
        next = last;
        found.extend(batches.into_iter().map(|stored| (entry.shard, stored)));
    }
    let at = reader.seek_time(entry.shard, &run, entry.newest);
    assert!(at.is_err() || at.is_ok_and(|at| at.is_none_or(|at: Position| at < entry.end)));
}
