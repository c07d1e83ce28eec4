use bytes::{BufMut, Bytes, BytesMut};
use millstream_host::Buffer;
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

    /// A batch of a body that is made already, with its checksum.
    pub fn of_body(timestamp: Timestamp, count: u32, body: Bytes) -> Self {
        Self { timestamp, count, crc: crc32c::crc32c(&body), body }
    }

    /// A batch of one record.
    pub fn single(timestamp: Timestamp, record: &[u8]) -> Self {
        let mut builder = BatchBuilder::with_capacity(record.len() + BatchBuilder::OVERHEAD);
        builder.push(record);
        builder.finish(timestamp)
    }

    pub fn records(&self) -> Records {
        Records { body: self.body.clone(), at: 0 }
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

/// Collects the batches of one call, one after another, in one piece of memory: a call to hundreds of shards then costs
/// no more than one to a single shard. The memory is let go with the last of the call's batches.
#[derive(Debug, Default)]
pub struct BatchesBuilder {
    body: Buffer,
    /// Of each batch that is finished: where it ends, and its records.
    finished: Vec<(usize, u32)>,
    count: u32,
}

impl BatchesBuilder {
    /// `bytes`: of all records, with [`BatchBuilder::OVERHEAD`] for each.
    pub fn with_capacity(batches: usize, bytes: usize) -> Self {
        Self { body: Buffer::with_capacity(bytes), finished: Vec::with_capacity(batches), count: 0 }
    }

    /// One record of exactly `length` bytes, which `write` appends.
    ///
    /// # Errors
    /// `None` if `write` gave up, or wrote another number of bytes; the builder is then useless.
    ///
    /// # Panics
    /// If a record reaches 4 GiB; every caller limits records to some MiB.
    #[must_use = "a record that could not be written makes the builder useless"]
    pub fn push_with(&mut self, length: usize, write: impl FnOnce(&mut Vec<u8>) -> Option<()>) -> Option<()> {
        let prefix = u32::try_from(length).expect("a record is below 4 GiB");
        self.body.extend_from_slice(&prefix.to_le_bytes());
        let end = self.body.len() + length;
        write(&mut self.body)?;
        self.count += 1;
        (self.body.len() == end).then_some(())
    }

    /// The records since the last call, if any, are a batch.
    pub fn end_batch(&mut self) {
        self.finished.push((self.body.len(), self.count));
        self.count = 0;
    }

    pub fn finish(self, timestamp: Timestamp) -> Vec<Batch> {
        let mut rest = self.body.freeze();
        let mut from = 0;
        let batches = self.finished.into_iter().map(|(end, count)| {
            let body = rest.split_to(end - from);
            from = end;
            Batch { timestamp, count, crc: crc32c::crc32c(&body), body }
        });
        batches.collect()
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
    body: Bytes,
    /// Of the next record's length.
    at: usize,
}

impl Iterator for Records {
    type Item = Bytes;

    fn next(&mut self) -> Option<Bytes> {
        let (length, rest) = self.body.get(self.at..)?.split_first_chunk::<4>()?;
        let length = usize::try_from(u32::from_le_bytes(*length)).ok()?;
        if rest.len() < length {
            return None;
        }
        let start = self.at + BatchBuilder::OVERHEAD;
        self.at = start + length;
        Some(self.body.slice(start..self.at))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn push(builder: &mut BatchesBuilder, record: &[u8]) -> Option<()> {
        builder.push_with(record.len(), |out| {
            out.extend_from_slice(record);
            Some(())
        })
    }

    #[test]
    fn batches_made_together_are_as_if_made_apart() {
        let calls: [&[&[u8]]; 4] = [&[b"a", b""], &[], &[b"bc"], &[&[7; 300], b"x"]];
        let now = Timestamp::from_millis(5);
        let mut together = BatchesBuilder::with_capacity(calls.len(), 8);
        let mut apart = Vec::new();
        for records in calls {
            let mut builder = BatchBuilder::default();
            for record in records {
                push(&mut together, record).unwrap();
                builder.push(record);
            }
            together.end_batch();
            apart.push(builder.finish(now));
        }
        let together = together.finish(now);
        assert!(together.iter().all(Batch::is_intact));
        assert_eq!(together, apart);
    }

    #[test]
    fn a_record_of_another_length_is_refused() {
        for written in [&b"ab"[..], b"abcd"] {
            let mut builder = BatchesBuilder::default();
            let pushed = builder.push_with(3, |out| {
                out.extend_from_slice(written);
                Some(())
            });
            assert_eq!(pushed, None);
        }
        assert_eq!(BatchesBuilder::default().push_with(0, |_| None), None);
    }
}
