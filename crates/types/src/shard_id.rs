use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;

/// A shard's name within its stream, `shardId-000000000000`: twelve digits, counted in order of creation. The KPL
/// reads the digits as a number (`aws/kinesis/core/shard_map.cc`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ShardId(pub u64);

impl fmt::Display for ShardId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "shardId-{:012}", self.0)
    }
}

#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not a shard id such as shardId-000000000000")]
pub struct ParseShardIdError(String);

impl FromStr for ShardId {
    type Err = ParseShardIdError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        text.strip_prefix("shardId-")
            .filter(|digits| digits.len() == 12 && digits.bytes().all(|b| b.is_ascii_digit()))
            .and_then(|digits| digits.parse().ok())
            .map(Self)
            .ok_or_else(|| ParseShardIdError(text.to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::ShardId;

    #[test]
    fn reads_what_it_writes_and_nothing_else() {
        assert_eq!(ShardId(7).to_string(), "shardId-000000000007");
        assert_eq!("shardId-000000000007".parse(), Ok(ShardId(7)));
        for bad in ["shardId-7", "shardId-+00000000007", "shard-000000000007", ""] {
            assert!(bad.parse::<ShardId>().is_err(), "{bad}");
        }
    }
}
