use crate::bytes::{bytes_at, u16_at, u32_at, u64_at};

/// Groups start on this boundary, so that a commit never rewrites a block that holds acknowledged bytes.
pub(crate) const BLOCK: u64 = 4096;

/// Bytes of a group's header.
pub(crate) const HEADER: usize = 64;

/// The version of the WAL's format.
pub(crate) const VERSION: u16 = 1;

const MAGIC: [u8; 4] = *b"MSWG";

/// Bytes rounded up to whole blocks.
pub(crate) const fn padded(bytes: u64) -> u64 {
    bytes.next_multiple_of(BLOCK)
}

/// The unit of writing, syncing and atomicity.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct GroupHeader {
    /// The file incarnation's.
    pub(crate) salt: u64,
    /// 1 for the first group of a data directory, then dense.
    pub(crate) number: u64,
    /// The newest group known to be durable when this one was written. It is what tells rot from a torn tail.
    pub(crate) durable: u64,
    /// Bytes of the body, which follows the header.
    pub(crate) length: u32,
    /// Entries in the body.
    pub(crate) entries: u32,
    /// CRC-32C of the body.
    pub(crate) body_crc: u32,
}

/// What stands where a group may start.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Found {
    Header(GroupHeader),
    /// A whole header of this file, of a version that this program does not know.
    Version(u16),
    Nothing,
}

impl GroupHeader {
    pub(crate) fn encode(&self) -> [u8; HEADER] {
        let mut bytes = [0; HEADER];
        bytes[0..4].copy_from_slice(&MAGIC);
        bytes[4..6].copy_from_slice(&VERSION.to_le_bytes());
        bytes[8..16].copy_from_slice(&self.salt.to_le_bytes());
        bytes[16..24].copy_from_slice(&self.number.to_le_bytes());
        bytes[24..32].copy_from_slice(&self.durable.to_le_bytes());
        bytes[32..36].copy_from_slice(&self.length.to_le_bytes());
        bytes[36..40].copy_from_slice(&self.entries.to_le_bytes());
        bytes[56..60].copy_from_slice(&self.body_crc.to_le_bytes());
        let crc = crc32c::crc32c(&bytes[..60]);
        bytes[60..64].copy_from_slice(&crc.to_le_bytes());
        bytes
    }

    /// The header at the start of `bytes`, if there is one of the file incarnation with this salt.
    pub(crate) fn find(bytes: &[u8], salt: u64) -> Found {
        Self::decode(bytes, salt).unwrap_or(Found::Nothing)
    }

    fn decode(bytes: &[u8], salt: u64) -> Option<Found> {
        // The cheap comparisons first: this runs on every block behind a torn tail.
        if bytes_at::<4>(bytes, 0)? != MAGIC || u64_at(bytes, 8)? != salt {
            return None;
        }
        if u32_at(bytes, 60)? != crc32c::crc32c(bytes.get(..60)?) {
            return None;
        }
        let version = u16_at(bytes, 4)?;
        if version != VERSION {
            return Some(Found::Version(version));
        }
        let header = Self {
            salt,
            number: u64_at(bytes, 16)?,
            durable: u64_at(bytes, 24)?,
            length: u32_at(bytes, 32)?,
            entries: u32_at(bytes, 36)?,
            body_crc: u32_at(bytes, 56)?,
        };
        Some(if header.durable < header.number { Found::Header(header) } else { Found::Nothing })
    }

    /// Header and body, padding left out.
    pub(crate) fn bytes(&self) -> u64 {
        HEADER as u64 + u64::from(self.length)
    }

    /// The body, if it is whole. `bytes` starts with the header.
    pub(crate) fn body<'a>(&self, bytes: &'a [u8]) -> Option<&'a [u8]> {
        let body = bytes.get(HEADER..)?.get(..self.length as usize)?;
        (crc32c::crc32c(body) == self.body_crc).then_some(body)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn group() -> (GroupHeader, Vec<u8>) {
        let body = b"some entries";
        let header = GroupHeader {
            salt: 0x0123_4567_89ab_cdef,
            number: 5,
            durable: 4,
            length: 12,
            entries: 1,
            body_crc: crc32c::crc32c(body),
        };
        let mut bytes = header.encode().to_vec();
        bytes.extend_from_slice(body);
        (header, bytes)
    }

    #[test]
    fn a_header_reads_back() {
        let (header, bytes) = group();
        assert_eq!(GroupHeader::find(&bytes, header.salt), Found::Header(header));
        assert_eq!(header.body(&bytes), Some(&b"some entries"[..]));
        assert_eq!(GroupHeader::find(&bytes, header.salt + 1), Found::Nothing);
    }

    #[test]
    fn no_flipped_bit_goes_unseen() {
        let (header, bytes) = group();
        for bit in 0..bytes.len() * 8 {
            let mut damaged = bytes.clone();
            damaged[bit / 8] ^= 1 << (bit % 8);
            let whole = match GroupHeader::find(&damaged, header.salt) {
                Found::Header(found) => found.body(&damaged).is_some(),
                Found::Version(_) | Found::Nothing => false,
            };
            assert!(!whole, "bit {bit}");
        }
    }

    #[test]
    fn a_whole_header_of_another_version_is_no_torn_tail() {
        let (header, mut bytes) = group();
        bytes[4] = 2;
        let crc = crc32c::crc32c(&bytes[..60]);
        bytes[60..64].copy_from_slice(&crc.to_le_bytes());
        assert_eq!(GroupHeader::find(&bytes, header.salt), Found::Version(2));
    }
}
