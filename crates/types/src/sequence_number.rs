use crate::{Position, ShardId, decimal};
use std::fmt;
use std::str::FromStr;

/// A Kinesis sequence number: 56 decimal digits that start with 49, as AWS's do.
///
/// The digits after the 49 are `shard << 64 | place`, so a number names its shard, numbers grow within a shard, a
/// child's are above its parent's (children are created later), and text order is number order. Place 0 is the shard's
/// start, before any record; the record at log position p has place p + 1. With that `AFTER_SEQUENCE_NUMBER` of a
/// shard's `StartingSequenceNumber` gives its first record.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SequenceNumber {
    shard: ShardId,
    place: u64,
}

impl SequenceNumber {
    const PREFIX: &'static str = "49";
    const DIGITS: usize = 56;

    /// The number of the record at `position` of `shard`.
    pub const fn of_record(shard: ShardId, position: Position) -> Self {
        Self { shard, place: position.0 + 1 }
    }

    /// The shard's `StartingSequenceNumber`: below every record's.
    pub const fn start_of(shard: ShardId) -> Self {
        Self { shard, place: 0 }
    }

    pub const fn shard(self) -> ShardId {
        self.shard
    }

    /// Where a reader stands that wants this record first. The start of a shard stands at its first record.
    pub const fn position(self) -> Position {
        Position(self.place.saturating_sub(1))
    }

    /// The number of the next record of the shard.
    #[must_use]
    pub const fn next(self) -> Self {
        Self { shard: self.shard, place: self.place + 1 }
    }

    pub fn text(self) -> SequenceNumberText {
        let mut text = [0; Self::DIGITS];
        let (prefix, digits) = text.split_at_mut(Self::PREFIX.len());
        prefix.copy_from_slice(Self::PREFIX.as_bytes());
        decimal::fill(digits, u128::from(self.shard.0) << 64 | u128::from(self.place));
        SequenceNumberText(text)
    }

    /// Where a reader stands that has had this record.
    pub const fn position_after(self) -> Position {
        Position(self.place)
    }
}

/// A [`SequenceNumber`] as it is written, without a `String` of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SequenceNumberText([u8; SequenceNumber::DIGITS]);

impl SequenceNumberText {
    /// Decimal digits.
    pub const fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// Makes of a number's text the text of the shard's next number.
    pub fn advance(digits: &mut [u8]) {
        for digit in digits.iter_mut().rev() {
            if *digit < b'9' {
                *digit += 1;
                return;
            }
            *digit = b'0';
        }
    }
}

impl fmt::Display for SequenceNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(std::str::from_utf8(self.text().as_bytes()).unwrap_or_default())
    }
}

#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a sequence number of this service")]
pub struct ParseSequenceNumberError;

impl FromStr for SequenceNumber {
    type Err = ParseSequenceNumberError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let value = text
            .strip_prefix(Self::PREFIX)
            .filter(|_| text.len() == Self::DIGITS && text.bytes().all(|b| b.is_ascii_digit()))
            .and_then(|digits| digits.parse::<u128>().ok())
            .ok_or(ParseSequenceNumberError)?;
        let high = u64::try_from(value >> 64).or(Err(ParseSequenceNumberError))?;
        let low = u64::try_from(value & u128::from(u64::MAX)).or(Err(ParseSequenceNumberError))?;
        Ok(Self { shard: ShardId(high), place: low })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn order_of_numbers_is_order_of_texts() {
        let parent = SequenceNumber::of_record(ShardId(0), Position(u64::MAX - 1));
        let start = SequenceNumber::start_of(ShardId(1));
        let first = SequenceNumber::of_record(ShardId(1), Position(0));
        for pair in [(parent, start), (start, first)] {
            assert!(pair.0 < pair.1 && pair.0.to_string() < pair.1.to_string());
        }
        assert_eq!(first.to_string().len(), 56);
    }

    #[test]
    fn the_next_text_is_the_next_numbers() {
        for place in [0, 1, 8, 98, 99_999, u64::MAX - 2] {
            let number = SequenceNumber::of_record(ShardId(9), Position(place));
            let mut text = number.text();
            SequenceNumberText::advance(&mut text.0);
            assert_eq!(text, number.next().text());
        }
    }

    #[test]
    fn a_text_reads_back() {
        let number = SequenceNumber::of_record(ShardId(12), Position(34));
        assert_eq!(number.to_string().parse(), Ok(number));
        assert_eq!(number.position(), Position(34));
        assert_eq!(number.position_after(), Position(35));
        assert_eq!(SequenceNumber::start_of(ShardId(3)).position_after(), Position(0));
        for bad in ["", "0", "49", &"9".repeat(56), &format!("{number}0")] {
            assert!(bad.parse::<SequenceNumber>().is_err(), "{bad}");
        }
    }
}
