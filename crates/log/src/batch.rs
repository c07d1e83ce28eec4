use bytes::{BufMut, Bytes, BytesMut};
use millstream_types::{Position, Timestamp};

/// Records that arrived together, as one checksummed run of bytes.
///
/// Body: for each record its length (u32, little endian) and its bytes. The checksum is made where the records enter
/// and checked where they leave the disk; nothing in between makes it anew.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Batch {
    pub timestamp: Timestamp,
    pub count: u32,
    pub body: Bytes,
    /// CRC-32C of `body`.
    pub crc: u32,
}

impl Batch {
    pub fn is_intact(&self) -> bool {
        crc32c::crc32c(&self.body) == self.crc
    }

    /// A batch of one record.
    pub fn single(timestamp: Timestamp, record: &[u8]) -> Self {
        let mut builder = BatchBuilder::with_capacity(record.len() + BatchBuilder::OVERHEAD);
        builder.push(record);
        builder.finish(timestamp)
    }

    pub fn records(&self) -> Records {
        Records { rest: self.body.clone() }
    }
}

/// Collects records into a [`Batch`].
#[derive(Debug, Default)]
pub struct BatchBuilder {
    body: BytesMut,
    count: u32,
}

impl BatchBuilder {
    /// Bytes a record costs beyond its own.
    pub const OVERHEAD: usize = 4;

    pub fn with_capacity(bytes: usize) -> Self {
        Self { body: BytesMut::with_capacity(bytes), count: 0 }
    }

    pub fn push(&mut self, record: &[u8]) {
        self.push_parts(&[record]);
    }

    /// One record from several pieces, which saves its owner a copy.
    ///
    /// # Panics
    /// If a record reaches 4 GiB; every caller limits records to some MiB.
    pub fn push_parts(&mut self, parts: &[&[u8]]) {
        let length = parts.iter().map(|part| part.len()).sum::<usize>();
        self.body.put_u32_le(u32::try_from(length).expect("a record is below 4 GiB"));
        for part in parts {
            self.body.put_slice(part);
        }
        self.count += 1;
    }

    pub fn is_empty(&self) -> bool {
        self.count == 0
    }

    pub fn finish(self, timestamp: Timestamp) -> Batch {
        let body = self.body.freeze();
        Batch { timestamp, count: self.count, crc: crc32c::crc32c(&body), body }
    }
}

/// A batch in its place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredBatch {
    /// The position of its first record.
    pub first: Position,
    pub batch: Batch,
}

impl StoredBatch {
    /// The position after its last record.
    pub fn end(&self) -> Position {
        self.first.plus(u64::from(self.batch.count))
    }

    pub fn records(&self) -> impl Iterator<Item = (Position, Bytes)> + use<> {
        let first = self.first;
        self.batch.records().zip(0_u64..).map(move |(record, index)| (first.plus(index), record))
    }
}

/// The records of a batch, each a slice of its body. Ends early on a body that is cut short.
#[derive(Clone, Debug)]
pub struct Records {
    rest: Bytes,
}

impl Iterator for Records {
    type Item = Bytes;

    fn next(&mut self) -> Option<Bytes> {
        let (length, _) = self.rest.split_first_chunk::<4>()?;
        let length = usize::try_from(u32::from_le_bytes(*length)).ok()?;
        if self.rest.len() < BatchBuilder::OVERHEAD + length {
            return None;
        }
        let mut record = self.rest.split_to(BatchBuilder::OVERHEAD + length);
        Some(record.split_off(BatchBuilder::OVERHEAD))
    }
}
