use md5::{Digest, Md5};
use millstream_control::{Shard, Stream};
use millstream_types::HashKey;

/// A partition key's hash key: its MD5 as a 128-bit number, most significant byte first (Developer Guide, Key concepts).
pub fn hash_of(partition_key: &str) -> HashKey {
    HashKey(u128::from_be_bytes(Md5::digest(partition_key.as_bytes()).into()))
}

/// Finds the open shard of a hash key. Made once per call.
#[derive(Debug)]
pub(crate) struct Router<'a> {
    /// By start of range.
    open: Vec<&'a Shard>,
}

impl<'a> Router<'a> {
    pub(crate) fn new(stream: &'a Stream) -> Self {
        let mut open: Vec<_> = stream.open_shards().collect();
        // Already in order until the stream is resharded, which makes this one pass.
        open.sort_by_key(|shard| shard.range.start);
        Self { open }
    }

    pub(crate) fn shard(&self, key: HashKey) -> Option<&'a Shard> {
        let after = self.open.partition_point(|shard| shard.range.start <= key);
        self.open.get(after.checked_sub(1)?).copied().filter(|shard| shard.range.contains(key))
    }
}
