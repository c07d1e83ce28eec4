use super::VERSION;
use crate::bytes::{bytes_at, u16_at, u32_at, u64_at};
use millstream_log::RetentionClass;
use millstream_types::{LogShard, Position, Timestamp};

/// Bytes of the header at a segment's start, and of the trailer at its end.
pub(crate) const HEADER: usize = 64;
pub(crate) const TRAILER: usize = 64;

const HEADER_MAGIC: [u8; 4] = *b"MSSH";
const TRAILER_MAGIC: [u8; 4] = *b"MSST";
const RUN: usize = 64;
const MARK: usize = 24;

/// All that a segment has of one shard: batches with dense positions, one after the other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct RunEntry {
    pub(crate) shard: LogShard,
    pub(crate) first: Position,
    /// The position after its last record.
    pub(crate) end: Position,
    /// Of its last batch; timestamps of a shard never fall.
    pub(crate) newest: Timestamp,
    /// Where its first frame starts in the file.
    pub(crate) offset: u64,
    /// Bytes of its frames.
    pub(crate) length: u64,
    /// Its marks in the footer.
    pub(crate) marks: (u32, u32),
}

/// A place inside a run, about every 64 KiB: reads start at the nearest one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Mark {
    pub(crate) first: Position,
    pub(crate) timestamp: Timestamp,
    /// Of the batch's frame in the file.
    pub(crate) offset: u64,
}

/// What a segment says of its contents.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Footer {
    /// Sorted by shard, each shard once.
    pub(crate) runs: Vec<RunEntry>,
    pub(crate) marks: Vec<Mark>,
}

/// The last bytes of a segment: where its footer is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Trailer {
    pub(crate) number: u32,
    pub(crate) class: RetentionClass,
    pub(crate) runs: u32,
    pub(crate) marks: u32,
    pub(crate) footer_offset: u64,
    pub(crate) footer_crc: u32,
}

/// Hours, 0 for ever: how a retention class is written down.
pub(crate) fn hours(class: RetentionClass) -> u32 {
    match class {
        RetentionClass::Forever => 0,
        RetentionClass::Hours(hours) => hours,
    }
}

pub(crate) fn class(hours: u32) -> RetentionClass {
    if hours == 0 { RetentionClass::Forever } else { RetentionClass::Hours(hours) }
}

/// A segment's first bytes.
pub(crate) fn header(number: u32) -> [u8; HEADER] {
    let mut bytes = [0; HEADER];
    bytes[0..4].copy_from_slice(&HEADER_MAGIC);
    bytes[4..6].copy_from_slice(&VERSION.to_le_bytes());
    bytes[16..20].copy_from_slice(&number.to_le_bytes());
    let crc = crc32c::crc32c(&bytes[..60]);
    bytes[60..64].copy_from_slice(&crc.to_le_bytes());
    bytes
}

impl RunEntry {
    fn encode(&self, into: &mut Vec<u8>) {
        let numbers = [
            self.shard.0,
            self.first.0,
            self.end.0,
            self.newest.millis(),
            self.offset,
            self.length,
            u64::from(self.marks.0),
            u64::from(self.marks.1),
        ];
        for number in numbers {
            into.extend_from_slice(&number.to_le_bytes());
        }
    }

    fn decode(bytes: &[u8]) -> Option<Self> {
        let marks = (u32::try_from(u64_at(bytes, 48)?).ok()?, u32::try_from(u64_at(bytes, 56)?).ok()?);
        Some(Self {
            shard: LogShard(u64_at(bytes, 0)?),
            first: Position(u64_at(bytes, 8)?),
            end: Position(u64_at(bytes, 16)?),
            newest: Timestamp::from_millis(u64_at(bytes, 24)?),
            offset: u64_at(bytes, 32)?,
            length: u64_at(bytes, 40)?,
            marks,
        })
    }

    /// Where its last frame ends in the file.
    pub(crate) fn end_offset(&self) -> u64 {
        self.offset.saturating_add(self.length)
    }
}

impl Footer {
    pub(crate) fn encode(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(self.runs.len() * RUN + self.marks.len() * MARK);
        for run in &self.runs {
            run.encode(&mut bytes);
        }
        for mark in &self.marks {
            for number in [mark.first.0, mark.timestamp.millis(), mark.offset] {
                bytes.extend_from_slice(&number.to_le_bytes());
            }
        }
        bytes
    }

    /// `bytes` are the footer's, as many as the trailer says.
    pub(crate) fn decode(bytes: &[u8], trailer: &Trailer) -> Option<Self> {
        if u64::try_from(bytes.len()).ok()? != trailer.footer_bytes() {
            return None;
        }
        if crc32c::crc32c(bytes) != trailer.footer_crc {
            return None;
        }
        let (runs, marks) = bytes.split_at_checked(trailer.runs as usize * RUN)?;
        let runs: Option<Vec<_>> = runs.chunks_exact(RUN).map(RunEntry::decode).collect();
        let marks = marks.chunks_exact(MARK).map(|bytes| {
            Some(Mark {
                first: Position(u64_at(bytes, 0)?),
                timestamp: Timestamp::from_millis(u64_at(bytes, 8)?),
                offset: u64_at(bytes, 16)?,
            })
        });
        let footer = Self { runs: runs?, marks: marks.collect::<Option<_>>()? };
        footer.is_sound(trailer).then_some(footer)
    }

    /// What a writer keeps to: later code need not ask again.
    fn is_sound(&self, trailer: &Trailer) -> bool {
        let sorted = self.runs.is_sorted_by(|a, b| a.shard < b.shard);
        let inside = self.runs.iter().all(|run| {
            let marks = (run.marks.0 as usize).checked_add(run.marks.1 as usize);
            run.first < run.end
                && run.offset >= HEADER as u64
                && run.end_offset() <= trailer.footer_offset
                && marks.is_some_and(|end| end <= self.marks.len())
                && self.marks_of(run).iter().all(|mark| mark.offset < run.end_offset())
        });
        sorted && inside
    }

    pub(crate) fn run(&self, shard: LogShard) -> Option<&RunEntry> {
        let at = self.runs.binary_search_by_key(&shard, |run| run.shard).ok()?;
        self.runs.get(at)
    }

    pub(crate) fn marks_of(&self, run: &RunEntry) -> &[Mark] {
        let (start, count) = (run.marks.0 as usize, run.marks.1 as usize);
        self.marks.get(start..start.saturating_add(count)).unwrap_or_default()
    }

    /// Bytes in memory.
    pub(crate) fn cost(&self) -> usize {
        self.runs.len() * size_of::<RunEntry>() + self.marks.len() * size_of::<Mark>() + 128
    }
}

impl Trailer {
    pub(crate) fn encode(&self) -> [u8; TRAILER] {
        let mut bytes = [0; TRAILER];
        bytes[0..4].copy_from_slice(&TRAILER_MAGIC);
        bytes[4..6].copy_from_slice(&VERSION.to_le_bytes());
        bytes[8..12].copy_from_slice(&hours(self.class).to_le_bytes());
        bytes[16..20].copy_from_slice(&self.number.to_le_bytes());
        bytes[20..24].copy_from_slice(&self.runs.to_le_bytes());
        bytes[24..28].copy_from_slice(&self.marks.to_le_bytes());
        bytes[32..40].copy_from_slice(&self.footer_offset.to_le_bytes());
        bytes[40..44].copy_from_slice(&self.footer_crc.to_le_bytes());
        let crc = crc32c::crc32c(&bytes[..60]);
        bytes[60..64].copy_from_slice(&crc.to_le_bytes());
        bytes
    }

    /// # Errors
    /// The version, if the trailer is whole and of one that this program does not know; 0 if it is not whole.
    pub(crate) fn decode(bytes: &[u8; TRAILER]) -> Result<Self, u16> {
        let whole = bytes_at::<4>(bytes, 0) == Some(TRAILER_MAGIC)
            && u32_at(bytes, 60) == Some(crc32c::crc32c(&bytes[..60]));
        if !whole {
            return Err(0);
        }
        let fields = || {
            Some(Self {
                number: u32_at(bytes, 16)?,
                class: class(u32_at(bytes, 8)?),
                runs: u32_at(bytes, 20)?,
                marks: u32_at(bytes, 24)?,
                footer_offset: u64_at(bytes, 32)?,
                footer_crc: u32_at(bytes, 40)?,
            })
        };
        match u16_at(bytes, 4) {
            Some(VERSION) => fields().ok_or(0),
            version => Err(version.unwrap_or_default()),
        }
    }

    pub(crate) fn footer_bytes(&self) -> u64 {
        u64::from(self.runs) * RUN as u64 + u64::from(self.marks) * MARK as u64
    }

    /// Of the whole segment.
    pub(crate) fn file_bytes(&self) -> u64 {
        self.footer_offset.saturating_add(self.footer_bytes()).saturating_add(TRAILER as u64)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample() -> (Footer, Trailer) {
        let run = |shard, offset, marks| RunEntry {
            shard: LogShard(shard),
            first: Position(5),
            end: Position(9),
            newest: Timestamp::from_millis(77),
            offset,
            length: 100,
            marks,
        };
        let mark = Mark { first: Position(7), timestamp: Timestamp::from_millis(70), offset: 120 };
        let footer = Footer { runs: vec![run(1, 64, (0, 1)), run(4, 164, (1, 0))], marks: vec![mark] };
        let trailer = Trailer {
            number: 3,
            class: RetentionClass::Hours(24),
            runs: 2,
            marks: 1,
            footer_offset: 264,
            footer_crc: crc32c::crc32c(&footer.encode()),
        };
        (footer, trailer)
    }

    #[test]
    fn footer_and_trailer_read_back() {
        let (footer, trailer) = sample();
        assert_eq!(Trailer::decode(&trailer.encode()), Ok(trailer));
        assert_eq!(Footer::decode(&footer.encode(), &trailer), Some(footer.clone()));
        assert_eq!(footer.run(LogShard(4)).map(|run| run.offset), Some(164));
        assert_eq!(footer.run(LogShard(2)), None);
        assert_eq!(trailer.file_bytes(), 264 + 2 * 64 + 24 + 64);
    }

    #[test]
    fn no_flipped_bit_goes_unseen() {
        let (footer, trailer) = sample();
        let bytes = footer.encode();
        for bit in 0..bytes.len() * 8 {
            let mut damaged = bytes.clone();
            damaged[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(Footer::decode(&damaged, &trailer), None, "bit {bit}");
        }
        for bit in 0..TRAILER * 8 {
            let mut damaged = trailer.encode();
            damaged[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(Trailer::decode(&damaged), Err(0), "bit {bit}");
        }
    }

    #[test]
    fn a_whole_trailer_of_another_version_says_which() {
        let mut bytes = sample().1.encode();
        bytes[4] = 9;
        let crc = crc32c::crc32c(&bytes[..60]);
        bytes[60..].copy_from_slice(&crc.to_le_bytes());
        assert_eq!(Trailer::decode(&bytes), Err(9));
    }

    #[test]
    fn a_footer_that_points_outside_is_refused() {
        let (mut footer, mut trailer) = sample();
        footer.runs[1].length = 101;
        trailer.footer_crc = crc32c::crc32c(&footer.encode());
        assert_eq!(Footer::decode(&footer.encode(), &trailer), None);
    }
}
