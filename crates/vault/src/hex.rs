//! Bytes as hexadecimal digits, without a table to look a secret up in.

pub(crate) fn encode(bytes: &[u8]) -> String {
    let digit = |half: u8| char::from(half + if half < 10 { b'0' } else { b'a' - 10 });
    bytes.iter().flat_map(|byte| [digit(byte >> 4), digit(byte & 0xf)]).collect()
}

/// `None` unless it is exactly `N` bytes.
pub(crate) fn decode<const N: usize>(text: &str) -> Option<[u8; N]> {
    let mut bytes = [0; N];
    if decode_to(text, &mut bytes) { Some(bytes) } else { None }
}

pub(crate) fn decode_to(text: &str, bytes: &mut [u8]) -> bool {
    let half = |digit: u8| match digit {
        b'0'..=b'9' => Some(digit - b'0'),
        b'a'..=b'f' => Some(digit - b'a' + 10),
        b'A'..=b'F' => Some(digit - b'A' + 10),
        _ => None,
    };
    let digits = text.as_bytes();
    if digits.len() != 2 * bytes.len() {
        return false;
    }
    for (byte, pair) in bytes.iter_mut().zip(digits.chunks_exact(2)) {
        match (half(pair[0]), half(pair[1])) {
            (Some(high), Some(low)) => *byte = high << 4 | low,
            _ => return false,
        }
    }
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digits_are_bytes_and_back() {
        let bytes: [u8; 4] = [0, 0x9f, 0xa0, 0xff];
        assert_eq!(encode(&bytes), "009fa0ff");
        assert_eq!(decode("009FA0ff"), Some(bytes));
        for bad in ["", "009fa0f", "009fa0fff0", "009fa0fg", "00 fa0ff"] {
            assert_eq!(decode::<4>(bad), None, "{bad}");
        }
    }
}
