//! TagResource: AddTagsToStream for whatever has an ARN, consumers too.

use crate::Kinesis;
use crate::error::Failure;
use crate::tags::Tagged;
use millstream_api_kinesis as api;
use millstream_shapes::Empty;

pub(crate) async fn run(service: &Kinesis, input: api::TagResourceInput) -> Result<Empty, Failure> {
    Tagged::resource(service, &input.resource_arn)?.add(service, input.tags).await
}
