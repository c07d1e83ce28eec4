use bytes::{Buf, Bytes};
use millstream_types::{Position, SequenceNumber, ShardId, Timestamp};

/// A record as a reader gets it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    pub position: Position,
    pub sequence_number: SequenceNumber,
    /// Up to 256 Unicode characters; empty if the record has none.
    pub partition_key: String,
    pub data: Bytes,
    pub arrival: Timestamp,
    /// Whether it is encrypted where it is stored.
    pub encrypted: bool,
}

/// Version of the stored form, see `docs/formats/record.md`: version (u8), length of the partition key in bytes (u16,
/// little endian), partition key (UTF-8), data.
const VERSION: u8 = 1;

pub(crate) const HEADER: usize = 3;

/// The bytes before partition key and data; `None` if the key is longer than any key may be.
pub(crate) fn header(partition_key: &str) -> Option<[u8; HEADER]> {
    let [low, high] = u16::try_from(partition_key.len()).ok()?.to_le_bytes();
    Some([VERSION, low, high])
}

impl Record {
    /// `None` if the bytes are not a record that this version knows. Their checksum was right, so a newer one wrote them.
    pub(crate) fn decode(
        shard: ShardId,
        position: Position,
        arrival: Timestamp,
        mut bytes: Bytes,
    ) -> Option<Self> {
        let (&[version, low, high], rest) = bytes.split_first_chunk::<HEADER>()?;
        if version != VERSION {
            return None;
        }
        let key = rest.get(..usize::from(u16::from_le_bytes([low, high])))?;
        let partition_key = std::str::from_utf8(key).ok()?.to_owned();
        bytes.advance(HEADER + partition_key.len());
        let sequence_number = SequenceNumber::of_record(shard, position);
        Some(Self { position, sequence_number, partition_key, data: bytes, arrival, encrypted: false })
    }

    /// What counts towards limits on bytes: data and partition key.
    pub fn size(&self) -> usize {
        self.data.len() + self.partition_key.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_reads_back_and_damage_does_not() {
        let mut bytes = header("München").unwrap().to_vec();
        bytes.extend_from_slice("Münchendata".as_bytes());
        let decode = |bytes: &[u8]| {
            Record::decode(ShardId(1), Position(2), Timestamp::ZERO, Bytes::copy_from_slice(bytes))
        };
        let record = decode(&bytes).unwrap();
        assert_eq!((record.partition_key.as_str(), &record.data[..]), ("München", &b"data"[..]));
        for bad in [&[][..], &[1][..], &[2, 0, 0][..], &[1, 9, 0, b'x'][..], &[1, 1, 0, 0xff][..]] {
            assert!(decode(bad).is_none(), "{bad:?}");
        }
    }
}
