//! Opening: checkpoint, WAL, segments, and what they say together.

use crate::checkpoint::{self, BadCheckpoint, Checkpoint, LoadError};
use crate::error::OpenError;
use crate::flush::run_of;
use crate::names;
use crate::segment::read::{FooterError, load_footer};
use crate::segment::table::{Line, Segments};
use crate::segment::{self, footer::Footer};
use crate::wal::files;
use crate::wal::recover::io_error;
use crate::wal::writer::Tracked;
use millstream_host::disk::{Disk, OpenMode};
use millstream_types::LogShard;
use rustc_hash::FxHashMap;
use std::collections::BTreeSet;
use std::io;
use std::sync::Arc;

/// The newest checkpoint, which is durable when this returns, and the number of the next one. `None` for a log that has
/// never flushed.
pub(crate) fn load_checkpoint(disk: &Arc<dyn Disk>) -> Result<(Option<Checkpoint>, u32), OpenError> {
    tidy(&**disk, checkpoint::DIRECTORY).map_err(io_error(&**disk, "tidying the checkpoints"))?;
    let checkpoint = checkpoint::load(&**disk).map_err(|error| match error {
        LoadError::Io(source) => io_error(&**disk, "reading the checkpoint")(source),
        LoadError::Bad { error: BadCheckpoint::Version(version), .. } => OpenError::Format {
            directory: disk.describe(),
            found: format!("2 with a checkpoint of version {version}"),
            supported: crate::directory::FORMAT_VERSION,
        },
        LoadError::Bad { file, error: BadCheckpoint::Damaged } => OpenError::Corrupt {
            directory: disk.describe(),
            file,
            offset: 0,
            group: 0,
            detail: BadCheckpoint::Damaged.to_string(),
        },
    })?;
    if checkpoint.is_none() {
        refuse_bare_segments(&**disk)?;
    }
    let next = checkpoint.as_ref().map_or(1, |checkpoint| checkpoint.number + 1);
    Ok((checkpoint, next))
}

/// Segments come after the first WAL file and before the first checkpoint. With neither of those, they are what is left
/// of a log, and not of a flush that did not come to its end.
fn refuse_bare_segments(disk: &dyn Disk) -> Result<(), OpenError> {
    let has = |directory, is: fn(&str) -> Option<u32>| -> Result<bool, OpenError> {
        let names = disk.list(directory).map_err(io_error(disk, format!("listing {directory}")))?;
        Ok(names.iter().any(|name| is(name).is_some()))
    };
    if has(segment::DIRECTORY, segment::number)? && !has(files::DIRECTORY, files::number)? {
        return Err(OpenError::MissingFile { directory: disk.describe(), file: files::name(1) });
    }
    Ok(())
}

/// Remove what was never finished, and make the names that are there durable: the process before may have died between
/// giving a name and that.
fn tidy(disk: &dyn Disk, directory: &str) -> io::Result<()> {
    for name in disk.list(directory)?.iter().filter(|name| names::is_temporary(name)) {
        disk.remove(&format!("{directory}/{name}"))?;
    }
    disk.sync_dir(directory)
}

/// Give the shards what segments hold of them, and forget the files that nothing names. Returns the number of the next
/// segment.
pub(crate) fn restore_segments(
    disk: &Arc<dyn Disk>,
    checkpoint: Option<&Checkpoint>,
    discarded: &BTreeSet<u32>,
    shards: &FxHashMap<LogShard, Tracked>,
    segments: &Segments,
) -> Result<u32, OpenError> {
    tidy(&**disk, segment::DIRECTORY).map_err(io_error(&**disk, "tidying the segments"))?;
    let named = checkpoint.map(|checkpoint| checkpoint.segments.as_slice()).unwrap_or_default();
    for (number, bytes, footer_crc) in named.iter().filter(|(number, ..)| !discarded.contains(number)) {
        let footer = open_segment(disk, *number, *bytes, *footer_crc)?;
        restore(*number, *bytes, *footer_crc, &footer, shards, segments).map_err(|shard| {
            OpenError::Corrupt {
                directory: disk.describe(),
                file: segment::name(*number),
                offset: 0,
                group: 0,
                detail: format!("it has records of {shard} beyond the shard's end"),
            }
        })?;
    }
    for tracked in shards.values() {
        if let Some(position) = tracked.shard.missing() {
            return Err(OpenError::Corrupt {
                directory: disk.describe(),
                file: segment::DIRECTORY.to_owned(),
                offset: 0,
                group: 0,
                detail: format!("no segment has the records of {} at {position}", tracked.shard.id),
            });
        }
    }
    let present = disk.list(segment::DIRECTORY).map_err(io_error(&**disk, "listing the segments"))?;
    let present: Vec<u32> = present.iter().filter_map(|name| segment::number(name)).collect();
    let known: BTreeSet<u32> =
        named.iter().map(|(number, ..)| *number).filter(|number| !discarded.contains(number)).collect();
    // Of flushes that did not come to their end, or discarded and not yet removed.
    for number in present.iter().filter(|number| !known.contains(number)) {
        let name = segment::name(*number);
        disk.remove(&name).map_err(io_error(&**disk, format!("removing {name}")))?;
    }
    let newest = [present.last(), named.last().map(|(number, ..)| number), discarded.last()];
    Ok(newest.into_iter().flatten().max().map_or(1, |number| number.saturating_add(1)))
}

fn open_segment(disk: &Arc<dyn Disk>, number: u32, bytes: u64, footer_crc: u32) -> Result<Footer, OpenError> {
    let name = segment::name(number);
    let corrupt = |detail: String| OpenError::Corrupt {
        directory: disk.describe(),
        file: segment::name(number),
        offset: 0,
        group: 0,
        detail,
    };
    let file = match disk.open(&name, OpenMode::Read) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            return Err(OpenError::MissingFile { directory: disk.describe(), file: name });
        }
        other => other.map_err(io_error(&**disk, format!("opening {name}")))?,
    };
    let (trailer, footer) = load_footer(&*file, number).map_err(|error| match error {
        FooterError::Io(source) => io_error(&**disk, format!("reading {name}"))(source),
        FooterError::Version(version) => OpenError::Format {
            directory: disk.describe(),
            found: format!("2 with a segment of version {version}"),
            supported: crate::directory::FORMAT_VERSION,
        },
        FooterError::Damaged(detail) => corrupt(detail.to_owned()),
    })?;
    if (trailer.file_bytes(), trailer.footer_crc) != (bytes, footer_crc) {
        return Err(corrupt("it is not the segment that the checkpoint means".to_owned()));
    }
    Ok(footer)
}

/// # Errors
/// A shard of which the segment has records that nobody wrote.
fn restore(
    number: u32,
    bytes: u64,
    footer_crc: u32,
    footer: &Footer,
    shards: &FxHashMap<LogShard, Tracked>,
    segments: &Segments,
) -> Result<(), LogShard> {
    let mut live = 0;
    let mut dead = Vec::new();
    for entry in &footer.runs {
        let run = run_of(number, entry);
        if shards.get(&entry.shard).is_some_and(|tracked| tracked.next < entry.end) {
            return Err(entry.shard);
        }
        let gone = shards.get(&entry.shard).is_none_or(|tracked| tracked.shard.restore(run).is_some());
        if gone { dead.push(entry.shard) } else { live += 1 }
    }
    segments.add(number, Line { bytes, footer_crc, live, freed: 0 });
    if live > 0 {
        for shard in dead {
            segments.hole(number, shard);
        }
    }
    Ok(())
}
