//! Limits on what a message may make us hold.

/// Containers inside one another in a body.
pub const MAX_DEPTH: usize = 64;

/// List elements and map entries in one body: one or two bytes of input can become a structure of a few hundred bytes.
pub const MAX_ELEMENTS: usize = 65_536;

/// Bytes of one event stream frame, as the SDKs accept them: 16 MiB of payload, 128 KiB of headers.
pub const MAX_FRAME: usize = 16 * 1024 * 1024 + MAX_FRAME_HEADERS + 16;

/// Bytes of headers in one event stream frame.
pub const MAX_FRAME_HEADERS: usize = 128 * 1024;

/// Bytes of an escaped text that becomes part of an error message.
pub const MAX_SHOWN: usize = 64;

/// How far a signature's time may be from ours, in seconds, either way.
pub const SIGNATURE_SKEW_SECS: u64 = 5 * 60;

/// The longest that a presigned request may be good for: a week.
pub const PRESIGNED_SECS: u64 = 7 * 24 * 60 * 60;
