use crate::bytes::{u32_at, u64_at};
use millstream_log::RetentionClass;
use millstream_types::{LogShard, Position, Timestamp};

/// Bytes before an entry's body.
pub(crate) const HEADER: usize = 40;

const APPEND: u8 = 1;
const CREATE: u8 = 2;
const TRIM: u8 = 3;
const DROP: u8 = 4;
const MARK: u8 = 5;
const DISCARD: u8 = 6;

/// One thing that a group says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Entry<'a> {
    Append {
        shard: LogShard,
        first: Position,
        timestamp: Timestamp,
        count: u32,
        crc: u32,
        body: &'a [u8],
    },
    Create {
        shard: LogShard,
        class: RetentionClass,
    },
    Trim {
        shard: LogShard,
        before: Position,
    },
    Drop {
        shard: LogShard,
    },
    /// Says nothing about shards: its group is there to witness, in its header, that the groups before it are durable.
    Mark,
    /// Nothing of a segment is left: a start must not miss its file, though a checkpoint names it.
    Discard {
        segment: u32,
    },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum BadEntry {
    #[error("an entry is cut short")]
    Short,
    #[error("an entry is of the unknown kind {0}")]
    Kind(u8),
}

/// The fields of an entry's header, as every kind shares them.
#[derive(Clone, Copy, Debug, Default)]
struct Fields {
    kind: u8,
    count: u32,
    shard: u64,
    position: u64,
    timestamp: u64,
    crc: u32,
}

impl<'a> Entry<'a> {
    pub(crate) fn encode(&self, into: &mut Vec<u8>) {
        let body = self.encode_header(into);
        into.extend_from_slice(body);
    }

    /// All but the body, which is returned.
    pub(crate) fn encode_header(&self, into: &mut Vec<u8>) -> &'a [u8] {
        let (fields, body): (Fields, &'a [u8]) = match *self {
            Self::Append { shard, first, timestamp, count, crc, body } => (
                Fields {
                    kind: APPEND,
                    count,
                    shard: shard.0,
                    position: first.0,
                    timestamp: timestamp.millis(),
                    crc,
                },
                body,
            ),
            Self::Create { shard, class } => {
                let count = match class {
                    RetentionClass::Forever => 0,
                    RetentionClass::Hours(hours) => hours,
                };
                (Fields { kind: CREATE, count, shard: shard.0, ..Fields::default() }, &[])
            }
            Self::Trim { shard, before } => {
                (Fields { kind: TRIM, shard: shard.0, position: before.0, ..Fields::default() }, &[])
            }
            Self::Drop { shard } => (Fields { kind: DROP, shard: shard.0, ..Fields::default() }, &[]),
            Self::Mark => (Fields { kind: MARK, ..Fields::default() }, &[]),
            Self::Discard { segment } => (Fields { kind: DISCARD, count: segment, ..Fields::default() }, &[]),
        };
        into.extend_from_slice(&[fields.kind, 0, 0, 0]);
        into.extend_from_slice(&fields.count.to_le_bytes());
        into.extend_from_slice(&fields.shard.to_le_bytes());
        into.extend_from_slice(&fields.position.to_le_bytes());
        into.extend_from_slice(&fields.timestamp.to_le_bytes());
        let length = u32::try_from(body.len()).expect("admission bounds a call far below 4 GiB");
        into.extend_from_slice(&length.to_le_bytes());
        into.extend_from_slice(&fields.crc.to_le_bytes());
        body
    }

    /// The first entry of `bytes`, and what comes after it. The batch's own checksum is not checked here.
    pub(crate) fn decode(bytes: &'a [u8]) -> Result<(Self, &'a [u8]), BadEntry> {
        let fields = Fields::decode(bytes).ok_or(BadEntry::Short)?;
        let length = u32_at(bytes, 32).ok_or(BadEntry::Short)? as usize;
        let (_, rest) = bytes.split_at_checked(HEADER).ok_or(BadEntry::Short)?;
        let (body, rest) = rest.split_at_checked(length).ok_or(BadEntry::Short)?;
        let shard = LogShard(fields.shard);
        let entry = match fields.kind {
            APPEND => Self::Append {
                shard,
                first: Position(fields.position),
                timestamp: Timestamp::from_millis(fields.timestamp),
                count: fields.count,
                crc: fields.crc,
                body,
            },
            CREATE => {
                let class = match fields.count {
                    0 => RetentionClass::Forever,
                    hours => RetentionClass::Hours(hours),
                };
                Self::Create { shard, class }
            }
            TRIM => Self::Trim { shard, before: Position(fields.position) },
            DROP => Self::Drop { shard },
            MARK => Self::Mark,
            DISCARD => Self::Discard { segment: fields.count },
            kind => return Err(BadEntry::Kind(kind)),
        };
        Ok((entry, rest))
    }
}

impl Fields {
    fn decode(bytes: &[u8]) -> Option<Self> {
        Some(Self {
            kind: *bytes.first()?,
            count: u32_at(bytes, 4)?,
            shard: u64_at(bytes, 8)?,
            position: u64_at(bytes, 16)?,
            timestamp: u64_at(bytes, 24)?,
            crc: u32_at(bytes, 36)?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_entry_reads_back() {
        let entries = [
            Entry::Append {
                shard: LogShard(7),
                first: Position(9),
                timestamp: Timestamp::from_millis(11),
                count: 2,
                crc: 13,
                body: b"body",
            },
            Entry::Create { shard: LogShard(1), class: RetentionClass::Forever },
            Entry::Create { shard: LogShard(1), class: RetentionClass::Hours(24) },
            Entry::Trim { shard: LogShard(1), before: Position(5) },
            Entry::Drop { shard: LogShard(u64::MAX) },
            Entry::Mark,
            Entry::Discard { segment: 17 },
        ];
        let mut bytes = Vec::new();
        for entry in entries {
            entry.encode(&mut bytes);
        }
        let mut rest = bytes.as_slice();
        for entry in entries {
            let (read, after) = Entry::decode(rest).unwrap();
            assert_eq!(read, entry);
            rest = after;
        }
        assert!(rest.is_empty());
    }

    #[test]
    fn a_cut_or_unknown_entry_is_an_error() {
        let mut bytes = Vec::new();
        Entry::Mark.encode(&mut bytes);
        assert_eq!(Entry::decode(&bytes[..HEADER - 1]), Err(BadEntry::Short));
        bytes[0] = 99;
        assert_eq!(Entry::decode(&bytes), Err(BadEntry::Kind(99)));
        bytes[32] = 1;
        assert_eq!(Entry::decode(&bytes), Err(BadEntry::Short));
    }
}
