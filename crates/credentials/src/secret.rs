use serde::{Deserialize, Serialize};
use std::fmt;

/// A secret access key. It shows itself only to who asks for it by name.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Secret(String);

impl Secret {
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// For signatures, and to be shown once to whom it belongs.
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(…)")
    }
}

const BASE32: &[u8; 32] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
const BASE62: &[u8; 62] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";

/// `prefix` and sixteen characters, twenty in all: the form of AWS's ids. No prefix is one of AWS's, so that a leaked key
/// says whose it is.
pub(crate) fn id(prefix: &str) -> String {
    format!("{prefix}{}", random(BASE32, 16))
}

/// Forty characters, some 238 bits.
pub(crate) fn secret() -> Secret {
    Secret(random(BASE62, 40))
}

/// Characters of an alphabet, each as likely as any other.
pub(crate) fn random(alphabet: &[u8], length: usize) -> String {
    let fair = 256 - 256 % alphabet.len();
    let mut text = String::with_capacity(length);
    while text.len() < length {
        let mut bytes = [0; 64];
        millstream_host::entropy::fill(&mut bytes);
        let fair = bytes.iter().map(|byte| usize::from(*byte)).filter(|byte| *byte < fair);
        let more = fair.map(|byte| char::from(alphabet[byte % alphabet.len()]));
        text.extend(more.take(length - text.len()));
    }
    text
}

pub(crate) fn token() -> String {
    random(BASE62, 64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_keeps_itself() {
        let secret = secret();
        assert_eq!(secret.reveal().len(), 40);
        assert!(!format!("{secret:?}").contains(secret.reveal()));
        assert_ne!(secret, super::secret());
        assert_eq!((id("MKIA").len(), &id("MKIA")[..4]), (20, "MKIA"));
    }
}
