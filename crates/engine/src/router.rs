use crate::append::Appendable;
use crate::md5_lanes::{self, LANES};
use md5::{Digest, Md5};
use millstream_control::{Shard, Stream};
use millstream_types::HashKey;
use std::sync::OnceLock;

/// A partition key's hash key: its MD5 as a 128-bit number, most significant byte first (Developer Guide, Key concepts).
pub fn hash_of(partition_key: &str) -> HashKey {
    HashKey(u128::from_be_bytes(Md5::digest(partition_key.as_bytes()).into()))
}

/// The hash key of each record: what it says itself, or that of its partition key.
pub(crate) fn hashes_of<R: Appendable>(records: &[R]) -> Vec<HashKey> {
    let mut hashes = Vec::with_capacity(records.len());
    for some in records.chunks(LANES) {
        let keys: [&[u8]; LANES] = std::array::from_fn(|lane| {
            some.get(lane).map_or(&[][..], |record| record.partition_key().as_bytes())
        });
        // The lanes cost as much as two or three texts on their own.
        let together = if some.len() < 3 { None } else { md5_lanes::digests(&keys) };
        hashes.extend(some.iter().enumerate().map(|(lane, record)| {
            record.explicit_hash_key().unwrap_or_else(|| match &together {
                Some(digests) => HashKey(digests[lane]),
                None => hash_of(record.partition_key()),
            })
        }));
    }
    hashes
}

/// Finds the open shard of a hash key.
#[derive(Debug)]
pub(crate) struct Router<'a> {
    stream: &'a Stream,
    /// The places of the open shards, by start of range, made when they are needed.
    open: OnceLock<Vec<usize>>,
}

impl<'a> Router<'a> {
    pub(crate) const fn new(stream: &'a Stream) -> Self {
        Self { stream, open: OnceLock::new() }
    }

    /// Whether all hash keys lead to the same shard.
    pub(crate) fn needs_no_hash(&self) -> bool {
        let whole =
            |shard: &Shard| shard.range.contains(HashKey(0)) && shard.range.contains(HashKey(u128::MAX));
        self.stream.shards.last().is_some_and(|shard| shard.is_open() && whole(shard))
    }

    /// The place of the open shard that takes `key` among the stream's shards.
    pub(crate) fn place(&self, key: HashKey) -> Option<usize> {
        let shards = &self.stream.shards;
        let takes = |place: &usize| {
            shards.get(*place).is_some_and(|shard| shard.is_open() && shard.range.contains(key))
        };
        // Where it is if the shards are as a stream is made, all of a size.
        let guess = ((key.0 >> 64) * shards.len() as u128) >> 64;
        if let Some(place) = usize::try_from(guess).ok().filter(takes) {
            return Some(place);
        }
        // Until a stream is resharded its shards are open and in order of their ranges. At most one open shard holds a
        // key, so a shard that is found is right whether they are or not.
        let after = shards.partition_point(|shard| shard.range.start <= key);
        after.checked_sub(1).filter(takes).or_else(|| {
            let open = self.open.get_or_init(|| open(shards));
            let after = open.partition_point(|place| shards[*place].range.start <= key);
            open.get(after.checked_sub(1)?).copied().filter(takes)
        })
    }
}

fn open(shards: &[Shard]) -> Vec<usize> {
    let mut open: Vec<_> = (0..shards.len()).filter(|place| shards[*place].is_open()).collect();
    open.sort_by_key(|place| shards[*place].range.start);
    open
}
