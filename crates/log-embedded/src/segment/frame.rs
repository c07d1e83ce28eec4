use crate::bytes::{u32_at, u64_at};
use bytes::Bytes;
use millstream_log::{Batch, StoredBatch};
use millstream_types::{LogShard, Position, Timestamp};

/// Bytes before a batch.
pub(crate) const HEADER: usize = 40;

/// What stands before a batch in a segment. It has a checksum of its own: a length is believed only after it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct FrameHeader {
    pub(crate) shard: LogShard,
    pub(crate) first: Position,
    pub(crate) timestamp: Timestamp,
    /// Records, at least 1.
    pub(crate) count: u32,
    /// Bytes of the batch.
    pub(crate) length: u32,
    /// CRC-32C of the batch.
    pub(crate) crc: u32,
}

impl FrameHeader {
    pub(crate) fn of(shard: LogShard, stored: &StoredBatch) -> Self {
        let Batch { timestamp, count, ref body, crc } = stored.batch;
        let length = u32::try_from(body.len()).expect("admission bounds a call far below 4 GiB");
        Self { shard, first: stored.first, timestamp, count, length, crc }
    }

    pub(crate) fn encode(&self) -> [u8; HEADER] {
        let mut bytes = [0; HEADER];
        bytes[0..8].copy_from_slice(&self.shard.0.to_le_bytes());
        bytes[8..16].copy_from_slice(&self.first.0.to_le_bytes());
        bytes[16..24].copy_from_slice(&self.timestamp.millis().to_le_bytes());
        bytes[24..28].copy_from_slice(&self.count.to_le_bytes());
        bytes[28..32].copy_from_slice(&self.length.to_le_bytes());
        bytes[32..36].copy_from_slice(&self.crc.to_le_bytes());
        let crc = crc32c::crc32c(&bytes[..36]);
        bytes[36..40].copy_from_slice(&crc.to_le_bytes());
        bytes
    }

    /// The header at the start of `bytes`, if it is whole.
    pub(crate) fn decode(bytes: &[u8]) -> Option<Self> {
        if u32_at(bytes, 36)? != crc32c::crc32c(bytes.get(..36)?) {
            return None;
        }
        let header = Self {
            shard: LogShard(u64_at(bytes, 0)?),
            first: Position(u64_at(bytes, 8)?),
            timestamp: Timestamp::from_millis(u64_at(bytes, 16)?),
            count: u32_at(bytes, 24)?,
            length: u32_at(bytes, 28)?,
            crc: u32_at(bytes, 32)?,
        };
        let end = header.first.0.checked_add(u64::from(header.count));
        (header.count > 0 && end.is_some()).then_some(header)
    }

    /// Header and batch.
    pub(crate) fn bytes(&self) -> u64 {
        HEADER as u64 + u64::from(self.length)
    }

    pub(crate) fn end(&self) -> Position {
        self.first.plus(u64::from(self.count))
    }

    /// The batch behind the header that `bytes` starts with, if it is whole.
    pub(crate) fn batch(&self, bytes: &Bytes) -> Option<StoredBatch> {
        let end = HEADER.checked_add(self.length as usize).filter(|end| *end <= bytes.len())?;
        let Self { first, timestamp, count, crc, .. } = *self;
        let batch = Batch { timestamp, count, body: bytes.slice(HEADER..end), crc };
        batch.is_intact().then_some(StoredBatch { first, batch })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_frame_reads_back_and_no_flipped_bit_goes_unseen() {
        let stored = StoredBatch {
            first: Position(7),
            batch: Batch::single(Timestamp::from_millis(1_700_000_000_000), b"a record"),
        };
        let header = FrameHeader::of(LogShard(3), &stored);
        let mut bytes = header.encode().to_vec();
        bytes.extend_from_slice(&stored.batch.body);
        assert_eq!(FrameHeader::decode(&bytes), Some(header));
        assert_eq!(header.batch(&bytes.clone().into()), Some(stored));
        for bit in 0..bytes.len() * 8 {
            let mut damaged = bytes.clone();
            damaged[bit / 8] ^= 1 << (bit % 8);
            let whole = FrameHeader::decode(&damaged).and_then(|header| header.batch(&damaged.into()));
            assert_eq!(whole, None, "bit {bit}");
        }
    }
}
