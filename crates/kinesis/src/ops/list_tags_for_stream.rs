//! ListTagsForStream: tags in the order of their keys, a page at a time.

use crate::Kinesis;
use crate::error::Failure;
use crate::tags::{self, Tagged};
use millstream_api_kinesis as api;
use std::ops::Bound;

pub(crate) async fn run(
    service: &Kinesis,
    input: api::ListTagsForStreamInput,
) -> Result<api::ListTagsForStreamOutput, Failure> {
    let stream = Tagged::stream(service, input.stream_name.as_deref(), input.stream_arn.as_deref())?;
    let limit = input.limit.and_then(|limit| usize::try_from(limit).ok()).unwrap_or(usize::MAX);
    let start = input.exclusive_start_tag_key.map_or(Bound::Unbounded, Bound::Excluded);
    let mut rest = stream.tags.range((start, Bound::Unbounded));
    let tags = rest.by_ref().take(limit).map(tags::shape).collect();
    Ok(api::ListTagsForStreamOutput { tags, has_more_tags: rest.next().is_some(), ..Default::default() })
}
