//! ListStreamConsumers: by name, a page at a time.

use crate::error::Failure;
use crate::{Kinesis, caps, shapes, token};
use millstream_api_kinesis as api;

const TOKEN: &str = "consumers";

pub(crate) async fn run(
    service: &Kinesis,
    input: api::ListStreamConsumersInput,
) -> Result<api::ListStreamConsumersOutput, Failure> {
    let stream = service.stream(None, Some(&input.stream_arn))?;
    service.check_created(&stream, input.stream_creation_timestamp)?;
    let limit = input.max_results.and_then(|limit| usize::try_from(limit).ok());
    let limit = limit.unwrap_or(caps::LIST_CONSUMERS).min(caps::LIST_CONSUMERS);
    let now = service.engine.now();
    let after = match &input.next_token {
        None => String::new(),
        Some(_) if input.stream_creation_timestamp.is_some() => {
            return Err(Failure::invalid(
                "NextToken and StreamCreationTimestamp cannot be provided together.",
            ));
        }
        Some(token) => token::open_page(TOKEN, token, now)?,
    };
    let mut rest = stream.consumers.values().filter(|consumer| consumer.name > after).cloned();
    let consumers: Vec<_> = rest.by_ref().take(limit).map(shapes::consumer).collect();
    let last = consumers.last().filter(|_| rest.next().is_some());
    let next_token = last.map(|consumer| token::seal_page(TOKEN, &consumer.consumer_name, now));
    Ok(api::ListStreamConsumersOutput { consumers: Some(consumers), next_token, ..Default::default() })
}
