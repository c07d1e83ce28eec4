//! Opaque tokens: where a page ended.

use crate::error::Failure;
use crate::store::Place;
use base64_simd::URL_SAFE_NO_PAD as BASE64;
use millstream_types::Timestamp;

/// A place as 56 digits: the time, then the number. The order of the digits is the order of places.
pub(crate) fn digits(place: Place) -> String {
    format!("{:020}{:036}", place.timestamp.millis(), place.number)
}

pub(crate) fn place(digits: &str) -> Option<Place> {
    if digits.len() != 56 || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let (time, number) = digits.split_at(20);
    Some(Place { timestamp: Timestamp::from_millis(time.parse().ok()?), number: number.parse().ok()? })
}

/// Fields that the client carries for us. None of them holds a line break.
pub(crate) fn seal(kind: &str, fields: &[&str]) -> String {
    let mut text = kind.to_owned();
    for field in fields {
        text.push('\n');
        text.push_str(field);
    }
    let sum = crc32c::crc32c(text.as_bytes());
    BASE64.encode_to_string(format!("{sum:08x}{text}"))
}

/// The fields of a token of this kind.
pub(crate) fn open<const N: usize>(kind: &str, token: &str) -> Result<[String; N], Failure> {
    let fields = || {
        let text = String::from_utf8(BASE64.decode_to_vec(token).ok()?).ok()?;
        let (sum, rest) = text.split_at_checked(8)?;
        if u32::from_str_radix(sum, 16).ok()? != crc32c::crc32c(rest.as_bytes()) {
            return None;
        }
        let mut fields = rest.split('\n');
        if fields.next()? != kind {
            return None;
        }
        fields.map(str::to_owned).collect::<Vec<_>>().try_into().ok()
    };
    fields().ok_or_else(Failure::bad_token)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_was_sealed_opens() {
        let token = seal("groups", &["/aws/lambda/f", ""]);
        assert_eq!(open::<2>("groups", &token).unwrap(), ["/aws/lambda/f", ""]);
        for (kind, bad) in
            [("streams", token.as_str()), ("groups", ""), ("groups", "AAAA"), ("groups", "no!")]
        {
            assert!(open::<2>(kind, bad).is_err(), "{kind} {bad}");
        }
        assert!(open::<1>("groups", &token).is_err() && open::<2>("groups", &token[1..]).is_err());
    }

    #[test]
    fn places_are_digits_in_order() {
        let at = |time, number| Place { timestamp: Timestamp::from_millis(time), number };
        for one in [at(0, 0), at(1, u64::MAX), at(1_800_000_000_000, 7)] {
            assert_eq!(place(&digits(one)), Some(one));
        }
        assert!(digits(at(1, u64::MAX)) < digits(at(2, 0)));
        assert_eq!(place("7"), None);
        assert_eq!(place(&"9".repeat(56)), None);
    }
}
