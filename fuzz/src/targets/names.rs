//! Numbers and names that clients send as text.

use super::PLAIN;
use crate::{Target, Verdict};
use millstream_shapes::{FromText, percent_decode};
use millstream_types::{Arn, HashKey, SequenceNumber, ShardId, Timestamp};
use std::fmt::Display;
use std::str::FromStr;

pub(super) const NAMES: Target = Target {
    name: "names",
    about: "sequence numbers, shard ids, hash keys, ARNs, times, percent-encoding",
    seeds: || {
        [
            "49000000000000000000000000000000000000000000000000000000",
            "49000000000000000000000000000000000018446744073709551616",
            "shardId-000000000001",
            "shardId-18446744073709551615",
            "340282366920938463463374607431768211455",
            "arn:aws:kinesis:us-east-1:000000000000:stream/orders/consumer/app:1700000000",
            "arn:aws:lambda:us-east-1:000000000000:function:f",
            "1700000000.123",
            "2023-11-14T22:13:20Z",
            "Tue, 14 Nov 2023 22:13:20 GMT",
            "a%2Fb%20c",
            "-1.5e9",
            "true",
        ]
        .map(|text| text.as_bytes().to_vec())
        .into()
    },
    check,
    longest: 1_024,
    memory: (16 << 10, 16),
    ..PLAIN
};

/// What reads is written in one way only, and that reads as the same.
fn same<T: FromStr + Display + PartialEq + std::fmt::Debug>(text: &str) -> bool {
    let Ok(value) = text.parse::<T>() else { return false };
    assert_eq!(value.to_string().parse::<T>().ok().as_ref(), Some(&value), "{text}");
    true
}

fn check(bytes: &[u8]) -> Verdict {
    let Ok(text) = std::str::from_utf8(bytes) else { return Verdict::Refused };
    let mut known = same::<SequenceNumber>(text) | same::<ShardId>(text) | same::<HashKey>(text);
    if let Ok(arn) = text.parse::<Arn>() {
        known = true;
        assert!(arn.stream_name().is_none_or(|name| !name.is_empty() && arn.resource.contains(name)));
    }
    if let Some(decoded) = percent_decode(text) {
        assert!(decoded.len() <= text.len());
    }
    known |= Timestamp::from_text(text).is_ok() | i32::from_text(text).is_ok() | i64::from_text(text).is_ok();
    known |= bool::from_text(text).is_ok() | f64::from_text(text).is_ok();
    if known { Verdict::Read } else { Verdict::Refused }
}
