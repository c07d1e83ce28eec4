//! GetLogEvents: one stream, in either direction.
//!
//! A token is where the reader stands: `f/` goes on after it, `b/` before it. There is always one for each direction, and at an
//! end it comes back as it was sent.

use super::{limit, millis, time};
use crate::error::Failure;
use crate::store::{Event, Page, Place, Query, Streams};
use crate::{Logs, caps, names, token};
use millstream_api_logs as api;
use millstream_types::Timestamp;

pub(crate) async fn run(
    service: &Logs,
    input: api::GetLogEventsRequest,
) -> Result<api::GetLogEventsResponse, Failure> {
    let group = names::of_either(
        &service.home,
        input.log_group_name.as_deref(),
        input.log_group_identifier.as_deref(),
    )?;
    let token = input.next_token.as_deref().map(open).transpose()?;
    let newest_first = match token {
        Some((forward, _)) => !forward,
        None => input.start_from_head != Some(true),
    };
    let start = input.start_time.map_or(Timestamp::ZERO, time);
    let end = input.end_time.map_or(Timestamp::from_millis(u64::MAX), time);
    service.store.catch_up().await;
    let query = Query {
        key: service.home.key(&group),
        streams: Streams::One(input.log_stream_name),
        times: (start, end),
        beyond: token.map(|(_, place)| place),
        newest_first,
        limit: limit(input.limit, caps::PAGE_EVENTS),
        filter: None,
    };
    let Page { mut events, next } = service.store.read(query).await?;
    if newest_first {
        events.reverse();
    }
    let (forward, backward) = tokens(&events, token, next);
    Ok(api::GetLogEventsResponse {
        events: Some(events.into_iter().map(show).collect()),
        next_forward_token: Some(format!("f/{}/s", token::digits(forward))),
        next_backward_token: Some(format!("b/{}/s", token::digits(backward))),
        ..Default::default()
    })
}

/// Where to go on from a page, forward and backward.
fn tokens(events: &[Event], token: Option<(bool, Place)>, next: Option<Place>) -> (Place, Place) {
    let before = |place: Place| Place { number: place.number.saturating_sub(1), ..place };
    let after = |place: Place| Place { number: place.number.saturating_add(1), ..place };
    match (events, token) {
        ([first, .., last], _) => (last.place, first.place),
        ([only], _) => (only.place, only.place),
        // Nothing found yet, and more to look through.
        ([], Some((true, place))) => (next.unwrap_or(place), after(place)),
        ([], Some((false, place))) => (before(place), next.unwrap_or(place)),
        ([], None) => {
            let place = next.unwrap_or_default();
            (place, place)
        }
    }
}

/// Whether a token goes forward, and from where.
fn open(token: &str) -> Result<(bool, Place), Failure> {
    let place = |rest: &str| rest.strip_suffix("/s").and_then(token::place);
    let forward = token.strip_prefix("f/").and_then(place).map(|place| (true, place));
    let backward = || token.strip_prefix("b/").and_then(place).map(|place| (false, place));
    forward.or_else(backward).ok_or_else(Failure::bad_token)
}

fn show(event: Event) -> api::OutputLogEvent {
    api::OutputLogEvent {
        timestamp: Some(millis(event.place.timestamp)),
        message: Some(event.text),
        ingestion_time: Some(millis(event.ingested)),
    }
}
