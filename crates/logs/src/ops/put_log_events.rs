//! PutLogEvents: what libraries in functions, and outside, write to a stream of theirs. Synced before the answer.

use super::time;
use crate::error::Failure;
use crate::store::{Place, StoreError};
use crate::{Logs, caps, token};
use millstream_api_logs as api;
use millstream_types::Timestamp;
use std::time::Duration;

const DAY_MILLIS: u64 = 24 * 60 * 60 * 1_000;

pub(crate) async fn run(
    service: &Logs,
    input: api::PutLogEventsRequest,
) -> Result<api::PutLogEventsResponse, Failure> {
    let key = service.home.key(&input.log_group_name);
    let events: Vec<(Timestamp, String)> =
        input.log_events.into_iter().map(|event| (time(event.timestamp), event.message)).collect();
    check_size(&events)?;
    if !events.is_sorted_by_key(|(at, _)| *at) {
        return Err(Failure::invalid(
            "Log events in a single PutLogEvents request must be in chronological order.",
        ));
    }
    let mine = |group: &crate::store::GroupInfo| group.retention_days;
    let retention = service.store.groups(|one| one == key).first().map(mine).ok_or_else(Failure::no_group)?;
    let (kept, rejected) = within_time(events, service.now(), retention);
    let span = kept.last().zip(kept.first()).map_or(0, |(last, first)| last.0.millis_since(first.0));
    if u128::from(span) > caps::BATCH_SPAN.as_millis() {
        return Err(Failure::invalid(
            "The batch of log events in a single PutLogEvents request cannot span more than 24 hours.",
        ));
    }
    let last = kept.last().map_or_else(|| service.now(), |(at, _)| *at);
    if kept.is_empty() {
        let streams = service.store.streams(&key)?;
        if !streams.iter().any(|stream| *stream.name == *input.log_stream_name) {
            return Err(StoreError::NoStream.into());
        }
    } else {
        service.store.put(key, input.log_stream_name, kept).await?;
    }
    Ok(api::PutLogEventsResponse {
        // Of no use since 2023; clients still carry it.
        next_sequence_token: Some(token::digits(Place { timestamp: last, number: 0 })),
        rejected_log_events_info: rejected,
        ..Default::default()
    })
}

fn check_size(events: &[(Timestamp, String)]) -> Result<(), Failure> {
    if let Some((_, text)) = events.iter().find(|(_, text)| text.len() > caps::EVENT_BYTES) {
        let (size, limit) = (text.len(), caps::EVENT_BYTES);
        return Err(Failure::invalid(format!("Log event too large: {size} bytes exceeds limit of {limit}")));
    }
    let size: usize = events.iter().map(|(_, text)| text.len() + caps::BATCH_EVENT_BYTES).sum();
    if size > caps::BATCH_BYTES {
        let limit = caps::BATCH_BYTES;
        return Err(Failure::invalid(format!("Upload too large: {size} bytes exceeds limit of {limit}")));
    }
    Ok(())
}

/// The events whose times are taken, and which of the others are not, by their places in the batch.
fn within_time(
    events: Vec<(Timestamp, String)>,
    now: Timestamp,
    retention_days: Option<u32>,
) -> (Vec<(Timestamp, String)>, Option<api::RejectedLogEventsInfo>) {
    let millis = |duration: Duration| u64::try_from(duration.as_millis()).unwrap_or(u64::MAX);
    let too_old = now.minus_millis(millis(caps::TOO_OLD));
    let expired =
        retention_days.map_or(Timestamp::ZERO, |days| now.minus_millis(u64::from(days) * DAY_MILLIS));
    let too_new = now.plus_millis(millis(caps::TOO_NEW));
    let before = |limit: Timestamp| events.partition_point(|(at, _)| *at < limit);
    let (old, gone, new) =
        (before(too_old), before(expired), events.partition_point(|(at, _)| *at <= too_new));
    let index = |at: usize| i32::try_from(at).unwrap_or(i32::MAX);
    let all = events.len();
    let rejected = api::RejectedLogEventsInfo {
        too_new_log_event_start_index: (new < all).then(|| index(new)),
        too_old_log_event_end_index: (old > 0).then(|| index(old)),
        expired_log_event_end_index: (gone > old).then(|| index(gone)),
    };
    let first = old.max(gone).min(new);
    let kept = events.into_iter().take(new).skip(first).collect::<Vec<_>>();
    let some = kept.len() < all;
    (kept, some.then_some(rejected))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_too_far_away_are_told_by_their_places() {
        let now = Timestamp::from_millis(100 * DAY_MILLIS);
        let event = |days_ago: u64| (now.minus_millis(days_ago * DAY_MILLIS), "x".to_owned());
        let future = (now.plus_millis(3 * 60 * 60 * 1_000), "x".to_owned());
        let (kept, rejected) =
            within_time(vec![event(20), event(15), event(10), event(0), future], now, Some(7));
        let rejected = rejected.unwrap();
        assert_eq!(kept.len(), 1);
        assert_eq!(rejected.too_old_log_event_end_index, Some(2));
        assert_eq!(rejected.expired_log_event_end_index, Some(3));
        assert_eq!(rejected.too_new_log_event_start_index, Some(4));
        let (kept, rejected) = within_time(vec![event(1), event(0)], now, None);
        assert_eq!((kept.len(), rejected), (2, None));
    }
}
