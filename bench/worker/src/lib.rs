//! What a function does with an event of a stream, for the function itself and for the loop that it is compared with.

use serde::Deserialize;
use std::time::{SystemTime, UNIX_EPOCH};

/// An event, as far as a function that does nothing looks into it. All of it is parsed all the same.
#[derive(Debug, Default, Deserialize)]
pub struct Event<'a> {
    #[serde(rename = "Records", borrow, default)]
    pub records: Vec<Record<'a>>,
}

/// One record of an event.
#[derive(Debug, Deserialize)]
pub struct Record<'a> {
    #[serde(borrow)]
    pub kinesis: Kinesis<'a>,
}

/// The part of a record that the stream knows.
#[derive(Debug, Deserialize)]
pub struct Kinesis<'a> {
    /// In base64.
    pub data: &'a str,
}

/// Records' data may begin with the time of their put: nanoseconds since 1970, in so many digits.
pub const STAMP: usize = 19;
/// Base64 of a stamp with what follows it: whole groups of four characters.
const STAMP_IN_BASE64: usize = STAMP.div_ceil(3) * 4;

/// The event in these bytes.
///
/// # Errors
/// What is not an event: no JSON, or records of another form.
pub fn parse(event: &[u8]) -> serde_json::Result<Event<'_>> {
    serde_json::from_slice(event)
}

impl Kinesis<'_> {
    /// The time of the put, if the data begins with one.
    #[must_use]
    pub fn stamp(&self) -> Option<u64> {
        let mut bytes = [0; STAMP_IN_BASE64 / 4 * 3];
        let begin = self.data.as_bytes().get(..STAMP_IN_BASE64)?;
        let decoded = base64_simd::STANDARD.decode(begin, base64_simd::Out::from_slice(&mut bytes)).ok()?;
        std::str::from_utf8(decoded.get(..STAMP)?).ok()?.parse().ok()
    }
}

/// Nanoseconds since 1970: one clock for all processes of a machine.
#[must_use]
pub fn now() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_nanos()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_tells_when_it_was_put() {
        let data = base64_simd::STANDARD.encode_to_string(format!("{:019}and more", 1_234_567_890_123_u64));
        let event = format!(
            r#"{{"Records":[{{"kinesis":{{"partitionKey":"a\"b","data":"{data}"}},"eventName":"x"}},{{"kinesis":{{"data":"YQ=="}}}}]}}"#
        );
        let event = parse(event.as_bytes()).unwrap();
        let stamps: Vec<_> = event.records.iter().map(|record| record.kinesis.stamp()).collect();
        assert_eq!(stamps, [Some(1_234_567_890_123), None]);
    }

    #[test]
    fn what_is_no_batch_has_no_records() {
        assert!(parse(b"{}").unwrap().records.is_empty());
        assert!(parse(b"[").is_err());
    }
}
