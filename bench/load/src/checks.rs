//! What an answer says went wrong.

use crate::bodies::Encoding;
use memchr::memmem;

/// Records of a PutRecords answer that were not taken; `None` if the answer does not say.
pub(crate) fn failed_records(body: &[u8], encoding: Encoding) -> Option<u64> {
    match encoding {
        Encoding::Json => number_after(body, b"\"FailedRecordCount\""),
        Encoding::Cbor => {
            let name = b"FailedRecordCount";
            let rest = &body[memmem::find(body, name)? + name.len()..];
            match *rest.first()? {
                small @ 0..24 => Some(u64::from(small)),
                24 => rest.get(1).map(|byte| u64::from(*byte)),
                25 => Some(u64::from(u16::from_be_bytes(*rest.get(1..)?.first_chunk()?))),
                _ => None,
            }
        }
    }
}

/// The number behind a member's name in JSON.
pub(crate) fn number_after(body: &[u8], name: &[u8]) -> Option<u64> {
    let rest = &body[memmem::find(body, name)? + name.len()..];
    let digits: String = rest
        .iter()
        .map(|byte| char::from(*byte))
        .skip_while(|c| *c == ':' || *c == ' ')
        .take_while(char::is_ascii_digit)
        .collect();
    digits.parse().ok()
}

/// A short name for an answer that is no success: its status and error type.
pub(crate) fn error_name(status: u16, body: &[u8]) -> String {
    let json: Option<serde_json::Value> = serde_json::from_slice(body).ok();
    let name = json.and_then(|json| Some(json.get("__type")?.as_str()?.to_owned()));
    let name = name.unwrap_or_else(|| {
        let text = String::from_utf8_lossy(body);
        text.chars().filter(|c| c.is_ascii_graphic() || *c == ' ').take(80).collect()
    });
    format!("{status} {name}").trim_end().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn failures_are_counted_in_both_encodings() {
        assert_eq!(failed_records(br#"{"FailedRecordCount":0,"Records":[]}"#, Encoding::Json), Some(0));
        assert_eq!(failed_records(br#"{"FailedRecordCount": 12}"#, Encoding::Json), Some(12));
        assert_eq!(failed_records(b"{}", Encoding::Json), None);
        let cbor = |count: &[u8]| [b"\xa1\x71FailedRecordCount", count].concat();
        assert_eq!(failed_records(&cbor(&[3]), Encoding::Cbor), Some(3));
        assert_eq!(failed_records(&cbor(&[25, 1, 244]), Encoding::Cbor), Some(500));
    }

    #[test]
    fn errors_have_their_aws_name() {
        let body = br#"{"__type":"ResourceNotFoundException","message":"m"}"#;
        assert_eq!(error_name(400, body), "400 ResourceNotFoundException");
        assert_eq!(error_name(502, b"bad\r\ngateway"), "502 badgateway");
    }
}
