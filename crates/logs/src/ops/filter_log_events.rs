//! FilterLogEvents: all streams of a group, or some, one after the other in time.

use super::{limit, millis, time};
use crate::error::Failure;
use crate::filter::Filter;
use crate::store::{Event, Query, StoreError, Streams};
use crate::{Logs, caps, names, token};
use millstream_api_logs as api;
use millstream_types::Timestamp;
use std::sync::Arc;

const TOKEN: &str = "filter";
/// The first of January 2024: from then on events can be asked for newest first (API reference).
const NEWEST_FIRST_SINCE: i64 = 1_704_067_200_000;

pub(crate) async fn run(
    service: &Logs,
    input: api::FilterLogEventsRequest,
) -> Result<api::FilterLogEventsResponse, Failure> {
    let group = names::of_either(
        &service.home,
        input.log_group_name.as_deref(),
        input.log_group_identifier.as_deref(),
    )?;
    let filter = input.filter_pattern.as_deref().map(Filter::parse).transpose()?;
    let token = input.next_token.map(|token| token::open::<2>(TOKEN, &token)).transpose()?;
    let beyond = token.as_ref().map(|[_, digits]| token::place(digits).ok_or_else(Failure::bad_token));
    let beyond = beyond.transpose()?;
    if input.start_from_head == Some(false) && input.start_time.is_none_or(|at| at < NEWEST_FIRST_SINCE) {
        return Err(Failure::invalid(
            "startFromHead can be false only with a startTime on or after 2024-01-01T00:00:00Z.",
        ));
    }
    let newest_first = match &token {
        Some([direction, _]) => direction == "b",
        None => input.start_from_head == Some(false),
    };
    let start = input.start_time.map_or(Timestamp::ZERO, time);
    // Unlike that of GetLogEvents, this end is within the range.
    let end = input.end_time.map_or(Timestamp::from_millis(u64::MAX), |end| time(end).plus_millis(1));
    let key = service.home.key(&group);
    service.store.catch_up().await;
    let streams = match (input.log_stream_names, input.log_stream_name_prefix) {
        (Some(_), Some(_)) => {
            return Err(Failure::invalid(
                "logStreamNamePrefix and logStreamNames cannot be specified together.",
            ));
        }
        (Some(names), None) => {
            let known = service.store.streams(&key)?;
            let is_known = |name: &String| known.iter().any(|stream| *stream.name == **name);
            if !names.iter().all(is_known) {
                return Err(StoreError::NoStream.into());
            }
            Streams::Named(names)
        }
        (None, Some(prefix)) => Streams::Prefix(prefix),
        (None, None) => Streams::All,
    };
    let query = Query {
        key,
        streams,
        times: (start, end),
        beyond,
        newest_first,
        limit: limit(input.limit, caps::PAGE_EVENTS),
        filter: filter.map(Arc::new),
    };
    let page = service.store.read(query).await?;
    let direction = if newest_first { "b" } else { "f" };
    Ok(api::FilterLogEventsResponse {
        events: Some(page.events.into_iter().map(show).collect()),
        // As on AWS since 2020.
        searched_log_streams: Some(Vec::new()),
        next_token: page.next.map(|place| token::seal(TOKEN, &[direction, &token::digits(place)])),
        ..Default::default()
    })
}

fn show(event: Event) -> api::FilteredLogEvent {
    api::FilteredLogEvent {
        log_stream_name: Some(event.stream.to_string()),
        timestamp: Some(millis(event.place.timestamp)),
        message: Some(event.text),
        ingestion_time: Some(millis(event.ingested)),
        event_id: Some(token::digits(event.place)),
    }
}
