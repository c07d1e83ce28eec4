use crate::decimal;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;

/// A shard's name within its stream, `shardId-000000000000`: twelve digits, counted in order of creation. The KPL
/// reads the digits as a number (`aws/kinesis/core/shard_map.cc`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ShardId(pub u64);

impl ShardId {
    const PREFIX: &str = "shardId-";
    const DIGITS: usize = 12;

    pub fn text(self) -> ShardIdText {
        let mut text = *b"shardId-00000000000000000000";
        let more = self.0.checked_ilog10().map_or(0, |log| (log as usize + 1).saturating_sub(Self::DIGITS));
        let length = Self::PREFIX.len() + Self::DIGITS + more;
        decimal::fill(&mut text[Self::PREFIX.len()..length], self.0.into());
        ShardIdText { text, length }
    }
}

/// A [`ShardId`] as it is written, without a `String` of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ShardIdText {
    /// The prefix and room for the digits of any number.
    text: [u8; 28],
    length: usize,
}

impl ShardIdText {
    /// ASCII: the prefix and decimal digits.
    pub fn as_bytes(&self) -> &[u8] {
        &self.text[..self.length]
    }
}

impl fmt::Display for ShardId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(std::str::from_utf8(self.text().as_bytes()).unwrap_or_default())
    }
}

#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not a shard id such as shardId-000000000000")]
pub struct ParseShardIdError(String);

impl FromStr for ShardId {
    type Err = ParseShardIdError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        text.strip_prefix(Self::PREFIX)
            .filter(|digits| digits.len() == Self::DIGITS && digits.bytes().all(|b| b.is_ascii_digit()))
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
        assert_eq!(ShardId(u64::MAX).to_string(), format!("shardId-{}", u64::MAX));
        assert_eq!(ShardId(1_234_567_890_123).to_string(), "shardId-1234567890123");
        assert_eq!("shardId-000000000007".parse(), Ok(ShardId(7)));
        for bad in ["shardId-7", "shardId-+00000000007", "shard-000000000007", ""] {
            assert!(bad.parse::<ShardId>().is_err(), "{bad}");
        }
    }
}
