//! ListStreams: names in order, a page at a time.

use crate::error::Failure;
use crate::{Kinesis, caps, shapes, token};
use millstream_api_kinesis as api;
use std::ops::Bound;

const TOKEN: &str = "streams";

pub(crate) async fn run(
    service: &Kinesis,
    input: api::ListStreamsInput,
) -> Result<api::ListStreamsOutput, Failure> {
    let limit = input.limit.and_then(|limit| usize::try_from(limit).ok()).unwrap_or(caps::LIST_STREAMS);
    let now = service.engine.now();
    let after = match (input.next_token, input.exclusive_start_stream_name) {
        (Some(token), None) => Some(token::open_page(TOKEN, &token, now)?),
        (None, name) => name,
        (Some(_), Some(_)) => {
            return Err(Failure::invalid(
                "NextToken and ExclusiveStartStreamName cannot be provided together.",
            ));
        }
    };
    let state = service.control().state();
    let home = &service.home;
    let start = home.key(&after.unwrap_or_default());
    // Keys of other homes may lie between: digits and a colon are in no order with names.
    let mut rest = state
        .streams
        .range((Bound::Excluded(start), Bound::Unbounded))
        .map(|(_, stream)| stream)
        .filter(|stream| home.has(&stream.name));
    let page: Vec<_> = rest.by_ref().take(limit).collect();
    let has_more_streams = rest.next().is_some();
    let last = page.last().filter(|_| has_more_streams);
    Ok(api::ListStreamsOutput {
        stream_names: page.iter().map(|stream| stream.own_name().to_owned()).collect(),
        has_more_streams,
        next_token: last.map(|stream| token::seal_page(TOKEN, stream.own_name(), now)),
        stream_summaries: Some(
            page.iter()
                .map(|stream| api::StreamSummary {
                    stream_name: stream.own_name().to_owned(),
                    stream_arn: stream.arn.clone(),
                    stream_status: shapes::stream_status(stream.status),
                    stream_mode_details: Some(shapes::mode_details(stream)),
                    stream_creation_timestamp: Some(stream.created),
                    ..Default::default()
                })
                .collect(),
        ),
        ..Default::default()
    })
}
