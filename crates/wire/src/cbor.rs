//! CBOR bodies (RFC 8949), straight between bytes and typed values: no tree of values in between, and no copy of a blob
//! whose body is shared.
//!
//! Kinesis has a convention of its own for times: tag 1 around a whole number of *milliseconds*, where the RFC has
//! seconds. The SDKs for Java send it so and read nothing else; a floating-point number, which they never send, is taken
//! as the RFC means it.

mod decode;
mod encode;
mod item;

#[cfg(test)]
mod tests;

pub use decode::CborDecoder;
pub use encode::CborEncoder;

use bytes::Bytes;
use millstream_shapes::{Codec, Decode, DecodeBorrowed, DecodeError, Encode};

/// Bodies of the CBOR 1.1 protocol (Kinesis).
#[derive(Clone, Copy, Debug, Default)]
pub struct Cbor11;

impl Codec for Cbor11 {
    const CONTENT_TYPE: &'static str = "application/x-amz-cbor-1.1";

    fn decode<T: Decode>(&self, body: &[u8]) -> Result<T, DecodeError> {
        decode(&Bytes::copy_from_slice(body))
    }

    fn decode_shared<T: Decode>(&self, body: &Bytes) -> Result<T, DecodeError> {
        decode(body)
    }

    fn decode_borrowed<'a, T: DecodeBorrowed<'a>>(&self, body: &'a Bytes) -> Result<T, DecodeError> {
        decode_borrowed(body)
    }

    fn encode<T: Encode>(&self, value: &T) -> Bytes {
        encode(value)
    }
}

/// A map without entries.
static EMPTY: Bytes = Bytes::from_static(&[0xa0]);

/// Reads one value that is the whole of `body`. An empty body is a structure without members.
pub fn decode<T: Decode>(body: &Bytes) -> Result<T, DecodeError> {
    let mut decoder = decoder(body);
    let value = T::decode(&mut decoder)?;
    decoder.finish()?;
    Ok(value)
}

/// As [`decode`], for a value that borrows from `body`.
pub fn decode_borrowed<'a, T: DecodeBorrowed<'a>>(body: &'a Bytes) -> Result<T, DecodeError> {
    let mut decoder = decoder(body);
    let value = T::decode_borrowed(&mut decoder)?;
    decoder.finish()?;
    Ok(value)
}

fn decoder(body: &Bytes) -> CborDecoder<'_> {
    CborDecoder::new(if body.is_empty() { &EMPTY } else { body })
}

pub fn encode<T: Encode>(value: &T) -> Bytes {
    let mut encoder = CborEncoder::with_capacity(value.expected_bytes());
    value.encode(&mut encoder);
    encoder.finish()
}
