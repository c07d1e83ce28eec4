//! StartLiveTail: what comes from now on, as an event stream with an update every second, for three hours.
//!
//! The first frame is `initial-response`, as SDKs want it; then one `sessionStart`.

use super::millis;
use crate::error::Failure;
use crate::filter::Filter;
use crate::service::EventFrames;
use crate::store::{LiveQuery, LiveSession};
use crate::{Logs, caps, names};
use bytes::Bytes;
use futures_util::StreamExt;
use futures_util::stream;
use millstream_api_logs::{self as api, Error, ErrorCode};
use millstream_host::entropy;
use millstream_shapes::{Codec, Empty, ErrorName};
use millstream_wire::json::Json11;
use millstream_wire::{error_body, event_stream};
use std::sync::Arc;
use tokio::time::{Instant, Interval, MissedTickBehavior, interval_at, sleep};

pub(crate) fn run(
    service: &Logs,
    request_id: &str,
    input: api::StartLiveTailRequest,
) -> Result<EventFrames, Failure> {
    let some = |names: &Option<Vec<String>>| names.as_ref().is_some_and(|names| !names.is_empty());
    let (by_name, by_prefix) = (some(&input.log_stream_names), some(&input.log_stream_name_prefixes));
    if by_name && by_prefix {
        return Err(Failure::invalid(
            "logStreamNames and logStreamNamePrefixes cannot be specified together.",
        ));
    }
    if (by_name || by_prefix) && input.log_group_identifiers.len() > 1 {
        return Err(Failure::invalid(
            "logStreamNames and logStreamNamePrefixes can be specified only with one log group.",
        ));
    }
    let filter = input.log_event_filter_pattern.as_deref().map(Filter::parse).transpose()?;
    let mut groups = Vec::new();
    for identifier in &input.log_group_identifiers {
        // AWS takes ARNs alone here; a name means no other group.
        let group = names::of_identifier(&service.home, identifier)?;
        let key = service.home.key(&group);
        if !service.store.has_group(&key) {
            return Err(Failure::no_group());
        }
        groups.push((key, names::group_arn(&service.home, &group)));
    }
    let query = LiveQuery {
        groups: groups.iter().map(|(key, _)| key.clone()).collect(),
        names: input.log_stream_names.clone().unwrap_or_default(),
        prefixes: input.log_stream_name_prefixes.clone().unwrap_or_default(),
        filter: filter.map(Arc::new),
    };
    let home = format!("{}:{}", service.home.account, service.home.region);
    let session = service.store.live(home, query).ok_or_else(|| {
        Failure::new(
            ErrorCode::LimitExceededException,
            format!("There are {} Live Tail sessions already.", caps::LIVE_SESSIONS_PER_HOME),
        )
    })?;
    let start = api::LiveTailSessionStart {
        request_id: Some(request_id.to_owned()),
        session_id: Some(entropy::uuid()),
        log_group_identifiers: Some(groups.iter().map(|(_, arn)| arn.clone()).collect()),
        log_stream_names: Some(input.log_stream_names.unwrap_or_default()),
        log_stream_name_prefixes: Some(input.log_stream_name_prefixes.unwrap_or_default()),
        log_event_filter_pattern: Some(input.log_event_filter_pattern.unwrap_or_default()),
        ..Default::default()
    };
    let hello = event_stream::initial_response(Json11::CONTENT_TYPE, &Json11.encode(&Empty {}));
    let start = event("sessionStart", &Json11.encode(&start));
    let mut ticks = interval_at(Instant::now() + caps::LIVE_UPDATE, caps::LIVE_UPDATE);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let groups = groups.into_iter().map(|(_, arn)| arn.clone()).collect();
    let live = Live { session, groups, ticks, end: Box::pin(sleep(caps::LIVE_SESSION)) };
    Ok(stream::iter([hello, start]).chain(stream::unfold(Some(live), next)).boxed())
}

fn event(name: &str, payload: &[u8]) -> Bytes {
    event_stream::event(name, Json11::CONTENT_TYPE, payload)
}

struct Live {
    session: LiveSession,
    /// Their ARNs, in the order in which they were asked for.
    groups: Vec<String>,
    ticks: Interval,
    end: std::pin::Pin<Box<tokio::time::Sleep>>,
}

async fn next(live: Option<Live>) -> Option<(Bytes, Option<Live>)> {
    let mut live = live?;
    tokio::select! {
        biased;
        () = &mut live.end => {
            let code = ErrorCode::SessionTimeoutException;
            let error = Error::new(code, "The Live Tail session has been open for three hours.");
            let body = error_body::exception(&Json11, &error);
            Some((event_stream::exception(code.name(), Json11::CONTENT_TYPE, &body), None))
        }
        _ = live.ticks.tick() => {
            let update = event("sessionUpdate", &Json11.encode(&update(&live)));
            Some((update, Some(live)))
        }
    }
}

fn update(live: &Live) -> api::LiveTailSessionUpdate {
    let (events, sampled) = live.session.take();
    let shown = events.into_iter().map(|event| api::LiveTailSessionLogEvent {
        log_stream_name: Some(event.stream),
        log_group_identifier: live.groups.get(event.group).cloned(),
        message: Some(event.text),
        timestamp: Some(millis(event.timestamp)),
        ingestion_time: Some(millis(event.ingested)),
    });
    api::LiveTailSessionUpdate {
        session_results: Some(shown.collect()),
        session_metadata: Some(api::LiveTailSessionMetadata { sampled: Some(sampled) }),
    }
}
