//! The flush: what the WAL holds goes into segments, sorted by shard, and a checkpoint says so.

use crate::Shared;
use crate::caps;
use crate::checkpoint::{self, Checkpoint, Resume, ShardLine};
use crate::names;
use crate::reader::Unread;
use crate::runs::Run;
use crate::segment;
use crate::segment::footer::RunEntry;
use crate::segment::table::Line;
use crate::segment::write::{SegmentWriter, Written};
use crate::shard::Shard;
use crate::stats::Counters;
use crate::wal::files;
use crate::wal::pool::{Pool, TakenIn};
use millstream_host::disk::{Disk, OpenMode};
use millstream_log::RetentionClass;
use millstream_types::{LogShard, Position};
use std::collections::BTreeMap;
use std::io;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

/// The log as of one group: what a flush has to bring to segments.
#[derive(Debug)]
pub(crate) struct Cut {
    pub(crate) resume: Resume,
    /// Bytes written to the WAL so far, by the writer's count.
    pub(crate) written: u64,
    pub(crate) shards: Vec<(Arc<Shard>, ShardLine)>,
}

/// Why a flush did not come to its end. What it was to bring to segments is in the WAL still.
#[derive(Debug, thiserror::Error)]
pub(crate) enum FlushError {
    #[error(transparent)]
    Disk(#[from] io::Error),
    #[error("reading the WAL back: {0}")]
    Read(#[from] Unread),
}

/// Does what may take long: flushes, and gives space back. One flush at a time, by one owner.
#[derive(Debug)]
pub(crate) struct Worker {
    pub(crate) shared: Arc<Shared>,
    pub(crate) disk: Arc<dyn Disk>,
    pub(crate) pool: Arc<Pool>,
    pub(crate) abort: Arc<AtomicBool>,
    pub(crate) next_segment: u32,
    pub(crate) next_checkpoint: u32,
    /// The oldest WAL file.
    pub(crate) oldest_wal: u32,
    /// Segments of a flush that failed last. A checkpoint that may be durable, for all that is known, names them.
    pub(crate) orphans: Vec<u32>,
    /// Whether the disk cannot give parts of files back.
    pub(crate) no_holes: bool,
}

/// Shards of like retention share segments, so that their data goes at about the same time. The bounds are steps of a
/// stream's retention that people choose: a day, two, a week, a month, a year.
pub(crate) fn bucket(class: RetentionClass) -> RetentionClass {
    const BOUNDS: [u32; 5] = [24, 48, 168, 744, 8_760];
    match class {
        RetentionClass::Forever => RetentionClass::Forever,
        RetentionClass::Hours(hours) => {
            RetentionClass::Hours(BOUNDS.into_iter().find(|bound| hours <= *bound).unwrap_or(hours))
        }
    }
}

impl Worker {
    /// Bring the cut to segments, name them in a checkpoint, and reuse the WAL's files. After an error the log is as it
    /// was, and the next flush starts over with new names.
    pub(crate) fn flush(&mut self, mut cut: Cut) -> Result<(), FlushError> {
        cut.shards.sort_unstable_by_key(|(_, line)| line.shard);
        self.retract()?;
        let (written, result) = self.write_segments(&cut);
        let result = result.and_then(|()| {
            if !written.is_empty() {
                self.disk.sync_dir(segment::DIRECTORY)?;
            }
            self.prepare_checkpoint(&cut, &written)
        });
        let numbers = written.iter().map(|written| written.trailer.number);
        let dead = match result {
            Ok(dead) => dead,
            Err(error) => {
                // No checkpoint names them: their room is needed.
                numbers.for_each(|number| self.remove(&segment::name(number)));
                return Err(error);
            }
        };
        if let Err(error) = checkpoint::publish(&*self.disk, self.next_checkpoint - 1) {
            // It may be the newest one of the next start, for all that is known.
            self.orphans.extend(numbers);
            return Err(error.into());
        }
        self.publish(&cut, &written);
        self.shared.segments.disown(&dead);
        self.shared.flush.done(cut.written);
        Counters::add(&self.shared.counters.flushes, 1);
        self.tidy();
        self.recycle(cut.resume.file);
        Ok(())
    }

    /// Take back the checkpoint of a flush that failed, if it is there, so that nothing names that flush's segments.
    fn retract(&mut self) -> Result<(), FlushError> {
        if self.orphans.is_empty() {
            return Ok(());
        }
        names::remove_if_there(&*self.disk, &checkpoint::name(self.next_checkpoint - 1))?;
        self.disk.sync_dir(checkpoint::DIRECTORY)?;
        for number in std::mem::take(&mut self.orphans) {
            self.remove(&segment::name(number));
        }
        Ok(())
    }

    fn write_segments(&mut self, cut: &Cut) -> (Vec<Written>, Result<(), FlushError>) {
        let mut classes: BTreeMap<RetentionClass, Vec<&(Arc<Shard>, ShardLine)>> = BTreeMap::new();
        for shard in &cut.shards {
            classes.entry(bucket(shard.1.class)).or_default().push(shard);
        }
        let mut all = Vec::new();
        for (class, shards) in classes {
            let number = self.next_segment;
            match self.write_segment(number, class, &shards) {
                Ok(None) => {}
                Ok(Some(written)) => {
                    self.next_segment += 1;
                    all.push(written);
                }
                Err(error) => {
                    // A rename that was reported to have failed may have happened.
                    self.next_segment += 1;
                    self.remove(&segment::name(number));
                    return (all, Err(error));
                }
            }
        }
        (all, Ok(()))
    }

    /// Nothing is written if these shards have nothing new.
    fn write_segment(
        &self,
        number: u32,
        class: RetentionClass,
        shards: &[&(Arc<Shard>, ShardLine)],
    ) -> Result<Option<Written>, FlushError> {
        let mut writer = None;
        for (shard, line) in shards {
            if let Err(error) = self.write_run(&mut writer, number, class, shard, line.next) {
                if let Some(writer) = writer {
                    writer.discard();
                }
                return Err(error);
            }
        }
        Ok(writer.map(SegmentWriter::finish).transpose()?)
    }

    /// All batches of a shard that are in no segment, up to a position. The file is begun with the first one.
    fn write_run<'a>(
        &'a self,
        writer: &mut Option<SegmentWriter<'a>>,
        number: u32,
        class: RetentionClass,
        shard: &Shard,
        upto: Position,
    ) -> Result<(), FlushError> {
        let mut next = Position::ZERO;
        loop {
            let sources = shard.unflushed(next, upto);
            for stored in self.shared.reader.fetch_all(shard.id, &sources)? {
                let writer = match writer {
                    Some(writer) => writer,
                    None => writer.insert(SegmentWriter::begin(&*self.disk, &self.abort, number, class)?),
                };
                writer.push(shard.id, &stored)?;
                next = stored.end();
            }
            if sources.is_empty() {
                return Ok(());
            }
        }
    }

    /// Returns the segments that the checkpoint leaves out, as nothing of them is left.
    fn prepare_checkpoint(&mut self, cut: &Cut, written: &[Written]) -> Result<Vec<u32>, FlushError> {
        let (named, dead) = self.shared.segments.named();
        let mut segments: Vec<_> =
            named.into_iter().map(|(number, line)| (number, line.bytes, line.footer_crc)).collect();
        segments.extend(written.iter().map(|written| {
            let trailer = &written.trailer;
            (trailer.number, trailer.file_bytes(), trailer.footer_crc)
        }));
        let number = self.next_checkpoint;
        self.next_checkpoint += 1;
        let shards = cut.shards.iter().map(|(_, line)| *line).collect();
        Checkpoint { number, resume: cut.resume, shards, segments }.prepare(&*self.disk)?;
        Ok(dead)
    }

    /// Let readers find in segments what they found in the WAL.
    fn publish(&self, cut: &Cut, written: &[Written]) {
        for Written { trailer, runs } in written {
            let line = Line {
                bytes: trailer.file_bytes(),
                footer_crc: trailer.footer_crc,
                live: trailer.runs,
                freed: 0,
            };
            self.shared.segments.add(trailer.number, line);
            for entry in runs {
                let Ok(at) = cut.shards.binary_search_by_key(&entry.shard, |(_, line)| line.shard) else {
                    continue;
                };
                if let Some(dead) = cut.shards[at].0.flushed(run_of(trailer.number, entry)) {
                    self.shared.segments.release(entry.shard, &[dead]);
                }
            }
        }
    }

    /// Remove older checkpoints. What stays is removed after the next flush.
    fn tidy(&self) {
        let newest = self.next_checkpoint - 1;
        let older = checkpoint::list(&*self.disk).unwrap_or_else(|error| {
            tracing::debug!(%error, "old checkpoints stay for now");
            Vec::new()
        });
        for number in older.into_iter().filter(|number| *number < newest) {
            self.remove(&checkpoint::name(number));
        }
    }

    fn remove(&self, name: &str) {
        match self.disk.remove(name) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                tracing::warn!(%error, name, "a file that is no longer needed stays until the next start");
            }
            Ok(()) | Err(_) => {}
        }
    }

    /// The files before this one hold nothing that is not in segments: they are written anew, or removed.
    fn recycle(&mut self, before: u32) {
        for number in self.oldest_wal..before {
            match self.pool.take_in(&*self.disk, &files::name(number), number) {
                Ok(TakenIn { kept: true, .. }) => {}
                Ok(TakenIn { bytes, .. }) => Counters::subtract(&self.shared.counters.wal_bytes, bytes),
                Err(error) => tracing::warn!(%error, number, "a WAL file stays until the next start"),
            }
            // After it lost its name, so that no reader opens it again.
            self.shared.reader.wal.forget(number);
        }
        self.oldest_wal = before;
    }

    /// Give back what segments hold of records that are gone.
    pub(crate) fn sweep(&mut self) {
        for number in self.shared.segments.take_garbage() {
            self.remove(&segment::name(number));
            // After it lost its name, so that no reader opens it again.
            self.shared.reader.segments.forget(number);
        }
        for (number, shards) in self.shared.segments.take_holes() {
            if self.no_holes {
                continue;
            }
            match self.punch(number, &shards) {
                Ok(bytes) => self.shared.segments.freed(number, bytes),
                Err(error) if error.kind() == io::ErrorKind::Unsupported => {
                    tracing::info!("this file system gives back whole segments only");
                    self.no_holes = true;
                }
                Err(error) => {
                    tracing::debug!(%error, number, "dead records keep their space for now");
                    self.shared.segments.still_holes(number, shards);
                }
            }
        }
    }

    /// Returns the bytes given back. Neighbours are given back together: whole blocks only can be.
    fn punch(&self, number: u32, shards: &[LogShard]) -> io::Result<u64> {
        let footer = self.shared.reader.segments.footer(number).map_err(io::Error::other)?;
        let mut ranges: Vec<(u64, u64)> = shards
            .iter()
            .filter_map(|shard| footer.run(*shard))
            .map(|run| (run.offset, run.end_offset()))
            .collect();
        ranges.sort_unstable();
        ranges.dedup_by(|next, before| {
            let joined = next.0 <= before.1;
            if joined {
                before.1 = before.1.max(next.1);
            }
            joined
        });
        let mut file = None;
        let mut bytes = 0;
        for (start, end) in ranges {
            let (start, end) = (start.next_multiple_of(caps::HOLE_BYTES), end - end % caps::HOLE_BYTES);
            if start >= end {
                continue;
            }
            if file.is_none() {
                file = Some(self.disk.open(&segment::name(number), OpenMode::ReadWrite)?);
            }
            if let Some(file) = &file {
                file.punch_hole(start, end - start)?;
                bytes += end - start;
            }
        }
        Ok(bytes)
    }
}

pub(crate) fn run_of(segment: u32, entry: &RunEntry) -> Run {
    let count = u32::try_from(entry.end.0 - entry.first.0).unwrap_or(u32::MAX);
    Run { first: entry.first, newest: entry.newest, segment, count }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn classes_share_segments_by_the_steps_of_retention() {
        let hours = RetentionClass::Hours;
        assert_eq!(bucket(RetentionClass::Forever), RetentionClass::Forever);
        assert_eq!(bucket(hours(24)), hours(24));
        assert_eq!(bucket(hours(25)), hours(48));
        assert_eq!(bucket(hours(8_760)), hours(8_760));
    }
}
