//! GetResourcePolicy: the policy as it was put. Where there is none it is empty, as emulators have recorded it.

use crate::Kinesis;
use crate::error::Failure;
use millstream_api_kinesis as api;

pub(crate) async fn run(
    service: &Kinesis,
    input: api::GetResourcePolicyInput,
) -> Result<api::GetResourcePolicyOutput, Failure> {
    let policy = service.governed(&input.resource_arn)?.policy.unwrap_or_else(|| "{}".to_owned());
    Ok(api::GetResourcePolicyOutput { policy, ..Default::default() })
}
