//! DeleteResourcePolicy.

use crate::Kinesis;
use crate::error::Failure;
use millstream_api_kinesis as api;
use millstream_shapes::Empty;

pub(crate) async fn run(service: &Kinesis, input: api::DeleteResourcePolicyInput) -> Result<Empty, Failure> {
    let governed = service.governed(&input.resource_arn)?;
    // Another may have taken it away in between.
    let had_one = governed.policy.is_some() && governed.set(service, None).await?;
    if had_one { Ok(Empty {}) } else { Err(governed.has_none()) }
}
