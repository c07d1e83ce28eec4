//! ListQueues: in the order of their ids, a page at a time.

use crate::error::Failure;
use crate::{Kinesis, caps, queues, token};
use millstream_api_kinesis as api;

const TOKEN: &str = "queues";

pub(crate) async fn run(
    service: &Kinesis,
    input: api::ListQueuesInput,
) -> Result<api::ListQueuesOutput, Failure> {
    let limit = input.max_results.and_then(|limit| usize::try_from(limit).ok());
    let limit = limit.unwrap_or(caps::LIST_QUEUES).min(caps::LIST_QUEUES);
    let now = service.engine.now();
    let after = input.next_token.map(|token| token::open_page(TOKEN, &token, now)).transpose()?;
    let filter = input.stream_filter.as_deref().and_then(<[_]>::first);
    let wanted = filter.map(|filter| service.name(None, Some(&filter.stream_arn))).transpose()?;
    let created = filter.and_then(|filter| filter.stream_creation_timestamp);
    let state = service.control().state();
    let mut rest = state
        .queues
        .values()
        .filter(|queue| service.home.has(&queue.name))
        .filter(|queue| wanted.as_ref().is_none_or(|stream| queue.stream == *stream))
        .filter(|queue| after.as_ref().is_none_or(|after| queue.id > *after))
        .filter_map(|queue| Some((queue, state.streams.get(&queue.stream)?)))
        // In whole seconds, as JSON may have lost the rest.
        .filter(|(_, stream)| created.is_none_or(|created| created.secs() == stream.created.secs()));
    let page: Vec<_> = rest.by_ref().take(limit).collect();
    let last = page.last().filter(|_| rest.next().is_some());
    let next_token = last.map(|(queue, _)| token::seal_page(TOKEN, &queue.id, now));
    let summaries = page.iter().map(|(queue, stream)| api::QueueSummary {
        queue_name: queue.own_name().to_owned(),
        queue_arn: queue.arn.clone(),
        queue_status: queues::status(queue.status),
        queue_creation_timestamp: queue.created,
        streams: vec![api::QueueStreamIdentifier {
            stream_arn: stream.arn.clone(),
            stream_creation_timestamp: stream.created,
            ..Default::default()
        }],
        ..Default::default()
    });
    Ok(api::ListQueuesOutput { queue_summaries: summaries.collect(), next_token, ..Default::default() })
}
