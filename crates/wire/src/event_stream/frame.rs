use crate::caps::{MAX_FRAME, MAX_FRAME_HEADERS};
use bytes::{BufMut, Bytes, BytesMut};

/// Total length, length of headers, CRC of both.
const PRELUDE: usize = 12;
const CRC: usize = 4;
/// The type of a string value.
const STRING: u8 = 7;

/// A frame that was read. Headers that are not strings are left out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Frame {
    pub headers: Vec<(String, String)>,
    pub payload: Bytes,
}

impl Frame {
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(header, _)| header == name).map(|(_, value)| value.as_str())
    }
}

/// Why bytes are not a frame.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FrameError {
    #[error("an event stream frame cannot have {total} bytes, {headers} of them headers")]
    Lengths { total: u32, headers: u32 },
    #[error("the prelude of an event stream frame is damaged")]
    PreludeChecksum,
    #[error("an event stream frame is damaged")]
    MessageChecksum,
    /// A header that is cut short, or whose name or value is not what its type says.
    #[error("an event stream frame has a malformed header")]
    Header,
}

/// A frame as bytes. Names and values are ours and short; a value longer than a header can be is cut.
pub fn encode(headers: &[(&str, &str)], payload: &[u8]) -> Bytes {
    let mut block = BytesMut::new();
    for (name, value) in headers {
        let name = cut(name, u8::MAX.into());
        let value = cut(value, u16::MAX.into());
        block.put_u8(u8::try_from(name.len()).unwrap_or(u8::MAX));
        block.put_slice(name.as_bytes());
        block.put_u8(STRING);
        block.put_u16(u16::try_from(value.len()).unwrap_or(u16::MAX));
        block.put_slice(value.as_bytes());
    }
    let total = PRELUDE.saturating_add(block.len()).saturating_add(payload.len()).saturating_add(CRC);
    let mut out = BytesMut::with_capacity(total);
    out.put_u32(u32::try_from(total).unwrap_or(u32::MAX));
    out.put_u32(u32::try_from(block.len()).unwrap_or(u32::MAX));
    out.put_u32(crc32fast::hash(&out));
    out.put_slice(&block);
    out.put_slice(payload);
    out.put_u32(crc32fast::hash(&out));
    out.freeze()
}

/// At most `limit` bytes of `text`, ending at a character.
fn cut(text: &str, limit: usize) -> &str {
    let mut end = text.len().min(limit);
    while !text.is_char_boundary(end) {
        end = end.saturating_sub(1);
    }
    text.get(..end).unwrap_or_default()
}

/// The frame at the start of `input`, and how many bytes it takes; nothing if more bytes are needed.
pub fn decode(input: &[u8]) -> Result<Option<(Frame, usize)>, FrameError> {
    let Some((prelude, _)) = input.split_at_checked(PRELUDE) else { return Ok(None) };
    let (lengths, prelude_crc) = prelude.split_at_checked(8).unwrap_or_default();
    let (total, header_bytes) = (u32_at(lengths, 0), u32_at(lengths, 4));
    if crc32fast::hash(lengths) != u32_at(prelude_crc, 0) {
        return Err(FrameError::PreludeChecksum);
    }
    let wrong = FrameError::Lengths { total, headers: header_bytes };
    let (Ok(size), Ok(header_size)) = (usize::try_from(total), usize::try_from(header_bytes)) else {
        return Err(wrong);
    };
    let least = PRELUDE.saturating_add(CRC).saturating_add(header_size);
    if size > MAX_FRAME || header_size > MAX_FRAME_HEADERS || size < least {
        return Err(wrong);
    }
    let Some((message, _)) = input.split_at_checked(size) else { return Ok(None) };
    let (checked, crc) = message.split_at_checked(size.saturating_sub(CRC)).unwrap_or_default();
    if crc32fast::hash(checked) != u32_at(crc, 0) {
        return Err(FrameError::MessageChecksum);
    }
    let body = checked.get(PRELUDE..).unwrap_or_default();
    let (block, payload) = body.split_at_checked(header_size).unwrap_or_default();
    let frame = Frame { headers: headers(block)?, payload: Bytes::copy_from_slice(payload) };
    Ok(Some((frame, size)))
}

fn headers(mut block: &[u8]) -> Result<Vec<(String, String)>, FrameError> {
    let mut headers = Vec::new();
    while let Some((length, rest)) = block.split_first() {
        let (name, rest) = rest.split_at_checked(usize::from(*length)).ok_or(FrameError::Header)?;
        let (kind, rest) = rest.split_first().ok_or(FrameError::Header)?;
        let (size, rest) = value_size(*kind, rest)?;
        let (value, rest) = rest.split_at_checked(size).ok_or(FrameError::Header)?;
        if *kind == STRING {
            headers.push((utf8(name)?, utf8(value)?));
        }
        block = rest;
    }
    Ok(headers)
}

/// The size of a value of type `kind`, and the bytes from where it starts.
fn value_size(kind: u8, rest: &[u8]) -> Result<(usize, &[u8]), FrameError> {
    Ok(match kind {
        // True, false; then byte, short, integer, long.
        0 | 1 => (0, rest),
        2 => (1, rest),
        3 => (2, rest),
        4 => (4, rest),
        // Timestamps are longs; byte arrays and strings say their length in two bytes; UUIDs have sixteen.
        5 | 8 => (8, rest),
        6 | STRING => {
            let (length, rest) = rest.split_at_checked(2).ok_or(FrameError::Header)?;
            let length = <[u8; 2]>::try_from(length).map_or(0, u16::from_be_bytes);
            (usize::from(length), rest)
        }
        9 => (16, rest),
        _ => return Err(FrameError::Header),
    })
}

fn utf8(bytes: &[u8]) -> Result<String, FrameError> {
    std::str::from_utf8(bytes).map(str::to_owned).map_err(|_not_text: std::str::Utf8Error| FrameError::Header)
}

/// The big-endian number at `at`; the caller has checked that it is there.
fn u32_at(bytes: &[u8], at: usize) -> u32 {
    let four = bytes.get(at..).and_then(<[u8]>::first_chunk::<4>);
    four.map_or(0, |four| u32::from_be_bytes(*four))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event_stream::{error, event};
    use proptest::prelude::*;

    /// The example frame with one string header, worked out by hand: 1 + 2 + 1 + 2 + 3 bytes of header, 2 of payload.
    #[test]
    fn a_frame_byte_by_byte() {
        let frame = encode(&[("ab", "xyz")], b"{}");
        assert_eq!(&frame[..8], [0, 0, 0, 27, 0, 0, 0, 9]);
        assert_eq!(&frame[12..21], b"\x02ab\x07\x00\x03xyz");
        assert_eq!(&frame[21..23], b"{}");
        // CRC-32 of the eight length bytes, and of all before the last four, computed with zlib.
        assert_eq!(&frame[8..12], PRELUDE_CRC);
        assert_eq!(&frame[23..], MESSAGE_CRC);
    }

    const PRELUDE_CRC: [u8; 4] = [0x0b, 0xce, 0xc1, 0x5e];
    const MESSAGE_CRC: [u8; 4] = [0x43, 0xf0, 0x15, 0xb9];

    #[test]
    fn the_empty_frame_of_the_specification() {
        // 16 bytes: the well-known vector of a message without headers and payload.
        let bytes = [0, 0, 0, 16, 0, 0, 0, 0, 0x05, 0xc2, 0x48, 0xeb, 0x7d, 0x98, 0xc8, 0xff];
        assert_eq!(encode(&[], b""), bytes.as_slice());
        assert_eq!(decode(&bytes), Ok(Some((Frame { headers: vec![], payload: Bytes::new() }, 16))));
    }

    #[test]
    fn frames_come_back() {
        let bytes = event("SubscribeToShardEvent", "application/json", b"{\"a\":1}");
        let (frame, size) = decode(&bytes).unwrap().unwrap();
        assert_eq!(size, bytes.len());
        assert_eq!(frame.header(":message-type"), Some("event"));
        assert_eq!(frame.header(":event-type"), Some("SubscribeToShardEvent"));
        assert_eq!(frame.payload, "{\"a\":1}");
        let (frame, _) = decode(&error("InternalFailure", "oh")).unwrap().unwrap();
        assert_eq!(frame.header(":error-message"), Some("oh"));
    }

    #[test]
    fn damage_is_noticed() {
        let good = event("E", "application/json", b"{}");
        for at in 0..good.len() {
            let mut bad = good.to_vec();
            bad[at] ^= 0x10;
            assert!(decode(&bad).is_err(), "a flipped bit at {at} went unnoticed");
            assert_eq!(decode(&good[..at]), Ok(None), "cut at {at}");
        }
    }

    #[test]
    fn headers_of_other_types_are_passed_over() {
        let block =
            [&b"\x01a\x00"[..], b"\x01b\x04\0\0\0\x01", b"\x01c\x06\0\x01z", b"\x01d\x07\0\x01v"].concat();
        assert_eq!(headers(&block), Ok(vec![("d".to_owned(), "v".to_owned())]));
        assert_eq!(headers(b"\x01a\x0a"), Err(FrameError::Header));
        assert_eq!(headers(b"\x05a"), Err(FrameError::Header));
    }

    proptest! {
        #[test]
        fn any_bytes_are_refused_or_read(bytes in proptest::collection::vec(any::<u8>(), 0..256)) {
            if let Ok(Some((_, size))) = decode(&bytes) {
                prop_assert!(size <= bytes.len());
            }
            if let Ok(found) = headers(&bytes) {
                prop_assert!(found.len() <= bytes.len());
            }
        }

        #[test]
        fn any_frame_comes_back(name in "[a-z:-]{1,20}", value in "\\PC{0,40}", payload: Vec<u8>) {
            let bytes = encode(&[(&name, &value)], &payload);
            let (frame, size) = decode(&bytes).unwrap().unwrap();
            prop_assert_eq!(size, bytes.len());
            prop_assert_eq!(frame.header(&name), Some(value.as_str()));
            prop_assert_eq!(frame.payload, payload);
        }
    }
}
