//! Frames of event streams.

use super::PLAIN;
use crate::{Target, Verdict};
use millstream_wire::event_stream::{self, Frame};

pub(super) const EVENT_STREAM: Target = Target {
    name: "event_stream",
    about: "a frame of an event stream",
    seeds: || {
        vec![
            event_stream::initial_response("application/x-amz-json-1.1", b"{}").to_vec(),
            event_stream::event("SubscribeToShardEvent", "application/x-amz-cbor-1.1", b"\xa0").to_vec(),
            event_stream::exception(
                "ResourceNotFoundException",
                "application/x-amz-json-1.1",
                b"{\"message\":\"no\"}",
            )
            .to_vec(),
            event_stream::error("InternalFailure", "it broke").to_vec(),
            event_stream::encode(&[], b"").to_vec(),
        ]
    },
    repair: Some(|bytes| repair(bytes)),
    check,
    ..PLAIN
};

fn check(bytes: &[u8]) -> Verdict {
    let Ok(Some((frame, size))) = event_stream::decode(bytes) else { return Verdict::Refused };
    assert!((16..=bytes.len()).contains(&size));
    let alone = event_stream::decode(&bytes[..size]).expect("bytes behind a frame do not matter");
    assert_eq!(alone, Some((frame.clone(), size)));
    let headers: Vec<(&str, &str)> =
        frame.headers.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    let again = event_stream::encode(&headers, &frame.payload);
    // What is no text is left out, so it may only be shorter.
    assert!(again.len() <= size);
    let expected: (Frame, usize) = (frame, again.len());
    assert_eq!(event_stream::decode(&again), Ok(Some(expected)));
    Verdict::Read
}

/// The lengths are taken as they are, if they can be; then both checksums.
fn repair(bytes: &mut [u8]) {
    if bytes.len() < 16 {
        return;
    }
    let crc = crc32fast::hash(&bytes[..8]);
    bytes[8..12].copy_from_slice(&crc.to_be_bytes());
    let total = bytes.first_chunk::<4>().map_or(0, |field| u32::from_be_bytes(*field));
    let Some(end) = usize::try_from(total).ok().filter(|end| (16..=bytes.len()).contains(end)) else {
        return;
    };
    let crc = crc32fast::hash(&bytes[..end - 4]);
    bytes[end - 4..end].copy_from_slice(&crc.to_be_bytes());
}
