//! What the client commands may take of memory and time.

use std::time::Duration;

/// Shards that one `tail` or `capture` knows of.
pub(super) const FOLLOWED_SHARDS: usize = 20_000;
/// Answers of GetRecords, of up to 10 MiB, that wait to be printed.
pub(super) const PAGES: usize = 8;
/// Records of one GetRecords.
pub(super) const PAGE_RECORDS: i32 = 1_000;
/// Records of one PutRecords, by AWS's rule.
pub(super) const PUT_RECORDS: usize = 500;
/// Bytes of one PutRecords, keys included. AWS takes 10 MiB; its older rule, which others still have, is 5 MiB.
pub(super) const PUT_BYTES: usize = 5 << 20;
/// Bytes of one record and its key: the largest that a stream can be told to take.
pub(super) const RECORD_BYTES: usize = 10 << 20;
/// KiB of records that are read and not yet put.
pub(super) const AHEAD_KIB: u32 = 32 << 10;
/// Records that are read and not yet put.
pub(super) const AHEAD_RECORDS: usize = 2_000;
/// Characters of a partition key.
pub(super) const KEY_CHARACTERS: usize = 256;
/// A line of a capture: a record in base64 with its names and its key.
pub(super) const CAPTURE_LINE_BYTES: usize = 16 << 20;
/// A zip that is sent inline, by AWS's rule, and what it may unpack to.
pub(super) const ZIP_BYTES: usize = 50 << 20;
pub(super) const UNZIPPED_BYTES: u64 = 250 << 20;
/// A payload of an invocation, by AWS's rule.
pub(super) const PAYLOAD_BYTES: u64 = 6 << 20;
/// Things that a list command asks for, page by page.
pub(super) const LISTED: usize = 100_000;
/// How often a command that follows a function's logs asks for more: a server of ours, and AWS.
pub(super) const LOGS_PAUSE: Duration = Duration::from_millis(500);
pub(super) const LOGS_PAUSE_AWS: Duration = Duration::from_secs(2);
/// An event may come this much later than one with a later time, and is still shown.
pub(super) const LOGS_LATE: Duration = Duration::from_secs(10);
/// How long `--wait` waits.
pub(super) const PATIENCE: Duration = Duration::from_mins(10);
