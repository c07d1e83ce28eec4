use super::{limit, millis};
use crate::error::Failure;
use crate::store::StreamInfo;
use crate::{Logs, caps, names, token};
use millstream_api_logs::{self as api, OrderBy};
use std::cmp::Ordering;

const TOKEN: &str = "streams";

pub(crate) async fn run(
    service: &Logs,
    input: api::DescribeLogStreamsRequest,
) -> Result<api::DescribeLogStreamsResponse, Failure> {
    let group = names::of_either(
        &service.home,
        input.log_group_name.as_deref(),
        input.log_group_identifier.as_deref(),
    )?;
    let by_time = input.order_by == Some(OrderBy::LastEventTime);
    if by_time && input.log_stream_name_prefix.is_some() {
        return Err(Failure::invalid("Cannot order by LastEventTime with a logStreamNamePrefix."));
    }
    let descending = input.descending == Some(true);
    let place = |stream: &StreamInfo| {
        let last = stream.events.filter(|_| by_time).map_or(0, |(_, last)| last.millis());
        (last, stream.name.to_string())
    };
    let after = input.next_token.map(|token| token::open::<2>(TOKEN, &token)).transpose()?;
    let after = after.map(|[last, name]| last.parse().map(|last: u64| (last, name)));
    let after = after.transpose().map_err(|_no_number| Failure::bad_token())?;
    service.store.catch_up().await;
    let mut streams = service.store.streams(&service.home.key(&group))?;
    let order = |a: &(u64, String), b: &(u64, String)| if descending { b.cmp(a) } else { a.cmp(b) };
    streams.retain(|stream| {
        input.log_stream_name_prefix.as_ref().is_none_or(|prefix| stream.name.starts_with(prefix.as_str()))
            && after.as_ref().is_none_or(|after| order(&place(stream), after) == Ordering::Greater)
    });
    streams.sort_by(|a, b| order(&place(a), &place(b)));
    let limit = limit(input.limit, caps::PAGE_DESCRIBED);
    let more = streams.len() > limit;
    streams.truncate(limit);
    let next_token = streams.last().filter(|_| more).map(|stream| {
        let (last, name) = place(stream);
        token::seal(TOKEN, &[&last.to_string(), &name])
    });
    let shown = streams.iter().map(|stream| show(service, &group, stream)).collect();
    Ok(api::DescribeLogStreamsResponse { log_streams: Some(shown), next_token, ..Default::default() })
}

fn show(service: &Logs, group: &str, stream: &StreamInfo) -> api::LogStream {
    api::LogStream {
        log_stream_name: Some(stream.name.to_string()),
        creation_time: Some(millis(stream.created)),
        first_event_timestamp: stream.events.map(|(first, _)| millis(first)),
        last_event_timestamp: stream.events.map(|(_, last)| millis(last)),
        last_ingestion_time: stream.ingested.map(millis),
        arn: Some(names::stream_arn(&service.home, group, &stream.name)),
        // As on AWS since 2019.
        stored_bytes: Some(0),
        ..Default::default()
    }
}
