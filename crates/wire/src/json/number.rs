//! Number literals.

use millstream_shapes::DecodeError;
use millstream_types::Timestamp;

/// A number literal whose form has been checked.
#[derive(Clone, Copy, Debug)]
pub(super) struct Number<'a> {
    text: &'a str,
    whole: bool,
}

/// The number that starts `input`, and what follows it.
pub(super) fn number(input: &[u8]) -> Result<(Number<'_>, &[u8]), DecodeError> {
    let is_part = |byte: &u8| byte.is_ascii_digit() || matches!(byte, b'-' | b'+' | b'.' | b'e' | b'E');
    let end = input.iter().position(|byte| !is_part(byte)).unwrap_or(input.len());
    let (raw, rest) = input.split_at_checked(end).unwrap_or_default();
    let text = std::str::from_utf8(raw).unwrap_or_default();
    let whole =
        check_form(text).ok_or_else(|| DecodeError::new("A number is not written as JSON numbers are"))?;
    Ok((Number { text, whole }, rest))
}

/// Whether the number is an integer literal; nothing if it is no JSON number.
fn check_form(text: &str) -> Option<bool> {
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    let unsigned = text.strip_prefix('-').unwrap_or(text);
    let (mantissa, exponent) = match unsigned.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => (mantissa, Some(exponent)),
        None => (unsigned, None),
    };
    let (integer, fraction) = match mantissa.split_once('.') {
        Some((integer, fraction)) => (integer, Some(fraction)),
        None => (mantissa, None),
    };
    let leading_zero = integer.len() > 1 && integer.starts_with('0');
    let exponent_digits = exponent.map(|e| e.strip_prefix(['+', '-']).unwrap_or(e));
    let well_formed =
        digits(integer) && !leading_zero && fraction.is_none_or(digits) && exponent_digits.is_none_or(digits);
    well_formed.then_some(fraction.is_none() && exponent.is_none())
}

impl Number<'_> {
    /// As an integer. A fraction is cut off, as AWS does.
    pub(super) fn long(self, name: &'static str) -> Result<i64, DecodeError> {
        let refuse = || DecodeError::new(format!("NUMBER_VALUE cannot be converted to {name}"));
        if self.whole {
            return self.text.parse().map_err(|_error: std::num::ParseIntError| refuse());
        }
        let value = self.double()?.trunc();
        // Below 2^53 every integer is exact as a double.
        if value.abs() > 9_007_199_254_740_992.0 {
            return Err(refuse());
        }
        format!("{value:.0}").parse().map_err(|_error: std::num::ParseIntError| refuse())
    }

    pub(super) fn double(self) -> Result<f64, DecodeError> {
        let value: Option<f64> = self.text.parse().ok().filter(|value: &f64| value.is_finite());
        value.ok_or_else(|| DecodeError::new("NUMBER_VALUE cannot be converted to Double"))
    }

    /// As seconds since the epoch with a fraction, to the nearest millisecond.
    pub(super) fn timestamp(self) -> Result<Timestamp, DecodeError> {
        let refuse = || DecodeError::new("NUMBER_VALUE cannot be converted to Timestamp");
        if self.whole {
            let seconds: Option<u64> = self.text.parse().ok();
            let millis = seconds.and_then(|seconds| seconds.checked_mul(1_000)).ok_or_else(refuse)?;
            return Ok(Timestamp::from_millis(millis));
        }
        let millis = (self.double()? * 1_000.0).round();
        if !(0.0..=9_007_199_254_740_992.0).contains(&millis) {
            return Err(refuse());
        }
        format!("{:.0}", millis.abs())
            .parse()
            .map(Timestamp::from_millis)
            .map_err(|_error: std::num::ParseIntError| refuse())
    }
}
