//! Heads of data items: what comes next, and how long it is.

use millstream_shapes::DecodeError;

/// The number of bytes, elements or entries; nothing if a break ends them.
pub(super) type Length = Option<u64>;

/// What the head of a data item says. Scalars are complete; of the others the content follows.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Item {
    Unsigned(u64),
    /// The number is minus one minus this.
    Negative(u64),
    Float(f64),
    Boolean(bool),
    /// Null or undefined.
    Null,
    /// A simple value to which nobody has given a meaning.
    Simple,
    Bytes(Length),
    Text(Length),
    List(Length),
    Map(Length),
    Tag,
    /// The end of what has no length.
    Break,
}

/// The item whose head starts `input`, and what follows the head.
pub(super) fn item(input: &[u8]) -> Result<(Item, &[u8]), DecodeError> {
    let (first, rest) = input.split_first().ok_or_else(unexpected_end)?;
    let (kind, info) = (first >> 5, first & 0x1f);
    let width = match info {
        0..=23 | 31 => 0,
        24 => 1,
        25 => 2,
        26 => 4,
        27 => 8,
        _ => return Err(DecodeError::new("A length is written in a way that CBOR reserves")),
    };
    let (digits, rest) = rest.split_at_checked(width).ok_or_else(unexpected_end)?;
    let argument = match width {
        0 => u64::from(info),
        _ => digits.iter().fold(0, |number, digit| number << 8 | u64::from(*digit)),
    };
    let length = (info != 31).then_some(argument);
    let item = match (kind, length) {
        (0, Some(number)) => Item::Unsigned(number),
        (1, Some(number)) => Item::Negative(number),
        (2, length) => Item::Bytes(length),
        (3, length) => Item::Text(length),
        (4, length) => Item::List(length),
        (5, length) => Item::Map(length),
        (6, Some(_)) => Item::Tag,
        (7, None) => Item::Break,
        (7, Some(argument)) => simple(info, argument)?,
        _ => return Err(DecodeError::new("A number or a tag without a value")),
    };
    Ok((item, rest))
}

fn simple(info: u8, argument: u64) -> Result<Item, DecodeError> {
    Ok(match info {
        20 => Item::Boolean(false),
        21 => Item::Boolean(true),
        22 | 23 => Item::Null,
        24 if argument < 32 => return Err(DecodeError::new("A simple value is written longer than it is")),
        25 => Item::Float(half(argument)),
        26 => Item::Float(f64::from(f32::from_bits(u32::try_from(argument).unwrap_or_default()))),
        27 => Item::Float(f64::from_bits(argument)),
        _ => Item::Simple,
    })
}

/// A number of half precision (IEEE 754 binary16): sign, five bits of exponent, ten of fraction.
fn half(bits: u64) -> f64 {
    let exponent = i32::try_from(bits >> 10 & 0x1f).unwrap_or_default();
    let fraction = f64::from(u32::try_from(bits & 0x3ff).unwrap_or_default());
    let magnitude = match exponent {
        0 => fraction * 2_f64.powi(-24),
        31 if fraction > 0.0 => f64::NAN,
        31 => f64::INFINITY,
        _ => (fraction + 1_024.0) * 2_f64.powi(exponent.saturating_sub(25)),
    };
    if bits >> 15 & 1 == 1 { -magnitude } else { magnitude }
}

pub(super) fn unexpected_end() -> DecodeError {
    DecodeError::new("Unexpected end of the body: it is not a complete CBOR value")
}
