//! Limits on what one request can make these types hold or say.

/// Violations named in one message; AWS too stops at ten.
pub const MAX_VIOLATIONS: usize = 10;

/// Characters of an offending value that a message repeats.
pub const MAX_SHOWN_VALUE: usize = 4_096;

/// Parameters accepted in one query string.
pub const MAX_QUERY_PARAMETERS: usize = 256;
