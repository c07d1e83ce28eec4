use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;

/// A point of the hash key space, 0 to 2^128 − 1: the MD5 of a partition key, or an explicit hash key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct HashKey(pub u128);

impl fmt::Display for HashKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}

#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a hash key from 0 to 2^128 - 1")]
pub struct ParseHashKeyError;

impl FromStr for HashKey {
    type Err = ParseHashKeyError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if text.is_empty() || !text.bytes().all(|b| b.is_ascii_digit()) {
            return Err(ParseHashKeyError);
        }
        text.parse().map(Self).or(Err(ParseHashKeyError))
    }
}

// Stored as decimal text: JSON numbers do not hold 128 bits.
impl Serialize for HashKey {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for HashKey {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

/// The hash keys of a shard, both ends included.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct HashRange {
    pub start: HashKey,
    pub end: HashKey,
}

impl HashRange {
    pub fn contains(&self, key: HashKey) -> bool {
        self.start <= key && key <= self.end
    }

    /// `parts` ranges that tile the whole space, as AWS cuts it: equal but for the last, which takes the rest.
    pub fn tile(parts: u32) -> Vec<Self> {
        let parts = u128::from(parts.max(1));
        // 2^128 / parts; with one part that is 2^128 itself, which no u128 holds and nobody needs.
        let width = (u128::MAX / parts).saturating_add(u128::from(u128::MAX % parts == parts - 1));
        (0..parts)
            .map(|part| {
                let end = if part + 1 == parts { u128::MAX } else { (part + 1) * width - 1 };
                Self { start: HashKey(part * width), end: HashKey(end) }
            })
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tiles_leave_no_gap() {
        for parts in [1, 2, 3, 4, 7, 1_000] {
            let tiles = HashRange::tile(parts);
            assert_eq!(tiles.len(), parts as usize);
            assert_eq!((tiles[0].start.0, tiles[tiles.len() - 1].end.0), (0, u128::MAX));
            for pair in tiles.windows(2) {
                assert_eq!(pair[0].end.0 + 1, pair[1].start.0);
            }
        }
        assert_eq!(HashRange::tile(4)[1].start.to_string(), "85070591730234615865843651857942052864");
    }

    #[test]
    fn only_digits_are_keys() {
        assert_eq!("0".parse(), Ok(HashKey(0)));
        for bad in ["", "-1", "+1", "0x1", "340282366920938463463374607431768211456"] {
            assert!(bad.parse::<HashKey>().is_err(), "{bad}");
        }
    }
}
