//! Function code on disk, named by its content.

mod layers;
mod pins;
mod store;
mod unzip;

pub(crate) use pins::Pin;
pub use store::CodeStore;

use crate::caps;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::io;
use std::path::PathBuf;
use std::str::FromStr;

/// What AWS says, with `InvalidParameterValueException`, to a zip that cannot be unzipped.
pub const BROKEN_ZIP_MESSAGE: &str =
    "Could not unzip uploaded file. Please check your file, then try to upload again.";

/// The SHA-256 of a zip in 64 lower-case hexadecimal digits.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct CodeKey(String);

impl CodeKey {
    pub(crate) fn of_digest(digest: &[u8]) -> Self {
        Self(digest.iter().fold(String::with_capacity(64), |mut text, byte| {
            use fmt::Write;
            write!(text, "{byte:02x}").expect("writing to a String cannot fail");
            text
        }))
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl AsRef<str> for CodeKey {
    fn as_ref(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for CodeKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Not 64 lower-case hexadecimal digits.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not the key of a zip")]
pub struct NotACodeKey(pub String);

impl TryFrom<String> for CodeKey {
    type Error = NotACodeKey;

    fn try_from(text: String) -> Result<Self, NotACodeKey> {
        let is_key = text.len() == 64 && text.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
        if is_key { Ok(Self(text)) } else { Err(NotACodeKey(text)) }
    }
}

impl FromStr for CodeKey {
    type Err = NotACodeKey;

    fn from_str(text: &str) -> Result<Self, NotACodeKey> {
        text.to_owned().try_into()
    }
}

impl From<CodeKey> for String {
    fn from(key: CodeKey) -> Self {
        key.0
    }
}

/// A zip that is safely stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CodeRef {
    pub key: CodeKey,
    /// The same digest in base64, as Lambda shows it in `CodeSha256`.
    pub sha256_base64: String,
    /// Bytes of the zip: Lambda's `CodeSize`.
    pub size: u64,
    /// Bytes of its content.
    pub unzipped_size: u64,
}

/// A zip that is refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadZip {
    #[error("not a readable zip: {why}")]
    Unreadable { why: String },
    #[error("the zip has {size} bytes; the limit is {limit}")]
    TooLarge { size: usize, limit: usize },
    #[error("the zip's content exceeds the limit of {limit} bytes")]
    UnzippedTooLarge { limit: u64 },
    #[error("the zip has {count} entries; the limit is {limit}")]
    TooManyEntries { count: usize, limit: usize },
    #[error(
        "the zip's entry {path:?} leads out of the zip, or through a file, or is deeper than {} directories",
        caps::MAX_ZIP_DEPTH
    )]
    UnsafePath { path: String },
}

/// Why the store could not do it.
#[derive(Debug, thiserror::Error)]
pub enum CodeError {
    #[error(transparent)]
    BadZip(#[from] BadZip),
    #[error("there is no code {key}")]
    Missing { key: CodeKey },
    #[error("could not {what} {}", path.display())]
    Io { what: &'static str, path: PathBuf, source: io::Error },
}
