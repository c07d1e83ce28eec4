//! The entries of a segment, as `docs/formats/function-logs.md` describes them.
//!
//! An entry is the length of its body, the body's CRC-32C, and the body. Numbers are little-endian.

use millstream_types::Timestamp;

/// What every segment begins with.
pub(super) const HEADER: [u8; 16] = *b"MSTRMLOGSEG\0\x01\0\0\0";
/// Length and checksum before each body.
const FRAME: usize = 8;
/// Longest body: the longest event with its numbers.
const MAX_BODY: usize = crate::caps::EVENT_BYTES + 64;

const STREAM: u8 = 1;
const EVENT: u8 = 2;
const GONE: u8 = 3;

/// One entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Entry<'a> {
    /// A stream that entries after this one refer to by its index.
    Stream {
        index: u32,
        id: u64,
        created: Timestamp,
        asked_for: bool,
        name: &'a str,
    },
    Event {
        index: u32,
        timestamp: Timestamp,
        ingested: Timestamp,
        number: u64,
        text: &'a str,
    },
    /// A stream was deleted: what older segments hold of it is not there any more.
    Gone {
        id: u64,
    },
}

impl Entry<'_> {
    pub(super) fn write(&self, out: &mut Vec<u8>) {
        let start = out.len();
        out.extend_from_slice(&[0; FRAME]);
        match *self {
            Entry::Stream { index, id, created, asked_for, name } => {
                out.push(STREAM);
                out.extend_from_slice(&index.to_le_bytes());
                out.extend_from_slice(&id.to_le_bytes());
                out.extend_from_slice(&created.millis().to_le_bytes());
                out.push(u8::from(asked_for));
                out.extend_from_slice(name.as_bytes());
            }
            Entry::Event { index, timestamp, ingested, number, text } => {
                out.push(EVENT);
                out.extend_from_slice(&index.to_le_bytes());
                out.extend_from_slice(&timestamp.millis().to_le_bytes());
                out.extend_from_slice(&ingested.millis().to_le_bytes());
                out.extend_from_slice(&number.to_le_bytes());
                out.extend_from_slice(text.as_bytes());
            }
            Entry::Gone { id } => {
                out.push(GONE);
                out.extend_from_slice(&id.to_le_bytes());
            }
        }
        let body = &out[start + FRAME..];
        let (length, sum) = (u32::try_from(body.len()).unwrap_or(u32::MAX), crc32c::crc32c(body));
        out[start..start + 4].copy_from_slice(&length.to_le_bytes());
        out[start + 4..start + FRAME].copy_from_slice(&sum.to_le_bytes());
    }
}

/// Goes through the entries of a segment's bytes until the first that is not whole: a write that was cut short ends it.
#[derive(Debug)]
pub(super) struct Entries<'a> {
    bytes: &'a [u8],
    /// What of the bytes is whole so far.
    pub(super) valid: usize,
}

impl<'a> Entries<'a> {
    /// `None` if these are no segment's.
    pub(super) fn of(bytes: &'a [u8]) -> Option<Self> {
        bytes.starts_with(&HEADER).then_some(Self { bytes, valid: HEADER.len() })
    }
}

impl<'a> Iterator for Entries<'a> {
    type Item = Entry<'a>;

    fn next(&mut self) -> Option<Entry<'a>> {
        let mut rest = Fields(self.bytes.get(self.valid..)?);
        let (length, sum) = (rest.u32()? as usize, rest.u32()?);
        if length > MAX_BODY {
            return None;
        }
        let body = rest.take(length)?;
        if crc32c::crc32c(body) != sum {
            return None;
        }
        let entry = Fields(body).entry()?;
        self.valid += FRAME + length;
        Some(entry)
    }
}

struct Fields<'a>(&'a [u8]);

impl<'a> Fields<'a> {
    fn take(&mut self, size: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(size)?;
        self.0 = rest;
        Some(taken)
    }

    fn u8(&mut self) -> Option<u8> {
        self.take(1)?.first().copied()
    }

    fn u32(&mut self) -> Option<u32> {
        Some(u32::from_le_bytes(self.take(4)?.try_into().ok()?))
    }

    fn u64(&mut self) -> Option<u64> {
        Some(u64::from_le_bytes(self.take(8)?.try_into().ok()?))
    }

    fn time(&mut self) -> Option<Timestamp> {
        self.u64().map(Timestamp::from_millis)
    }

    fn text(&mut self) -> Option<&'a str> {
        std::str::from_utf8(std::mem::take(&mut self.0)).ok()
    }

    fn entry(&mut self) -> Option<Entry<'a>> {
        Some(match self.u8()? {
            STREAM => Entry::Stream {
                index: self.u32()?,
                id: self.u64()?,
                created: self.time()?,
                asked_for: self.u8()? != 0,
                name: self.text()?,
            },
            EVENT => Entry::Event {
                index: self.u32()?,
                timestamp: self.time()?,
                ingested: self.time()?,
                number: self.u64()?,
                text: self.text()?,
            },
            GONE => Entry::Gone { id: self.u64()? },
            _ => return None,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn segment() -> (Vec<u8>, Vec<Entry<'static>>) {
        let time = Timestamp::from_millis;
        let entries = vec![
            Entry::Stream {
                index: 0,
                id: 7,
                created: time(1),
                asked_for: true,
                name: "2026/11/23/[$LATEST]a",
            },
            Entry::Event { index: 0, timestamp: time(2), ingested: time(3), number: 4, text: "Grüße" },
            Entry::Event { index: 0, timestamp: time(5), ingested: time(5), number: 5, text: "" },
            Entry::Gone { id: 7 },
        ];
        let mut bytes = HEADER.to_vec();
        for entry in &entries {
            entry.write(&mut bytes);
        }
        (bytes, entries)
    }

    #[test]
    fn entries_come_back_as_they_were() {
        let (bytes, entries) = segment();
        let mut read = Entries::of(&bytes).unwrap();
        assert_eq!(read.by_ref().collect::<Vec<_>>(), entries);
        assert_eq!(read.valid, bytes.len());
        assert!(Entries::of(b"something else").is_none());
    }

    /// Wherever a write was cut off or a bit flipped, what is before it is read and nothing that was not written.
    #[test]
    fn damage_ends_what_is_read() {
        let (bytes, entries) = segment();
        for cut in HEADER.len()..bytes.len() {
            let mut read = Entries::of(&bytes[..cut]).unwrap();
            let found: Vec<_> = read.by_ref().collect();
            assert!(found.len() < entries.len() && entries.starts_with(&found), "cut at {cut}");
            assert!(read.valid <= cut);
        }
        for at in HEADER.len()..bytes.len() {
            let mut damaged = bytes.clone();
            damaged[at] ^= 0x10;
            let found: Vec<_> = Entries::of(&damaged).unwrap().collect();
            assert!(entries.starts_with(&found) && found.len() < entries.len(), "flipped at {at}");
        }
    }

    /// The layout that `docs/formats/function-logs.md` describes: a change of it needs another version in the header.
    #[test]
    fn the_layout_is_that_of_version_1() {
        let mut bytes = Vec::new();
        let time = Timestamp::from_millis;
        Entry::Event { index: 1, timestamp: time(2), ingested: time(3), number: 4, text: "x" }
            .write(&mut bytes);
        assert_eq!(bytes[..4], 30_u32.to_le_bytes());
        assert_eq!(bytes[8], EVENT);
        assert_eq!(bytes[9..13], 1_u32.to_le_bytes());
        assert_eq!(bytes[13..21], 2_u64.to_le_bytes());
        assert_eq!(bytes[21..29], 3_u64.to_le_bytes());
        assert_eq!(bytes[29..37], 4_u64.to_le_bytes());
        assert_eq!(&bytes[37..], b"x");
    }
}
