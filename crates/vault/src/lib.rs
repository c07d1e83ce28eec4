//! Encryption at rest.
//!
//! Three layers of keys (`docs/formats/encryption.md`):
//! - *master keys* come from the operator ([`Keyring`]) and never reach the log;
//! - a *data key* of a stream lies in the control state, wrapped by a version of a master key; it is unwrapped in memory only;
//! - each batch is sealed with AES-256-GCM under a key of its own, derived from the data key and 256 random bits.
//!
//! Invariant: no type that holds key material can be printed, and all of it is wiped when it is dropped.

mod batch;
mod data_key;
mod error;
mod hex;
mod key_file;
mod keyring;
mod secret;
mod vault;

pub mod caps;

pub use error::{KeyError, KeyFileError, OpenError};
pub use keyring::{Keyring, MASTER_KEY_OF_KINESIS, MasterKey, MasterKeyVersion, RotateError};
pub use secret::Secret;
pub use vault::{Vault, is_sealed};
