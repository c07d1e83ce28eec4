use super::Handle;
use crate::Failure;
use crate::names::Target;
use crate::service::{Context, Lambda};
use api::{PutResourcePolicyRequest, PutResourcePolicyResponse};
use millstream_api_lambda as api;

impl Handle for api::PutResourcePolicy {
    /// A whole policy in the place of what AddPermission and others have made.
    async fn handle(
        lambda: &Lambda,
        input: PutResourcePolicyRequest,
        _context: Context<'_>,
    ) -> Result<PutResourcePolicyResponse, Failure> {
        let target = Target::parse(lambda.home(), &input.resource_arn)?;
        let change = lambda.change_policy(
            |state| lambda.governed_function(&target, state),
            input.revision_id.as_deref(),
            |governed| governed.checked(&input.policy),
        );
        let (policy, revision_id) = change.await?;
        Ok(PutResourcePolicyResponse { policy: Some(policy), revision_id: Some(revision_id) })
    }
}
