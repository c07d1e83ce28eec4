//! Frames of `application/vnd.amazon.eventstream`.
//!
//! A frame is: total length, length of headers, CRC of those eight bytes; headers; payload; CRC of everything before.
//! Numbers are big-endian, CRCs are CRC-32 (IEEE). A header is a name of up to 255 bytes and a typed value; we write
//! and read strings (type 7), and pass over the other types when reading.

mod frame;

pub use frame::{Frame, FrameError, decode, encode};

use bytes::Bytes;

/// The media type of a stream of frames.
pub const CONTENT_TYPE: &str = "application/vnd.amazon.eventstream";

/// The first frame of every stream: SDKs wait for it before they answer their caller. `payload` is the operation's
/// output without the stream, in the request's protocol.
pub fn initial_response(content_type: &str, payload: &[u8]) -> Bytes {
    event("initial-response", content_type, payload)
}

/// An event of the stream; `content_type` is that of the request's protocol.
pub fn event(name: &str, content_type: &str, payload: &[u8]) -> Bytes {
    encode(&[(":message-type", "event"), (":event-type", name), (":content-type", content_type)], payload)
}

/// An error that the model names; the stream ends after it. `payload` is its body.
pub fn exception(name: &str, content_type: &str, payload: &[u8]) -> Bytes {
    encode(
        &[(":message-type", "exception"), (":exception-type", name), (":content-type", content_type)],
        payload,
    )
}

/// An error that the model does not name; the stream ends after it.
pub fn error(code: &str, message: &str) -> Bytes {
    encode(&[(":message-type", "error"), (":error-code", code), (":error-message", message)], &[])
}
