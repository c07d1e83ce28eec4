use super::Handle;
use crate::Failure;
use crate::names::Target;
use crate::service::{Context, Lambda};
use api::{GetResourcePolicyRequest, GetResourcePolicyResponse};
use millstream_api_lambda as api;

impl Handle for api::GetResourcePolicy {
    async fn handle(
        lambda: &Lambda,
        input: GetResourcePolicyRequest,
        _context: Context<'_>,
    ) -> Result<GetResourcePolicyResponse, Failure> {
        let target = Target::parse(lambda.home(), &input.resource_arn)?;
        let governed = lambda.governed_function(&target, &lambda.control().state())?;
        let policy = governed.policy()?;
        Ok(GetResourcePolicyResponse {
            policy: Some(policy.text.clone()),
            revision_id: Some(policy.revision_id.clone()),
        })
    }
}
