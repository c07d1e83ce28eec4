//! Signature Version 4, from the verifier's side: who signed a request, whether the signature is of now, and whether it is
//! that of the secret.
//!
//! Both forms are read: the `Authorization` header, and the query parameters of a presigned request. Texts and the order of
//! checks are those of the AWS JSON services, as emulators have recorded them (reference/wire.md §1.4).
//!
//! Invariant: the body's hash is always that of the body itself. `x-amz-content-sha256` counts only as a header, so a
//! request that says `UNSIGNED-PAYLOAD` is one with a wrong signature.

mod canonical;
mod claim;
mod error;
mod time;

#[cfg(test)]
mod tests;

pub use canonical::{Body, Request};
pub use claim::{Claim, Form, sign};
pub use error::{SignatureError, SignatureFault};
pub use time::{basic, parse_date};

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

/// The one algorithm.
pub const ALGORITHM: &str = "AWS4-HMAC-SHA256";

/// How every credential scope ends.
pub const TERMINATOR: &str = "aws4_request";

pub(crate) fn hmac(key: &[u8], data: &[u8]) -> [u8; 32] {
    mac(key, data).finalize().into_bytes().into()
}

fn mac(key: &[u8], data: &[u8]) -> Hmac<Sha256> {
    let mut mac = Hmac::<Sha256>::new_from_slice(key).expect("HMAC takes keys of any length");
    mac.update(data);
    mac
}

/// Whether `given` is the MAC of `data`, in a time that does not depend on where they differ.
pub(crate) fn is_mac_of(key: &[u8], data: &[u8], given: &[u8]) -> bool {
    mac(key, data).verify_slice(given).is_ok()
}

/// A MAC (HMAC-SHA256) of our own, in hexadecimal, for tokens that clients carry.
pub fn mac_hex(key: &[u8], data: &[u8]) -> String {
    hex(&hmac(key, data))
}

/// Whether `given` is [`mac_hex`] of the same, in a time that does not depend on where they differ.
pub fn is_mac_hex(key: &[u8], data: &[u8], given: &str) -> bool {
    is_mac_of(key, data, &unhex(given).unwrap_or_default())
}

pub(crate) fn hex(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len().saturating_mul(2));
    for byte in bytes {
        for half in [byte >> 4, byte & 0xf] {
            text.push(char::from_digit(u32::from(half), 16).unwrap_or('0'));
        }
    }
    text
}

/// Bytes of lower-case hexadecimal digits; `None` for anything else.
pub(crate) fn unhex(text: &str) -> Option<Vec<u8>> {
    let digit = |byte: &u8| match byte {
        b'0'..=b'9' | b'a'..=b'f' => {
            char::from(*byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok())
        }
        _ => None,
    };
    let pairs = text.as_bytes().chunks(2);
    pairs
        .map(|pair| if let [high, low] = pair { Some(digit(high)? << 4 | digit(low)?) } else { None })
        .collect()
}
