//! Whose keys they are: the file of users, keys, roles and policies, what a running server knows of it, and the sessions
//! of functions.
//!
//! The file is `docs/formats/credentials.md`. `millstream credentials` changes it, under a lock and as a whole; a server
//! reads it again when it has changed.
//!
//! Invariants: a secret is in no log, no error and no `Debug` text. Once a server has seen credentials it asks for them
//! until it ends, whatever becomes of the file: a file that vanishes lets nobody in.

mod document;
mod edit;
mod file;
mod index;
mod keyring;
mod secret;
mod session;

pub mod caps;

pub use document::{Document, FORMAT, Key, Role, User};
pub use edit::EditError;
pub use file::{CredentialsFile, FileError};
pub use index::Identity;
pub use keyring::Keyring;
pub use secret::Secret;
pub use session::{Session, SessionKey};
