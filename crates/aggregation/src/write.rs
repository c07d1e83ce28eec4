//! Putting user records together.

use crate::wire::{put_bytes, put_number, varint_len};
use crate::{DIGEST_BYTES, MAGIC};
use bytes::Bytes;
use md5::{Digest, Md5};
use std::collections::HashMap;

/// Puts user records together into one, up to a size. Keys that several of them have are written once.
#[derive(Debug)]
pub struct Aggregator {
    max_bytes: usize,
    partition_keys: Table,
    hash_keys: Table,
    records: Vec<u8>,
    count: usize,
}

#[derive(Debug, Default)]
struct Table {
    indexes: HashMap<String, u64>,
    written: Vec<u8>,
}

impl Table {
    /// Where a key is or would be, and what it adds.
    fn look(&self, key: &str) -> (u64, usize) {
        match self.indexes.get(key) {
            Some(&index) => (index, 0),
            None => (self.indexes.len() as u64, member_len(key.len())),
        }
    }

    fn add(&mut self, member: u64, key: &str) {
        if !self.indexes.contains_key(key) {
            self.indexes.insert(key.to_owned(), self.indexes.len() as u64);
            put_bytes(&mut self.written, member, key.as_bytes());
        }
    }
}

/// A member of bytes with its tag and length. The tags of these messages take one byte.
fn member_len(bytes: usize) -> usize {
    1 + varint_len(bytes as u64) + bytes
}

impl Aggregator {
    /// For records of at most `max_bytes` altogether, the frame included.
    pub fn new(max_bytes: usize) -> Self {
        Self {
            max_bytes,
            partition_keys: Table::default(),
            hash_keys: Table::default(),
            records: Vec::new(),
            count: 0,
        }
    }

    /// How many user records there are.
    pub fn count(&self) -> usize {
        self.count
    }

    /// The size of what [`Aggregator::finish`] gives, in bytes.
    pub fn size(&self) -> usize {
        let tables = self.partition_keys.written.len() + self.hash_keys.written.len();
        MAGIC.len() + tables + self.records.len() + DIGEST_BYTES
    }

    /// Add a user record. False, and nothing has changed, if it has no room any more.
    pub fn add(&mut self, partition_key: &str, explicit_hash_key: Option<&str>, data: &[u8]) -> bool {
        let (key, key_adds) = self.partition_keys.look(partition_key);
        let hash = explicit_hash_key.map(|hash| (hash, self.hash_keys.look(hash)));
        let mut inner = 1 + varint_len(key) + member_len(data.len());
        let mut adds = key_adds;
        if let Some((_, (index, hash_adds))) = hash {
            inner += 1 + varint_len(index);
            adds += hash_adds;
        }
        if self.size() + adds + member_len(inner) > self.max_bytes {
            return false;
        }
        let mut record = Vec::with_capacity(inner);
        put_number(&mut record, 1, key);
        if let Some((_, (index, _))) = hash {
            put_number(&mut record, 2, index);
        }
        put_bytes(&mut record, 3, data);
        put_bytes(&mut self.records, 3, &record);
        self.partition_keys.add(1, partition_key);
        if let Some((hash, _)) = hash {
            self.hash_keys.add(2, hash);
        }
        self.count += 1;
        true
    }

    /// The aggregated record's data.
    pub fn finish(self) -> Bytes {
        let mut out = Vec::with_capacity(self.size());
        out.extend_from_slice(&MAGIC);
        for part in [&self.partition_keys.written, &self.hash_keys.written, &self.records] {
            out.extend_from_slice(part);
        }
        let digest = Md5::digest(&out[MAGIC.len()..]);
        out.extend_from_slice(&digest);
        out.into()
    }
}
