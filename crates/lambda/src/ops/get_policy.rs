use super::Handle;
use crate::Failure;
use crate::error::no_such_resource;
use crate::names::{LATEST, Target};
use crate::service::{Context, Lambda};
use api::{GetPolicyRequest, GetPolicyResponse};
use millstream_api_lambda as api;

impl Handle for api::GetPolicy {
    async fn handle(
        lambda: &Lambda,
        input: GetPolicyRequest,
        _context: Context<'_>,
    ) -> Result<GetPolicyResponse, Failure> {
        let target = Target::parse(lambda.home(), &input.function_name)?;
        let target = target.with_qualifier(input.qualifier.as_deref())?;
        let state = lambda.control().state();
        if target.qualifier.as_deref() == Some(LATEST) {
            target.find(lambda.home(), &state)?;
            return Err(no_such_resource());
        }
        let governed = lambda.governed_function(&target, &state)?;
        let policy = governed.policy()?;
        Ok(GetPolicyResponse {
            policy: Some(policy.text.clone()),
            revision_id: Some(policy.revision_id.clone()),
        })
    }
}
