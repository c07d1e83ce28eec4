//! ListTagsForResource: the tags of whatever has an ARN, all at once.

use crate::Kinesis;
use crate::error::Failure;
use crate::tags::{self, Tagged};
use millstream_api_kinesis as api;

pub(crate) async fn run(
    service: &Kinesis,
    input: api::ListTagsForResourceInput,
) -> Result<api::ListTagsForResourceOutput, Failure> {
    let found = Tagged::resource(service, &input.resource_arn)?;
    let tags = found.tags.iter().map(tags::shape).collect();
    Ok(api::ListTagsForResourceOutput { tags: Some(tags), ..Default::default() })
}
