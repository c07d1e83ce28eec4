//! JSON bodies, straight between bytes and typed values: no tree of values in between.

mod decode;
mod encode;
mod number;
mod text;

#[cfg(test)]
mod tests;

pub use decode::JsonDecoder;
pub use encode::JsonEncoder;

use bytes::Bytes;
use millstream_shapes::{Codec, Decode, DecodeBorrowed, DecodeError, Encode};

/// Bodies of the JSON 1.1 protocol (Kinesis).
#[derive(Clone, Copy, Debug, Default)]
pub struct Json11;

/// Bodies of the REST-JSON protocol (Lambda).
#[derive(Clone, Copy, Debug, Default)]
pub struct RestJson;

impl Codec for Json11 {
    const CONTENT_TYPE: &'static str = "application/x-amz-json-1.1";

    fn decode<T: Decode>(&self, body: &[u8]) -> Result<T, DecodeError> {
        decode(body)
    }

    fn decode_borrowed<'a, T: DecodeBorrowed<'a>>(&self, body: &'a Bytes) -> Result<T, DecodeError> {
        decode_borrowed(body)
    }

    fn encode<T: Encode>(&self, value: &T) -> Bytes {
        encode(value)
    }
}

impl Codec for RestJson {
    const CONTENT_TYPE: &'static str = "application/json";

    fn decode<T: Decode>(&self, body: &[u8]) -> Result<T, DecodeError> {
        decode(body)
    }

    fn decode_borrowed<'a, T: DecodeBorrowed<'a>>(&self, body: &'a Bytes) -> Result<T, DecodeError> {
        decode_borrowed(body)
    }

    fn encode<T: Encode>(&self, value: &T) -> Bytes {
        encode(value)
    }
}

/// Reads one value that is the whole of `body`. An empty body is a structure without members.
pub fn decode<T: Decode>(body: &[u8]) -> Result<T, DecodeError> {
    let mut decoder = decoder(body);
    let value = T::decode(&mut decoder)?;
    decoder.finish()?;
    Ok(value)
}

/// As [`decode`], for a value that borrows from `body`.
pub fn decode_borrowed<'a, T: DecodeBorrowed<'a>>(body: &'a [u8]) -> Result<T, DecodeError> {
    let mut decoder = decoder(body);
    let value = T::decode_borrowed(&mut decoder)?;
    decoder.finish()?;
    Ok(value)
}

fn decoder(body: &[u8]) -> JsonDecoder<'_> {
    JsonDecoder::new(if body.is_empty() { b"{}" } else { body })
}

pub fn encode<T: Encode>(value: &T) -> Bytes {
    let mut encoder = JsonEncoder::with_capacity(value.expected_bytes());
    value.encode(&mut encoder);
    encoder.finish()
}
