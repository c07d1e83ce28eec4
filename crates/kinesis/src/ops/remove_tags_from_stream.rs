//! RemoveTagsFromStream: tags that are not there are no error.

use crate::Kinesis;
use crate::error::Failure;
use crate::tags::Tagged;
use millstream_api_kinesis as api;
use millstream_shapes::Empty;

pub(crate) async fn run(service: &Kinesis, input: api::RemoveTagsFromStreamInput) -> Result<Empty, Failure> {
    let stream = Tagged::stream(service, input.stream_name.as_deref(), input.stream_arn.as_deref())?;
    stream.remove(service, input.tag_keys).await
}
