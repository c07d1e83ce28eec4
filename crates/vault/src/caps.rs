//! Limits of the vault.

/// Master keys of one key file, versions of one key, and its aliases.
pub const MASTER_KEYS: usize = 1_000;
pub const VERSIONS_PER_KEY: usize = 1_000;
pub const ALIASES_PER_KEY: usize = 50;

/// The longest alias (KMS API reference, CreateAlias).
pub const ALIAS_BYTES: usize = 256;

/// Data keys kept unwrapped. Another one is unwrapped again when it is needed, which takes microseconds.
pub const DATA_KEYS_IN_MEMORY: usize = 4_096;
