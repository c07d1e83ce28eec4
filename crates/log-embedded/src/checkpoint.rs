//! Checkpoints: what a start needs to know beyond the WAL's newest part; `docs/formats/checkpoint.md` is their format.

use crate::bytes::{bytes_at, u16_at, u32_at, u64_at};
use crate::caps;
use crate::names;
use crate::segment::footer::{class, hours};
use millstream_host::disk::{Disk, OpenMode};
use millstream_log::RetentionClass;
use millstream_types::{LogShard, Position, Timestamp};
use std::io;

/// The checkpoints' directory below the data directory.
pub(crate) const DIRECTORY: &str = "checkpoint";
pub(crate) const VERSION: u16 = 1;

const MAGIC: [u8; 4] = *b"MSCK";
pub(crate) const HEADER: usize = 64;
const SHARD: usize = 40;
const SEGMENT: usize = 24;

pub(crate) fn name(number: u32) -> String {
    format!("{DIRECTORY}/{number:010}.ckp")
}

/// Where the WAL goes on after what segments hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Resume {
    /// The newest group whose batches are in segments.
    pub(crate) group: u64,
    /// The WAL file that was written then, and where the next group would start in it.
    pub(crate) file: u32,
    pub(crate) salt: u64,
    pub(crate) offset: u64,
}

/// A shard as of that group.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ShardLine {
    pub(crate) shard: LogShard,
    pub(crate) class: RetentionClass,
    pub(crate) earliest: Position,
    pub(crate) next: Position,
    pub(crate) newest: Option<Timestamp>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Checkpoint {
    pub(crate) number: u32,
    pub(crate) resume: Resume,
    /// Sorted by shard.
    pub(crate) shards: Vec<ShardLine>,
    /// Number, bytes, CRC of the footer; sorted by number.
    pub(crate) segments: Vec<(u32, u64, u32)>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum BadCheckpoint {
    #[error("the checkpoint cannot be read")]
    Damaged,
    #[error("the checkpoint is of version {0}, which this Millstream does not know")]
    Version(u16),
}

impl ShardLine {
    fn encode(&self, into: &mut Vec<u8>) {
        into.extend_from_slice(&self.shard.0.to_le_bytes());
        into.extend_from_slice(&hours(self.class).to_le_bytes());
        into.extend_from_slice(&u32::from(self.newest.is_some()).to_le_bytes());
        into.extend_from_slice(&self.earliest.0.to_le_bytes());
        into.extend_from_slice(&self.next.0.to_le_bytes());
        into.extend_from_slice(&self.newest.unwrap_or_default().millis().to_le_bytes());
    }

    fn decode(bytes: &[u8]) -> Option<Self> {
        let newest = Timestamp::from_millis(u64_at(bytes, 32)?);
        let line = Self {
            shard: LogShard(u64_at(bytes, 0)?),
            class: class(u32_at(bytes, 8)?),
            newest: (u32_at(bytes, 12)? != 0).then_some(newest),
            earliest: Position(u64_at(bytes, 16)?),
            next: Position(u64_at(bytes, 24)?),
        };
        (line.earliest <= line.next).then_some(line)
    }
}

impl Checkpoint {
    pub(crate) fn encode(&self) -> Vec<u8> {
        let count =
            |len: usize| u32::try_from(len).expect("caps bound shards and segments far below 4 billion");
        let (shards, segments) = (count(self.shards.len()), count(self.segments.len()));
        let mut bytes = vec![0; HEADER];
        for shard in &self.shards {
            shard.encode(&mut bytes);
        }
        for (number, size, crc) in &self.segments {
            bytes.extend_from_slice(&number.to_le_bytes());
            bytes.extend_from_slice(&crc.to_le_bytes());
            bytes.extend_from_slice(&size.to_le_bytes());
            bytes.extend_from_slice(&[0; 8]);
        }
        let body_crc = crc32c::crc32c(&bytes[HEADER..]);
        bytes[0..4].copy_from_slice(&MAGIC);
        bytes[4..6].copy_from_slice(&VERSION.to_le_bytes());
        bytes[8..12].copy_from_slice(&self.number.to_le_bytes());
        bytes[12..16].copy_from_slice(&self.resume.file.to_le_bytes());
        bytes[16..24].copy_from_slice(&self.resume.group.to_le_bytes());
        bytes[24..32].copy_from_slice(&self.resume.salt.to_le_bytes());
        bytes[32..40].copy_from_slice(&self.resume.offset.to_le_bytes());
        bytes[40..44].copy_from_slice(&shards.to_le_bytes());
        bytes[44..48].copy_from_slice(&segments.to_le_bytes());
        bytes[56..60].copy_from_slice(&body_crc.to_le_bytes());
        let crc = crc32c::crc32c(&bytes[..60]);
        bytes[60..64].copy_from_slice(&crc.to_le_bytes());
        bytes
    }

    pub(crate) fn decode(bytes: &[u8], number: u32) -> Result<Self, BadCheckpoint> {
        Self::parse(bytes, number).unwrap_or(Err(BadCheckpoint::Damaged))
    }

    fn parse(bytes: &[u8], number: u32) -> Option<Result<Self, BadCheckpoint>> {
        if bytes_at::<4>(bytes, 0)? != MAGIC || u32_at(bytes, 60)? != crc32c::crc32c(bytes.get(..60)?) {
            return None;
        }
        let version = u16_at(bytes, 4)?;
        if version != VERSION {
            return Some(Err(BadCheckpoint::Version(version)));
        }
        let body = &bytes[HEADER..];
        let (shards, segments) = (u32_at(bytes, 40)? as usize, u32_at(bytes, 44)? as usize);
        let sizes = shards.checked_mul(SHARD)?.checked_add(segments.checked_mul(SEGMENT)?)?;
        let whole =
            body.len() == sizes && u32_at(bytes, 8)? == number && crc32c::crc32c(body) == u32_at(bytes, 56)?;
        if !whole {
            return None;
        }
        let (shards, segments) = body.split_at_checked(shards * SHARD)?;
        let shards: Vec<_> = shards.chunks_exact(SHARD).map(ShardLine::decode).collect::<Option<_>>()?;
        let segment = |bytes: &[u8]| Some((u32_at(bytes, 0)?, u64_at(bytes, 8)?, u32_at(bytes, 4)?));
        let segments: Vec<_> = segments.chunks_exact(SEGMENT).map(segment).collect::<Option<_>>()?;
        let sorted =
            shards.is_sorted_by(|a, b| a.shard < b.shard) && segments.is_sorted_by(|(a, ..), (b, ..)| a < b);
        let resume = Resume {
            group: u64_at(bytes, 16)?,
            file: u32_at(bytes, 12)?,
            salt: u64_at(bytes, 24)?,
            offset: u64_at(bytes, 32)?,
        };
        sorted.then_some(Ok(Self { number, resume, shards, segments }))
    }

    /// Write it under a temporary name, durably: nothing names its segments yet.
    pub(crate) fn prepare(&self, disk: &dyn Disk) -> io::Result<()> {
        let bytes = self.encode();
        if bytes.len() as u64 > caps::CHECKPOINT_BYTES {
            return Err(io::Error::new(
                io::ErrorKind::FileTooLarge,
                "too many shards and segments for a checkpoint",
            ));
        }
        let temporary = format!("{DIRECTORY}/{:010}.tmp", self.number);
        names::remove_if_there(disk, &temporary)?;
        let file = disk.open(&temporary, OpenMode::CreateNew)?;
        let written = file.write_all_at(0, &[&bytes]).and_then(|()| file.sync_data());
        if let Err(error) = written {
            if let Err(second) = disk.remove(&temporary) {
                tracing::debug!(%second, temporary, "an unfinished checkpoint stays until the next start");
            }
            return Err(error);
        }
        Ok(())
    }
}

/// Give a prepared checkpoint its name. It is durable when this returns `Ok`; after an error it may or may not be the
/// newest one of the next start.
pub(crate) fn publish(disk: &dyn Disk, number: u32) -> io::Result<()> {
    disk.rename(&format!("{DIRECTORY}/{number:010}.tmp"), &name(number))?;
    disk.sync_dir(DIRECTORY)
}

/// Why there is no checkpoint to begin with.
#[derive(Debug, thiserror::Error)]
pub(crate) enum LoadError {
    #[error(transparent)]
    Io(#[from] io::Error),
    #[error("{file}: {error}")]
    Bad { file: String, error: BadCheckpoint },
}

/// The numbers of the checkpoints that are there, the newest last.
pub(crate) fn list(disk: &dyn Disk) -> io::Result<Vec<u32>> {
    let names = disk.list(DIRECTORY)?;
    Ok(names.iter().filter_map(|name| names::number(name, ".ckp")).collect())
}

/// The newest checkpoint, if there is any. Nothing is changed.
pub(crate) fn load(disk: &dyn Disk) -> Result<Option<Checkpoint>, LoadError> {
    let Some(number) = list(disk)?.pop() else { return Ok(None) };
    let file = disk.open(&name(number), OpenMode::Read)?;
    let len = file.len()?;
    let bad = |error| LoadError::Bad { file: name(number), error };
    if len > caps::CHECKPOINT_BYTES {
        return Err(bad(BadCheckpoint::Damaged));
    }
    let mut bytes = vec![0; usize::try_from(len).map_err(io::Error::other)?];
    file.read_exact_at(0, &mut bytes)?;
    Checkpoint::decode(&bytes, number).map(Some).map_err(bad)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample() -> Checkpoint {
        let line = |shard, newest| ShardLine {
            shard: LogShard(shard),
            class: RetentionClass::Hours(24),
            earliest: Position(2),
            next: Position(9),
            newest,
        };
        Checkpoint {
            number: 12,
            resume: Resume { group: 7, file: 3, salt: 99, offset: 8_192 },
            shards: vec![line(0, None), line(5, Some(Timestamp::from_millis(44)))],
            segments: vec![(1, 500, 7), (4, 600, 8)],
        }
    }

    #[test]
    fn a_checkpoint_reads_back() {
        let checkpoint = sample();
        assert_eq!(Checkpoint::decode(&checkpoint.encode(), 12), Ok(checkpoint.clone()));
        assert_eq!(Checkpoint::decode(&checkpoint.encode(), 13), Err(BadCheckpoint::Damaged));
    }

    #[test]
    fn no_flipped_bit_and_no_lost_byte_goes_unseen() {
        let bytes = sample().encode();
        for bit in 0..bytes.len() * 8 {
            let mut damaged = bytes.clone();
            damaged[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(Checkpoint::decode(&damaged, 12), Err(BadCheckpoint::Damaged), "bit {bit}");
        }
        for len in 0..bytes.len() {
            assert_eq!(Checkpoint::decode(&bytes[..len], 12), Err(BadCheckpoint::Damaged), "{len} bytes");
        }
    }

    #[test]
    fn a_whole_checkpoint_of_another_version_says_which() {
        let mut bytes = sample().encode();
        bytes[4] = 2;
        let crc = crc32c::crc32c(&bytes[..60]);
        bytes[60..64].copy_from_slice(&crc.to_le_bytes());
        assert_eq!(Checkpoint::decode(&bytes, 12), Err(BadCheckpoint::Version(2)));
    }
}
