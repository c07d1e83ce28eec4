//! Taking an aggregated record apart.

use crate::wire::{Members, Value};
use crate::{DIGEST_BYTES, MAGIC};
use bytes::Bytes;
use md5::{Digest, Md5};

/// Why data is to be taken as it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotAggregated {
    #[error("it does not begin as an aggregated record")]
    Plain,
    #[error("its MD5 digest is not that of its content")]
    Digest,
    #[error("{0}")]
    Malformed(&'static str),
}

/// One of the records that a producer put.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UserRecord {
    pub partition_key: String,
    /// A decimal number, as the producer gave it.
    pub explicit_hash_key: Option<String>,
    /// A slice of the aggregated record's own data.
    pub data: Bytes,
}

/// An aggregated record, all of which has been looked at: none of its user records is broken.
#[derive(Clone, Debug)]
pub struct Aggregate {
    body: Bytes,
    /// Where the keys of the tables begin and end.
    partition_keys: Vec<(u32, u32)>,
    hash_keys: Vec<(u32, u32)>,
    count: u32,
}

const NO_SUCH_KEY: NotAggregated = NotAggregated::Malformed("a user record names a key that is in no table");
const INCOMPLETE: NotAggregated = NotAggregated::Malformed("a user record has no partition key or no data");
const NOT_TEXT: NotAggregated = NotAggregated::Malformed("a key is no UTF-8");
const TOO_LARGE: NotAggregated = NotAggregated::Malformed("it has more than 4 GiB");

/// What a user record says, not yet looked up.
#[derive(Clone, Copy, Debug)]
struct Raw {
    partition_key: usize,
    hash_key: Option<usize>,
    data: (usize, usize),
}

impl Aggregate {
    /// Take a record's data apart.
    ///
    /// # Errors
    /// Why it is a record of its own: not aggregated, or not well-formed, which consumers treat alike.
    pub fn read(data: &Bytes) -> Result<Self, NotAggregated> {
        // As the Kinesis Client Library has it: a record of nothing but the frame is none.
        if !data.starts_with(&MAGIC) || data.len() <= MAGIC.len() + DIGEST_BYTES {
            return Err(NotAggregated::Plain);
        }
        let body = data.slice(MAGIC.len()..data.len() - DIGEST_BYTES);
        if Md5::digest(&body).as_slice() != &data[data.len() - DIGEST_BYTES..] {
            return Err(NotAggregated::Digest);
        }
        let mut read = Self { body, partition_keys: Vec::new(), hash_keys: Vec::new(), count: 0 };
        let body = read.body.clone();
        let mut members = Members::new(&body, 0, body.len());
        while let Some((member, value)) = members.next()? {
            match (member, value) {
                (1, Value::Bytes(begin, end)) => read.partition_keys.push(key(&body, begin, end)?),
                (2, Value::Bytes(begin, end)) => read.hash_keys.push(key(&body, begin, end)?),
                (3, Value::Bytes(..)) => read.count = read.count.checked_add(1).ok_or(TOO_LARGE)?,
                _ => {}
            }
        }
        // The tables may come after the records, so these are looked at once the tables are known.
        let mut members = Members::new(&body, 0, body.len());
        while let Some((member, value)) = members.next()? {
            if let (3, Value::Bytes(begin, end)) = (member, value) {
                let raw = raw_of(&body, begin, end)?;
                let known = raw.partition_key < read.partition_keys.len()
                    && raw.hash_key.is_none_or(|index| index < read.hash_keys.len());
                if !known {
                    return Err(NO_SUCH_KEY);
                }
            }
        }
        Ok(read)
    }

    /// How many user records there are.
    pub fn count(&self) -> u32 {
        self.count
    }

    fn text(&self, (begin, end): (u32, u32)) -> String {
        // Looked at when it was read.
        String::from_utf8_lossy(&self.body[begin as usize..end as usize]).into_owned()
    }

    fn user_record(&self, raw: Raw) -> Option<UserRecord> {
        let hash_key = match raw.hash_key {
            Some(index) => Some(self.text(*self.hash_keys.get(index)?)),
            None => None,
        };
        Some(UserRecord {
            partition_key: self.text(*self.partition_keys.get(raw.partition_key)?),
            explicit_hash_key: hash_key,
            data: self.body.slice(raw.data.0..raw.data.1),
        })
    }
}

impl IntoIterator for Aggregate {
    type Item = UserRecord;
    type IntoIter = UserRecords;

    fn into_iter(self) -> UserRecords {
        UserRecords { aggregate: self, at: 0 }
    }
}

/// The user records of an aggregated record, in order. Each is made when it is asked for.
#[derive(Clone, Debug)]
pub struct UserRecords {
    aggregate: Aggregate,
    at: usize,
}

impl Iterator for UserRecords {
    type Item = UserRecord;

    fn next(&mut self) -> Option<UserRecord> {
        let body = &self.aggregate.body;
        let mut members = Members::new(body, self.at, body.len());
        loop {
            // All has been read once: there is no error any more.
            let (member, value) = members.next().ok().flatten()?;
            if let (3, Value::Bytes(begin, end)) = (member, value) {
                self.at = members.at();
                return self.aggregate.user_record(raw_of(body, begin, end).ok()?);
            }
        }
    }
}

fn key(body: &[u8], begin: usize, end: usize) -> Result<(u32, u32), NotAggregated> {
    if std::str::from_utf8(&body[begin..end]).is_err() {
        return Err(NOT_TEXT);
    }
    let number = |at: usize| u32::try_from(at).map_err(|_too_large| TOO_LARGE);
    Ok((number(begin)?, number(end)?))
}

fn raw_of(body: &[u8], begin: usize, end: usize) -> Result<Raw, NotAggregated> {
    let (mut partition_key, mut hash_key, mut data) = (None, None, None);
    let mut members = Members::new(body, begin, end);
    let index = |number: u64| usize::try_from(number).map_err(|_too_large| NO_SUCH_KEY);
    while let Some((member, value)) = members.next()? {
        match (member, value) {
            (1, Value::Number(number)) => partition_key = Some(index(number)?),
            (2, Value::Number(number)) => hash_key = Some(index(number)?),
            (3, Value::Bytes(begin, end)) => data = Some((begin, end)),
            _ => {}
        }
    }
    let (Some(partition_key), Some(data)) = (partition_key, data) else { return Err(INCOMPLETE) };
    Ok(Raw { partition_key, hash_key, data })
}
