//! Limits of the credentials file, and of what is read from it.

use std::time::Duration;

/// Bytes of the file that a server reads.
pub const FILE_BYTES: u64 = 16 << 20;

pub const USERS: usize = 10_000;
pub const ROLES: usize = 10_000;
pub const POLICIES: usize = 10_000;

/// Keys of a user: one in use, and one that takes its place (IAM quotas).
pub const KEYS_PER_USER: usize = 2;

/// Policies attached to a user or role (IAM quotas: 10, and up to 20).
pub const ATTACHED: usize = 20;

/// A server looks whether the file has changed when it is asked, but not more often than this.
pub const LOOK_AGAIN: Duration = Duration::from_millis(250);

/// Sessions of functions at one time; more than there can be workers.
pub const SESSIONS: usize = 20_000;
