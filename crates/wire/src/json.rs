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
use millstream_shapes::{Codec, Decode, DecodeError, Encode};

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

    fn encode<T: Encode>(&self, value: &T) -> Bytes {
        encode(value)
    }
}

impl Codec for RestJson {
    const CONTENT_TYPE: &'static str = "application/json";

    fn decode<T: Decode>(&self, body: &[u8]) -> Result<T, DecodeError> {
        decode(body)
    }

    fn encode<T: Encode>(&self, value: &T) -> Bytes {
        encode(value)
    }
}

/// Reads one value that is the whole of `body`. An empty body is a structure without members.
pub fn decode<T: Decode>(body: &[u8]) -> Result<T, DecodeError> {
    let mut decoder = JsonDecoder::new(if body.is_empty() { b"{}" } else { body });
    let value = T::decode(&mut decoder)?;
    decoder.finish()?;
    Ok(value)
}

pub fn encode<T: Encode>(value: &T) -> Bytes {
    let mut encoder = JsonEncoder::default();
    value.encode(&mut encoder);
    encoder.finish()
}
