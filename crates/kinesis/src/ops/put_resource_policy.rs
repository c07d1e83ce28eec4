//! PutResourcePolicy: a policy in the place of the one that is there.

use crate::Kinesis;
use crate::error::Failure;
use millstream_api_kinesis as api;
use millstream_shapes::Empty;

pub(crate) async fn run(service: &Kinesis, input: api::PutResourcePolicyInput) -> Result<Empty, Failure> {
    let governed = service.governed(&input.resource_arn)?;
    governed.check(&input.policy)?;
    governed.set(service, Some(input.policy)).await?;
    Ok(Empty {})
}
