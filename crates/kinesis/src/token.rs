//! Opaque tokens: fields that the client carries for us, and cannot change by accident.

use crate::caps;
use crate::error::Failure;
use base64_simd::STANDARD;
use millstream_api_kinesis::ErrorCode;
use millstream_types::Timestamp;

/// Between fields; no name or number contains it.
const SEPARATOR: char = '\u{1f}';

/// Bytes of the checksum, in hexadecimal.
const CHECK: usize = 8;

/// Seal fields into one token.
pub(crate) fn seal(kind: &str, fields: &[&dyn std::fmt::Display]) -> String {
    let mut text = kind.to_owned();
    for field in fields {
        text.push(SEPARATOR);
        text.push_str(&field.to_string());
    }
    let check = crc32fast::hash(text.as_bytes());
    STANDARD.encode_to_string(format!("{check:08x}{text}"))
}

/// The fields of a token of this kind; `None` if it is none of ours.
pub(crate) fn open(kind: &str, token: &str) -> Option<Vec<String>> {
    let bytes = STANDARD.decode_to_vec(token).ok()?;
    let text = String::from_utf8(bytes).ok()?;
    let (check, rest) = text.split_at_checked(CHECK)?;
    if u32::from_str_radix(check, 16).ok()? != crc32fast::hash(rest.as_bytes()) {
        return None;
    }
    let mut fields = rest.split(SEPARATOR);
    (fields.next()? == kind).then(|| fields.map(str::to_owned).collect())
}

/// A token for the page of a list that comes after this name or id.
pub(crate) fn seal_page(kind: &str, after: &str, now: Timestamp) -> String {
    seal(kind, &[&after, &now.millis()])
}

/// What the page of such a token comes after, if it has not expired. `kind` is what is listed.
pub(crate) fn open_page(kind: &str, token: &str, now: Timestamp) -> Result<String, Failure> {
    let fields = open(kind, token).and_then(|fields| <[String; 2]>::try_from(fields).ok());
    let [after, issued] = fields.ok_or_else(invalid)?;
    check_age(kind, &issued, now)?;
    Ok(after)
}

/// Tokens live for 300 seconds (API Reference, ListShards, ListStreams and ListStreamConsumers).
pub(crate) fn check_age(kind: &str, issued: &str, now: Timestamp) -> Result<(), Failure> {
    let issued = Timestamp::from_millis(issued.parse().map_err(|_not_a_number| invalid())?);
    if now.millis_since(issued) <= caps::TOKEN_MILLIS {
        return Ok(());
    }
    let text = format!("The NextToken has expired: it is valid for 300 seconds. List the {kind} again.");
    Err(Failure::new(ErrorCode::ExpiredNextTokenException, text))
}

pub(crate) fn invalid() -> Failure {
    Failure::invalid("NextToken is invalid.")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_was_sealed_opens() {
        let token = seal("shards", &[&"name", &7]);
        assert_eq!(open("shards", &token), Some(vec!["name".to_owned(), "7".to_owned()]));
        assert_eq!(open("streams", &token), None);
        for bad in ["", "AAAA", "not base64!", &token[..token.len() - 4], &format!("B{}", &token[1..])] {
            assert_eq!(open("shards", bad), None, "{bad}");
        }
    }
}
