//! Every limit of this crate that a client or a function can run into.

use std::time::Duration;

/// What all log groups may take on the disk, and one of them, unless the options say otherwise, in bytes.
pub const DEFAULT_TOTAL_BYTES: u64 = 1 << 30;
pub const DEFAULT_GROUP_BYTES: u64 = 128 << 20;
/// Least of either that can be asked for.
pub const LEAST_BYTES: u64 = 1 << 20;
/// Log groups on one server (AWS: 1,000,000 in an account and region).
pub const GROUPS: usize = 10_000;
/// Log streams of one group. A group of a function forgets its oldest ones.
pub const STREAMS_PER_GROUP: usize = 10_000;
/// Log streams that one segment may hold.
pub const STREAMS_PER_SEGMENT: usize = 4_096;
/// Entries of streams in all segments together: what is in memory of them.
pub const SPANS: usize = 500_000;
/// Size at which a segment is closed, in bytes; smaller where a group may hold less than eight of them.
pub const SEGMENT_BYTES: u64 = 4 << 20;
/// A segment is closed this long after its first event, so that old events can go by whole segments.
pub const SEGMENT_AGE: Duration = Duration::from_hours(24);
/// Lines that wait to be written, in bytes. What comes on top is dropped and counted.
pub const QUEUE_BYTES: usize = 16 << 20;
/// Requests that wait to be written.
pub const QUEUE_REQUESTS: usize = 4_096;
/// Files kept open to write to.
pub const OPEN_FILES: usize = 64;
/// Nothing more is kept when the disk has less room than this, in bytes: it is for records.
pub const DISK_RESERVE_BYTES: u64 = 128 << 20;
/// How often the room on the disk and the ages of events are looked at.
pub const LOOK_EVERY: Duration = Duration::from_secs(1);
pub const SWEEP_EVERY: Duration = Duration::from_mins(1);
/// A reader waits this long for what is queued to be written before it reads what is there.
pub const BARRIER: Duration = Duration::from_secs(5);
/// Requests that read segments at one time.
pub const READERS: usize = 4;
/// What one request reads of segments before it answers with what it has found, in bytes.
pub const SCAN_BYTES: u64 = 64 << 20;

/// Largest event, in bytes (AWS: 1 MB).
pub const EVENT_BYTES: usize = 1 << 20;
/// Events and bytes of one page (AWS: 10,000 and 1 MB).
pub const PAGE_EVENTS: usize = 10_000;
pub const PAGE_BYTES: usize = 1 << 20;
/// Groups or streams of one page (AWS: 50).
pub const PAGE_DESCRIBED: usize = 50;
/// One PutLogEvents: bytes of its messages and this much more for each event (AWS: 1,048,576 and 26).
pub const BATCH_BYTES: usize = 1_048_576;
pub const BATCH_EVENT_BYTES: usize = 26;
/// How far an event's time may be from now, and events of one batch from each other (AWS).
pub const TOO_NEW: Duration = Duration::from_hours(2);
pub const TOO_OLD: Duration = Duration::from_hours(14 * 24);
pub const BATCH_SPAN: Duration = Duration::from_hours(24);

/// Live Tail sessions of one account and region, and of the server (AWS: 15 in an account).
pub const LIVE_SESSIONS_PER_HOME: usize = 15;
pub const LIVE_SESSIONS: usize = 100;
/// How long a session lasts (AWS: three hours), and how often it is sent an update.
pub const LIVE_SESSION: Duration = Duration::from_hours(3);
pub const LIVE_UPDATE: Duration = Duration::from_secs(1);
/// Events of one update (AWS: 500).
pub const LIVE_EVENTS: usize = 500;
/// Bytes of messages of one update.
pub const LIVE_BYTES: usize = 4 << 20;

/// Parts of a filter pattern: terms, or conditions with what joins them.
pub const FILTER_PARTS: usize = 128;
/// How deeply conditions may be nested in parentheses.
pub const FILTER_DEPTH: usize = 16;
/// What a compiled regular expression of a filter pattern may take, in bytes.
pub const FILTER_REGEX_BYTES: usize = 256 << 10;
