use crate::{caps, token};
use millstream_types::{LogShard, Position, Timestamp};

/// What a shard iterator stands for. It names the log shard, so that one of a deleted stream never reads its successor.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ShardIterator {
    pub(crate) stream: String,
    pub(crate) shard: LogShard,
    pub(crate) position: Position,
    pub(crate) issued: Timestamp,
}

const KIND: &str = "iterator";

impl ShardIterator {
    /// At most 512 characters, as the API says.
    pub(crate) fn seal(&self) -> String {
        token::seal(KIND, &[&self.stream, &self.shard.0, &self.position, &self.issued.millis()])
    }

    pub(crate) fn open(text: &str) -> Option<Self> {
        let fields = token::open(KIND, text)?;
        let [stream, shard, position, issued] = fields.try_into().ok()?;
        Some(Self {
            stream,
            shard: LogShard(shard.parse().ok()?),
            position: Position(position.parse().ok()?),
            issued: Timestamp::from_millis(issued.parse().ok()?),
        })
    }

    pub(crate) fn is_expired(&self, now: Timestamp) -> bool {
        now.millis_since(self.issued) > caps::ITERATOR_MILLIS
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_longest_fits_and_reads_back() {
        let iterator = ShardIterator {
            stream: "s".repeat(128),
            shard: LogShard(u64::MAX),
            position: Position(u64::MAX),
            issued: Timestamp::from_millis(u64::MAX),
        };
        let text = iterator.seal();
        assert!(text.len() <= 512, "{}", text.len());
        assert_eq!(ShardIterator::open(&text), Some(iterator));
    }
}
