//! AddTagsToStream: tags that are new, and new values for those that are there.

use crate::Kinesis;
use crate::error::Failure;
use crate::tags::Tagged;
use millstream_api_kinesis as api;
use millstream_shapes::Empty;

pub(crate) async fn run(service: &Kinesis, input: api::AddTagsToStreamInput) -> Result<Empty, Failure> {
    let stream = Tagged::stream(service, input.stream_name.as_deref(), input.stream_arn.as_deref())?;
    stream.add(service, input.tags).await
}
