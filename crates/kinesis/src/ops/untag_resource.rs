//! UntagResource: RemoveTagsFromStream for whatever has an ARN, consumers too.

use crate::Kinesis;
use crate::error::Failure;
use crate::tags::Tagged;
use millstream_api_kinesis as api;
use millstream_shapes::Empty;

pub(crate) async fn run(service: &Kinesis, input: api::UntagResourceInput) -> Result<Empty, Failure> {
    Tagged::resource(service, &input.resource_arn)?.remove(service, input.tag_keys).await
}
