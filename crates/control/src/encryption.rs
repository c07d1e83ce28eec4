//! What the control state knows of encryption: names, and bytes that are opaque to it.

use serde::{Deserialize, Serialize};

/// How a stream's new records are encrypted.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Encryption {
    /// The master key, by the name that whoever asked for it gave it.
    pub key_id: String,
    /// The id of one of the stream's data keys.
    pub data_key: String,
}

/// A stream's key, wrapped. What is in `wrapped` only the vault knows (`docs/formats/encryption.md`).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DataKey {
    /// 32 hexadecimal digits.
    pub id: String,
    /// The id of the master key that wraps it, and the version of that.
    pub master: String,
    pub version: u32,
    /// Hexadecimal digits.
    pub wrapped: String,
}

/// What becomes true when a stream is active again.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum EncryptionChange {
    Start(Encryption),
    Stop,
}
