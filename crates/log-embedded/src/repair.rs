//! Making a damaged data directory one that opens, with what can still be read.
//!
//! All that is new is written under new names, beside what is there, and means nothing until the new checkpoint does:
//! that is the one step that counts. A repair that dies before it has changed nothing, and one that dies after it is
//! done but for files that nothing names any more. What is damaged is copied to `damaged/` before that.

use crate::caps;
use crate::checkpoint::{self, Checkpoint, Resume, ShardLine};
use crate::directory;
use crate::error::OpenError;
use crate::flush::bucket;
use crate::inspect::look::{self, Walk};
use crate::inspect::report::Inspection;
use crate::inspect::salvage::{Origin, Piece};
use crate::inspect::segments::Span;
use crate::inspect::{Depth, Survey, survey};
use crate::names::remove_if_there;
use crate::reader::Reader;
use crate::segment::frame::{self, FrameHeader};
use crate::segment::write::{SegmentWriter, Written};
use crate::segment::{self};
use crate::shard::Source;
use crate::wal::files::{self, FIRST_GROUP, Maker};
use crate::wal::pool::Pool;
use crate::wal::recover::io_error;
use bytes::Bytes;
use millstream_host::disk::{Disk, DiskFile, DiskLock, OpenMode};
use millstream_log::{RetentionClass, StoredBatch};
use millstream_types::LogShard;
use std::collections::BTreeMap;
use std::io;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

/// Where copies of what is damaged go, below the data directory.
const DAMAGED: &str = "damaged";

/// WAL files are of this size if none says otherwise.
const WAL_BYTES: u64 = 64 << 20;

/// A repair that was not begun: what it would do can be read before.
#[derive(Debug)]
pub struct Repairer {
    disk: Arc<dyn Disk>,
    survey: Survey,
    _lock: Arc<dyn DiskLock>,
}

/// What a repair did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Repaired {
    /// Where copies of the damaged files are, below the data directory.
    pub aside: Vec<String>,
    /// Segments that were written.
    pub segments: usize,
}

/// What is written to one new segment.
#[derive(Debug)]
struct Lot {
    origin: Origin,
    class: RetentionClass,
    pieces: BTreeMap<LogShard, Piece>,
}

impl Repairer {
    /// Look at all of a directory, and hold its lock.
    ///
    /// # Errors
    /// As of [`inspect`](crate::inspect).
    pub fn new(disk: Arc<dyn Disk>, progress: &dyn Fn(u64, u64)) -> Result<Self, OpenError> {
        let lock = directory::lock(&disk)?;
        let survey = survey(&disk, Depth::Deep, progress)?;
        Ok(Self { disk, survey, _lock: lock })
    }

    pub fn inspection(&self) -> &Inspection {
        &self.survey.inspection
    }

    /// Do it. Copies of damaged files go to `damaged/<label>/`. An error leaves the directory as it was, but for files
    /// that nothing names: try again.
    ///
    /// # Errors
    /// `Io` with what failed.
    pub fn repair(self, label: &str) -> Result<Repaired, OpenError> {
        let disk = &*self.disk;
        if self.survey.inspection.is_sound() {
            return Ok(Repaired { aside: Vec::new(), segments: 0 });
        }
        let aside = self.copy_aside(label).map_err(io_error(disk, "copying what is damaged"))?;
        for name in [files::DIRECTORY, segment::DIRECTORY, checkpoint::DIRECTORY] {
            disk.create_dir_all(name).map_err(io_error(disk, format!("making the directory {name}")))?;
        }
        let mut segments = 0;
        if self.survey.rewrites_checkpoint {
            let written =
                self.write_segments().map_err(io_error(disk, "writing what is left to segments"))?;
            segments = written.len();
            self.write_checkpoint(&written).map_err(io_error(disk, "writing the checkpoint"))?;
            self.tidy().map_err(io_error(disk, "removing what nothing names"))?;
        }
        if self.survey.rewrites_format {
            directory::write(disk).map_err(io_error(disk, "writing FORMAT"))?;
        }
        Ok(Repaired { aside, segments })
    }

    fn copy_aside(&self, label: &str) -> io::Result<Vec<String>> {
        let mut copies = Vec::new();
        for name in &self.survey.aside {
            let copy = format!("{DAMAGED}/{label}/{name}");
            let directory = copy.rsplit_once('/').map_or("", |(directory, _)| directory).to_owned();
            let Some(file) = look::open(&*self.disk, name)? else { continue };
            self.disk.create_dir_all(&directory)?;
            remove_if_there(&*self.disk, &copy)?;
            let to = self.disk.open(&copy, OpenMode::CreateNew)?;
            let mut offset = 0;
            let end = file.len()?;
            while offset < end {
                let piece = look::read(&*file, offset, (end - offset).min(caps::SEGMENT_PIECE as u64))?;
                to.write_all_at(offset, &[&piece])?;
                offset += piece.len() as u64;
            }
            to.sync_data()?;
            self.disk.sync_dir(&directory)?;
            copies.push(copy);
        }
        Ok(copies)
    }

    /// What has to be written anew: all of the WAL if that cannot be replayed, and what is left of damaged segments.
    fn lots(&self) -> Vec<Lot> {
        let mut lots: BTreeMap<(Origin, RetentionClass, usize), Lot> = BTreeMap::new();
        for (shard, salvaged) in &self.survey.shards {
            let mut counts: BTreeMap<Origin, usize> = BTreeMap::new();
            for piece in &salvaged.pieces {
                let stays = match piece.origin {
                    Origin::Segment(number) => self.survey.kept.contains(&number),
                    Origin::Wal => !self.survey.rewrites_wal,
                };
                if stays {
                    continue;
                }
                // A segment has one run of a shard.
                let count = counts.entry(piece.origin).or_default();
                let (origin, class) = (piece.origin, bucket(salvaged.class));
                let lot = lots.entry((origin, class, *count));
                lot.or_insert_with(|| Lot { origin, class, pieces: BTreeMap::new() })
                    .pieces
                    .insert(*shard, *piece);
                *count += 1;
            }
        }
        lots.into_values().collect()
    }

    fn write_segments(&self) -> io::Result<Vec<Written>> {
        let abort = AtomicBool::new(false);
        let mut written = Vec::new();
        for (number, lot) in (self.survey.next_segment..).zip(self.lots()) {
            let mut writer = SegmentWriter::begin(&*self.disk, &abort, number, lot.class)?;
            for (shard, piece) in &lot.pieces {
                match lot.origin {
                    Origin::Segment(from) => self.push_frames(&mut writer, from, *shard, piece)?,
                    Origin::Wal => self.push_batches(&mut writer, *shard, piece)?,
                }
            }
            written.push(writer.finish()?);
        }
        if !written.is_empty() {
            self.disk.sync_dir(segment::DIRECTORY)?;
        }
        Ok(written)
    }

    fn push_batches(&self, writer: &mut SegmentWriter<'_>, shard: LogShard, piece: &Piece) -> io::Result<()> {
        let reader = Reader::new(&self.disk);
        let Some(seen) = self.survey.wal.shards.get(&shard) else { return Ok(()) };
        let places = seen.batches.iter().filter(|place| place.end() > piece.first && place.first < piece.end);
        for place in places {
            let fetched = reader.fetch_all(shard, &[Source::Wal(*place)]);
            for stored in fetched.map_err(io::Error::other)? {
                writer.push(shard, &stored)?;
            }
        }
        Ok(())
    }

    fn push_frames(
        &self,
        writer: &mut SegmentWriter<'_>,
        from: u32,
        shard: LogShard,
        piece: &Piece,
    ) -> io::Result<()> {
        let Some(scan) = self.survey.segments.iter().find(|scan| scan.number == from) else { return Ok(()) };
        let file = self.disk.open(&segment::name(from), OpenMode::Read)?;
        let spans = scan.spans.iter().filter(|span| span.shard == shard);
        for span in spans.filter(|span| span.end > piece.first && span.first < piece.end) {
            push_span(writer, &*file, span, piece)?;
        }
        Ok(())
    }

    fn write_checkpoint(&self, written: &[Written]) -> io::Result<()> {
        let survey = &self.survey;
        let (resume, shards) = match &survey.checkpoint {
            Some(checkpoint) if !survey.rewrites_wal => (checkpoint.resume, self.lines(checkpoint)),
            _ => (self.new_wal()?, self.final_lines()),
        };
        let mut segments: Vec<(u32, u64, u32)> = survey
            .segments
            .iter()
            .filter(|scan| survey.kept.contains(&scan.number))
            .filter_map(|scan| Some((scan.number, scan.bytes, scan.footer_crc?)))
            .collect();
        segments.extend(written.iter().map(|written| {
            let trailer = &written.trailer;
            (trailer.number, trailer.file_bytes(), trailer.footer_crc)
        }));
        let number = survey.next_checkpoint;
        Checkpoint { number, resume, shards, segments }.prepare(&*self.disk)?;
        checkpoint::publish(&*self.disk, number)
    }

    /// The WAL goes on as it is: the shards as of where it does, but for records that are lost.
    fn lines(&self, checkpoint: &Checkpoint) -> Vec<ShardLine> {
        let line = |line: &ShardLine| {
            let cut = self.survey.shards.get(&line.shard).filter(|salvaged| salvaged.is_cut);
            let earliest = cut.map_or(line.earliest, |salvaged| salvaged.earliest.min(line.next));
            ShardLine { earliest: earliest.max(line.earliest), ..*line }
        };
        checkpoint.shards.iter().map(line).collect()
    }

    fn final_lines(&self) -> Vec<ShardLine> {
        let line = |(shard, salvaged): (&LogShard, &crate::inspect::salvage::Salvaged)| ShardLine {
            shard: *shard,
            class: salvaged.class,
            earliest: salvaged.earliest,
            next: salvaged.next,
            newest: salvaged.newest,
        };
        self.survey.shards.iter().map(line).collect()
    }

    /// A file that nothing was written to, after all that there are.
    fn new_wal(&self) -> io::Result<Resume> {
        let wal = &self.survey.wal;
        let usable = caps::WAL_FILE_BYTES.contains(&wal.file_bytes)
            && wal.file_bytes.is_multiple_of(crate::wal::group::BLOCK);
        let bytes = if usable { wal.file_bytes } else { WAL_BYTES };
        let pool = Arc::new(Pool::new(bytes, 0));
        let mut maker = Maker { disk: Arc::clone(&self.disk), pool, bytes, next: wal.highest_file + 1 };
        let file = maker.make(&AtomicBool::new(false))?.file;
        Ok(Resume { group: wal.newest_group, file: file.number, salt: file.salt, offset: FIRST_GROUP })
    }

    /// Remove what the new checkpoint does not name. All that is damaged has been copied.
    fn tidy(&self) -> io::Result<()> {
        let survey = &self.survey;
        for number in checkpoint::list(&*self.disk)? {
            if number < survey.next_checkpoint {
                self.disk.remove(&checkpoint::name(number))?;
            }
        }
        self.disk.sync_dir(checkpoint::DIRECTORY)?;
        for scan in survey.segments.iter().filter(|scan| !survey.kept.contains(&scan.number)) {
            self.disk.remove(&segment::name(scan.number))?;
        }
        self.disk.sync_dir(segment::DIRECTORY)?;
        if !survey.rewrites_wal {
            return Ok(());
        }
        for name in &self.disk.list(files::DIRECTORY)? {
            if files::number(name).is_some_and(|number| number <= survey.wal.highest_file) {
                self.disk.remove(&format!("{}/{name}", files::DIRECTORY))?;
            }
        }
        self.disk.sync_dir(files::DIRECTORY)
    }
}

/// The frames of a span that a piece is made of.
fn push_span(
    writer: &mut SegmentWriter<'_>,
    file: &dyn DiskFile,
    span: &Span,
    piece: &Piece,
) -> io::Result<()> {
    let mut walk = Walk::new(file, span.end_offset);
    let mut offset = span.offset;
    while offset < span.end_offset {
        let header = FrameHeader::decode(walk.at(offset, frame::HEADER as u64)?);
        let header = header.ok_or_else(|| io::Error::other("a frame that was whole is not any more"))?;
        if header.end() > piece.first && header.end() <= piece.end {
            let bytes = Bytes::copy_from_slice(walk.at(offset, header.bytes())?);
            let stored: Option<StoredBatch> = header.batch(&bytes);
            let stored = stored.ok_or_else(|| io::Error::other("a batch that was whole is not any more"))?;
            writer.push(span.shard, &stored)?;
        }
        offset += header.bytes();
    }
    Ok(())
}
