//! What can still be read of the segments.

use super::look::{self, Walk};
use super::report::{Problem, SegmentReport};
use crate::directory::FORMAT_VERSION;
use crate::error::OpenError;
use crate::segment::footer::{self, Footer, RunEntry, TRAILER, Trailer, hours};
use crate::segment::frame::{self, FrameHeader};
use crate::segment::read::{FooterError, load_footer};
use crate::segment::{self};
use crate::wal::recover::io_error;
use millstream_host::disk::{Disk, DiskFile};
use millstream_log::RetentionClass;
use millstream_types::{LogShard, Position, Timestamp};
use std::collections::BTreeMap;
use std::io;
use std::sync::Arc;

/// Whole frames of one shard, one after the other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Span {
    pub(crate) shard: LogShard,
    pub(crate) first: Position,
    pub(crate) end: Position,
    pub(crate) newest: Timestamp,
    pub(crate) offset: u64,
    pub(crate) end_offset: u64,
}

/// One segment.
#[derive(Debug)]
pub(crate) struct SegmentScan {
    pub(crate) number: u32,
    pub(crate) class: Option<RetentionClass>,
    pub(crate) bytes: u64,
    /// Of the footer that it has, and must have.
    pub(crate) footer_crc: Option<u32>,
    /// Whether footer and live frames are as they were written.
    pub(crate) is_sound: bool,
    pub(crate) spans: Vec<Span>,
    /// What its footer says that it has, whole or not: shard, first position, and the one after the last.
    pub(crate) claims: Vec<(LogShard, Position, Position)>,
    pub(crate) report: SegmentReport,
}

/// What the scan of a segment has to know of the rest.
#[derive(Debug)]
pub(crate) struct Context<'a> {
    pub(crate) disk: &'a Arc<dyn Disk>,
    pub(crate) deep: bool,
    /// Of the shards that are there, the first position that can be asked for.
    pub(crate) earliest: &'a BTreeMap<LogShard, Position>,
    /// Whether shards that are not there are none of ours.
    pub(crate) only_known: bool,
}

impl Context<'_> {
    fn is_live(&self, shard: LogShard, end: Position) -> bool {
        self.earliest.get(&shard).map_or(!self.only_known, |earliest| *earliest < end)
    }

    /// `named` is what a checkpoint says of it: its bytes and the checksum of its footer. `None` for a file that is not
    /// there.
    pub(crate) fn scan(
        &self,
        number: u32,
        named: Option<(u64, u32)>,
        problems: &mut Vec<Problem>,
        progress: &dyn Fn(u64),
    ) -> Result<Option<SegmentScan>, OpenError> {
        let name = segment::name(number);
        let failed = || io_error(&**self.disk, format!("reading {name}"));
        let mut problem = |offset, refuses_start, records, what: String| {
            let file = name.clone();
            let (group, shard, positions) = (None, None, None);
            problems.push(Problem { file, offset, group, shard, positions, refuses_start, records, what });
        };
        let Some(file) = look::open(&**self.disk, &name).map_err(failed())? else {
            problem(0, true, None, "the segment is missing".to_owned());
            return Ok(None);
        };
        let bytes = file.len().map_err(failed())?;
        let found = match load_footer(&*file, number) {
            Ok((trailer, footer)) => Some((trailer, footer)),
            Err(FooterError::Version(version)) => {
                return Err(OpenError::Format {
                    directory: self.disk.describe(),
                    found: format!("{FORMAT_VERSION} with a segment of version {version}"),
                    supported: FORMAT_VERSION,
                });
            }
            Err(error @ (FooterError::Io(_) | FooterError::Damaged(_))) => {
                let what = format!("{error}; its records are found without it");
                problem(bytes.saturating_sub(TRAILER as u64), true, Some(0), what);
                None
            }
        };
        let found = found.filter(|(trailer, _)| {
            let right = named.is_none_or(|named| named == (trailer.file_bytes(), trailer.footer_crc));
            if !right {
                problem(0, true, None, "it is not the segment that the checkpoint means".to_owned());
            }
            right
        });
        let mut scan = SegmentScan::new(number, bytes, found.as_ref(), named.is_some());
        let header = look::read(&*file, 0, bytes.min(footer::HEADER as u64)).map_err(failed())?;
        if header != footer::header(number) {
            problem(0, false, Some(0), "its first bytes cannot be read; nothing needs them".to_owned());
            scan.is_sound = false;
        }
        let read = match &found {
            Some((_, footer)) => self.runs(&*file, footer, &mut scan, problems),
            None => self.frames(&*file, bytes, &mut scan),
        };
        read.map_err(failed())?;
        scan.finish(found.map(|(_, footer)| footer).as_ref());
        progress(bytes);
        Ok(Some(scan))
    }

    /// The runs that its footer names, frame by frame.
    fn runs(
        &self,
        file: &dyn DiskFile,
        footer: &Footer,
        scan: &mut SegmentScan,
        problems: &mut Vec<Problem>,
    ) -> io::Result<()> {
        for run in footer.runs.iter().filter(|run| self.is_live(run.shard, run.end)) {
            scan.claims.push((run.shard, run.first, run.end));
            if self.deep {
                self.run(file, run, scan, problems)?;
            } else {
                let RunEntry { shard, first, end, newest, offset, .. } = *run;
                let end_offset = run.end_offset();
                scan.spans.push(Span { shard, first, end, newest, offset, end_offset });
            }
        }
        Ok(())
    }

    fn run(
        &self,
        file: &dyn DiskFile,
        run: &RunEntry,
        scan: &mut SegmentScan,
        problems: &mut Vec<Problem>,
    ) -> io::Result<()> {
        let earliest = self.earliest.get(&run.shard).copied().unwrap_or_default();
        let mut frames = Frames { walk: Walk::new(file, run.end_offset()), shard: Some(run.shard) };
        let (mut offset, mut next) = (run.offset, run.first);
        while next < run.end {
            let found = frames.from(offset, next, run.end)?;
            let (first, start) = found
                .as_ref()
                .map_or_else(|| (run.end, run.end_offset()), |frame| (frame.first, frame.offset));
            if first > next || start > offset {
                scan.is_sound = false;
                problems.push(Problem {
                    file: segment::name(scan.number),
                    offset,
                    group: None,
                    shard: Some(run.shard),
                    positions: Some((next, first)),
                    refuses_start: false,
                    records: Some(first.0.saturating_sub(next.max(earliest).0)),
                    what: "batches are not what their checksums say".to_owned(),
                });
            }
            let Some(frame) = found else { break };
            scan.push(&frame);
            (offset, next) = (frame.end_offset, frame.end);
        }
        Ok(())
    }

    /// All frames of a file that does not say where they are.
    fn frames(&self, file: &dyn DiskFile, bytes: u64, scan: &mut SegmentScan) -> io::Result<()> {
        scan.is_sound = false;
        let mut frames = Frames { walk: Walk::new(file, bytes), shard: None };
        let mut offset = footer::HEADER as u64;
        while let Some(frame) = frames.from(offset, Position::ZERO, Position(u64::MAX))? {
            if self.is_live(frame.shard, frame.end) {
                scan.push(&frame);
            }
            offset = frame.end_offset;
        }
        Ok(())
    }
}

impl SegmentScan {
    fn new(number: u32, bytes: u64, found: Option<&(Trailer, Footer)>, named: bool) -> Self {
        let trailer = found.map(|(trailer, _)| trailer);
        let class = trailer.map(|trailer| trailer.class);
        let report = SegmentReport {
            file: segment::name(number),
            class_hours: class.map(hours),
            bytes,
            runs: 0,
            records: 0,
            oldest: None,
            newest: None,
            live: false,
            named,
        };
        let footer_crc = trailer.map(|trailer| trailer.footer_crc);
        Self {
            number,
            class,
            bytes,
            footer_crc,
            is_sound: true,
            spans: Vec::new(),
            claims: Vec::new(),
            report,
        }
    }

    /// A whole frame, which is a span of its own.
    fn push(&mut self, frame: &Span) {
        match self.spans.last_mut().filter(|span| {
            (span.shard, span.end, span.end_offset) == (frame.shard, frame.first, frame.offset)
        }) {
            Some(span) => {
                (span.end, span.newest, span.end_offset) = (frame.end, frame.newest, frame.end_offset);
            }
            None => self.spans.push(*frame),
        }
        // Of a frame by itself the newest is its own.
        self.report.oldest = Some(self.report.oldest.map_or(frame.newest, |oldest| oldest.min(frame.newest)));
    }

    fn finish(&mut self, footer: Option<&Footer>) {
        let report = &mut self.report;
        let count = |first: Position, end: Position| end.0 - first.0;
        if let Some(footer) = footer {
            report.runs = footer.runs.len();
            report.records = footer.runs.iter().map(|run| count(run.first, run.end)).sum();
            report.newest = footer.runs.iter().map(|run| run.newest).max();
        } else {
            report.runs = self.spans.len();
            report.records = self.spans.iter().map(|span| count(span.first, span.end)).sum();
            report.newest = self.spans.iter().map(|span| span.newest).max();
        }
        report.live = !self.spans.is_empty();
    }
}

/// Finds whole frames.
struct Frames<'a> {
    walk: Walk<'a>,
    /// Whose they must be; any shard's if none.
    shard: Option<LogShard>,
}

impl Frames<'_> {
    /// The first whole frame from `offset` on with positions from `next` on that end at `end` or before. Usually that is
    /// the one at `offset`; after damage it is looked for byte by byte.
    fn from(&mut self, mut offset: u64, next: Position, end: Position) -> io::Result<Option<Span>> {
        loop {
            let left = self.walk.at(offset, frame::HEADER as u64)?;
            if left.len() < frame::HEADER {
                return Ok(None);
            }
            let fits = |header: &FrameHeader| {
                self.shard.is_none_or(|shard| shard == header.shard)
                    && header.first >= next
                    && header.end() <= end
            };
            if let Some(header) = FrameHeader::decode(left).filter(fits) {
                if !self.is_whole(offset, &header)? {
                    // Its header says where the next one is, which no record's bytes can.
                    offset += header.bytes();
                    continue;
                }
                return Ok(Some(Span {
                    shard: header.shard,
                    first: header.first,
                    end: header.end(),
                    newest: header.timestamp,
                    offset,
                    end_offset: offset + header.bytes(),
                }));
            }
            offset += 1;
        }
    }

    fn is_whole(&mut self, offset: u64, header: &FrameHeader) -> io::Result<bool> {
        let bytes = self.walk.at(offset, header.bytes())?;
        let whole = bytes.len() as u64 == header.bytes();
        Ok(whole && bytes.get(frame::HEADER..).is_some_and(|body| crc32c::crc32c(body) == header.crc))
    }
}
