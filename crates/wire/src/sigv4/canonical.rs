//! The canonical request: one text for all the ways in which the same request can be written.

use super::hex;
use sha2::{Digest, Sha256};
use std::fmt::Write;

/// What of a request is signed. Path and query are raw, as they were sent.
#[derive(Clone, Copy, Debug)]
pub struct Request<'a> {
    pub method: &'a str,
    pub path: &'a str,
    pub query: &'a str,
    /// HTTP/2 has the host here and not among the headers.
    pub authority: Option<&'a str>,
    /// Names in lower case, in the order in which they came.
    pub headers: &'a [(&'a str, &'a [u8])],
}

/// The SHA-256 of a request's body.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Body(pub(crate) String);

impl Body {
    pub fn hash(bytes: &[u8]) -> Self {
        Self(hex(&Sha256::digest(bytes)))
    }
}

impl<'a> Request<'a> {
    /// The first value of a header, if it is text.
    pub(crate) fn header(&self, name: &str) -> Option<&'a str> {
        let found = self.headers.iter().find(|(header, _)| *header == name);
        found.and_then(|(_, value)| std::str::from_utf8(value).ok())
    }

    /// The decoded value of a query parameter.
    pub(crate) fn query_parameter(&self, name: &str) -> Option<String> {
        let decoded = |text: &str| String::from_utf8_lossy(&decode(text)).into_owned();
        pairs(self.query).find(|(key, _)| decoded(key) == name).map(|(_, value)| decoded(value))
    }

    pub(crate) fn canonical(&self, signed_headers: &[&str], body: &Body, without_signature: bool) -> String {
        let mut text = String::with_capacity(1_024);
        text.push_str(self.method);
        text.push('\n');
        text.push_str(&canonical_path(self.path));
        text.push('\n');
        text.push_str(&canonical_query(self.query, without_signature));
        text.push('\n');
        for name in signed_headers {
            text.push_str(name);
            text.push(':');
            self.write_value(&mut text, name);
            text.push('\n');
        }
        text.push('\n');
        text.push_str(&signed_headers.join(";"));
        text.push('\n');
        text.push_str(&body.0);
        text
    }

    /// All values of a header, trimmed and joined. `host` and `:authority` stand for each other: the clients that sign one
    /// may send the other (JS v3 signs `:authority`, Java v2 signs `host` and sends `:authority`).
    fn write_value(&self, text: &mut String, name: &str) {
        if matches!(name, "host" | ":authority") {
            let host = self.header("host").or(self.authority).or_else(|| self.header(":authority"));
            text.push_str(host.unwrap_or_default());
            return;
        }
        let values = self.headers.iter().filter(|(header, _)| *header == name);
        for (index, (_, value)) in values.enumerate() {
            if index > 0 {
                text.push(',');
            }
            let value = String::from_utf8_lossy(value);
            for (index, word) in value.split([' ', '\t']).filter(|word| !word.is_empty()).enumerate() {
                if index > 0 {
                    text.push(' ');
                }
                text.push_str(word);
            }
        }
    }
}

/// Without `.`, `..` and empty segments, and encoded once more: what stands percent-encoded in the path is encoded twice, as
/// for every service but S3.
fn canonical_path(path: &str) -> String {
    let mut segments: Vec<&str> = Vec::new();
    for segment in path.split('/') {
        match segment {
            "" | "." => {}
            ".." => drop(segments.pop()),
            segment => segments.push(segment),
        }
    }
    let mut text = String::with_capacity(path.len().saturating_add(8));
    for segment in &segments {
        text.push('/');
        encode(&mut text, segment.as_bytes());
    }
    let ends_in_slash = path.ends_with('/') || path.ends_with("/.") || path.ends_with("/..");
    if text.is_empty() || ends_in_slash {
        text.push('/');
    }
    text
}

fn canonical_query(query: &str, without_signature: bool) -> String {
    let encoded = |text: &str| {
        let mut out = String::with_capacity(text.len());
        encode(&mut out, &decode(text));
        out
    };
    let mut all: Vec<(String, String)> =
        pairs(query).map(|(name, value)| (encoded(name), encoded(value))).collect();
    if without_signature {
        all.retain(|(name, _)| name != "X-Amz-Signature");
    }
    all.sort();
    let mut text = String::with_capacity(query.len());
    for (name, value) in all {
        if !text.is_empty() {
            text.push('&');
        }
        text.push_str(&name);
        text.push('=');
        text.push_str(&value);
    }
    text
}

fn pairs(query: &str) -> impl Iterator<Item = (&str, &str)> {
    let pairs = query.split('&').filter(|pair| !pair.is_empty());
    pairs.map(|pair| pair.split_once('=').unwrap_or((pair, "")))
}

/// Everything but letters, digits, `-`, `.`, `_` and `~` as `%XX`.
fn encode(out: &mut String, bytes: &[u8]) {
    for byte in bytes {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => {
                out.push(char::from(*byte));
            }
            byte => write!(out, "%{byte:02X}").expect("a String takes everything"),
        }
    }
}

/// What is no `%XX` stands for itself.
fn decode(text: &str) -> Vec<u8> {
    let digit = |byte: u8| char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let [first, after @ ..] = rest {
        if let (b'%', [high, low, behind @ ..]) = (first, after)
            && let (Some(high), Some(low)) = (digit(*high), digit(*low))
        {
            bytes.push(high << 4 | low);
            rest = behind;
            continue;
        }
        bytes.push(*first);
        rest = after;
    }
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_encoded_once_more() {
        for (path, canonical) in [
            ("/", "/"),
            ("", "/"),
            ("//", "/"),
            ("/./a/../b", "/b"),
            ("/../..", "/"),
            ("/a//b/", "/a/b/"),
            ("/2015-03-31/functions/arn%3Aaws%3Alambda/x", "/2015-03-31/functions/arn%253Aaws%253Alambda/x"),
            ("/2015-03-31/functions/f:7", "/2015-03-31/functions/f%3A7"),
            ("/$LATEST", "/%24LATEST"),
            ("/example%20space", "/example%2520space"),
        ] {
            assert_eq!(canonical_path(path), canonical, "{path}");
        }
    }

    #[test]
    fn queries_are_sorted_by_what_they_say() {
        for (query, canonical) in [
            ("", ""),
            ("b=2&a=1", "a=1&b=2"),
            ("a=2&a=1&A=0", "A=0&a=1&a=2"),
            ("flag&x=", "flag=&x="),
            ("%61=%7E%2f", "a=~%2F"),
            ("a=b=c", "a=b%3Dc"),
            ("a=%zz&b=+", "a=%25zz&b=%2B"),
            ("Marker=a%20b", "Marker=a%20b"),
        ] {
            assert_eq!(canonical_query(query, false), canonical, "{query}");
        }
        assert_eq!(canonical_query("X-Amz-Signature=1&a=1", true), "a=1");
    }
}
