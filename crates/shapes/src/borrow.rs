//! Decoding without copies: values that borrow from the body they came in.
//!
//! For the few inputs where a copy of each string and blob is what costs most. What a body means, and every error in it,
//! is the same as with [`Decode`](crate::Decode).

use crate::{DecodeError, Decoder};
use bytes::Bytes;
use std::borrow::Cow;

/// A value that can read itself from any protocol and keep to the body's own memory.
pub trait DecodeBorrowed<'a>: Sized {
    fn decode_borrowed<D: BorrowDecoder<'a>>(d: &mut D) -> Result<Self, DecodeError>;
}

/// A [`Decoder`] of a body that outlives it.
pub trait BorrowDecoder<'a>: Decoder {
    /// As [`Decoder::string`]: borrowed where the body has the text as it is.
    fn borrow_string(&mut self) -> Result<Cow<'a, str>, DecodeError>;

    /// As [`Decoder::blob`], except that base64 is not looked at yet: what is wrong with it shows in
    /// [`RawBlob::append_to`].
    fn borrow_blob(&mut self) -> Result<RawBlob<'a>, DecodeError>;
}

/// A blob as it stands in a body.
#[derive(Clone, Debug)]
pub enum RawBlob<'a> {
    /// The bytes themselves.
    Plain(&'a [u8]),
    /// What should be base64 with padding. Nobody has looked at it yet.
    Base64(&'a [u8]),
    /// The bytes, put together from pieces.
    Owned(Bytes),
}

impl RawBlob<'_> {
    /// How many bytes [`append_to`](Self::append_to) appends if it can.
    pub fn length(&self) -> usize {
        match self {
            Self::Plain(bytes) => bytes.len(),
            Self::Base64(text) => {
                let padding = text.iter().rev().take(2).take_while(|byte| **byte == b'=').count();
                (text.len() / 4 * 3).saturating_sub(padding)
            }
            Self::Owned(bytes) => bytes.len(),
        }
    }

    /// Appends the bytes. Nothing if this is not base64 with padding; `out` may then end in anything.
    pub fn append_to(&self, out: &mut Vec<u8>) -> Option<()> {
        match self {
            Self::Plain(bytes) => out.extend_from_slice(bytes),
            Self::Base64(text) => base64_simd::STANDARD.decode_append(text, out).ok()?,
            Self::Owned(bytes) => out.extend_from_slice(bytes),
        }
        Some(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn appended(blob: &RawBlob<'_>) -> Option<Vec<u8>> {
        let mut out = b"before ".to_vec();
        blob.append_to(&mut out).map(|()| out)
    }

    #[test]
    fn a_blob_appends_as_many_bytes_as_it_says() {
        for length in 0..100_usize {
            let data: Vec<u8> = (0..=255).cycle().take(length).collect();
            let text = base64_simd::STANDARD.encode_to_string(&data);
            for blob in [
                RawBlob::Plain(&data),
                RawBlob::Base64(text.as_bytes()),
                RawBlob::Owned(Bytes::copy_from_slice(&data)),
            ] {
                assert_eq!(blob.length(), length);
                assert_eq!(appended(&blob).unwrap(), [b"before ".as_slice(), &data].concat());
            }
        }
    }

    #[test]
    fn what_is_not_base64_with_padding_is_refused() {
        for bad in [
            "a", "aa", "aaa", "aaaaa", "=", "====", "aa=a", "a===", "aG Vs", "aGV-", "aGVs\"", "aGVs\\",
            "ab==",
        ] {
            let blob = RawBlob::Base64(bad.as_bytes());
            assert_eq!(appended(&blob), None, "{bad}");
            assert!(base64_simd::STANDARD.decode_to_vec(bad).is_err(), "{bad}");
        }
    }
}
