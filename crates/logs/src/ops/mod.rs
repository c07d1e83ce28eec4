//! The operations, one file each.

pub(crate) mod create_log_group;
pub(crate) mod create_log_stream;
pub(crate) mod delete_log_group;
pub(crate) mod delete_log_stream;
pub(crate) mod delete_retention_policy;
pub(crate) mod describe_log_groups;
pub(crate) mod describe_log_streams;
pub(crate) mod filter_log_events;
pub(crate) mod get_log_events;
pub(crate) mod put_log_events;
pub(crate) mod put_retention_policy;
pub(crate) mod start_live_tail;

use millstream_types::Timestamp;

/// Milliseconds of a request, which its rules keep from being negative.
pub(crate) fn time(millis: i64) -> Timestamp {
    Timestamp::from_millis(u64::try_from(millis).unwrap_or(0))
}

pub(crate) fn millis(time: Timestamp) -> i64 {
    i64::try_from(time.millis()).unwrap_or(i64::MAX)
}

/// How many a page may have.
pub(crate) fn limit(asked: Option<i32>, most: usize) -> usize {
    asked.and_then(|limit| usize::try_from(limit).ok()).map_or(most, |limit| limit.clamp(1, most))
}
