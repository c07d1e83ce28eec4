use super::Handle;
use crate::Failure;
use crate::names::Target;
use crate::policy::no_policy;
use crate::service::{Context, Lambda};
use api::DeleteResourcePolicyRequest;
use millstream_api_lambda as api;
use millstream_shapes::Empty;

impl Handle for api::DeleteResourcePolicy {
    async fn handle(
        lambda: &Lambda,
        input: DeleteResourcePolicyRequest,
        _context: Context<'_>,
    ) -> Result<Empty, Failure> {
        let target = Target::parse(lambda.home(), &input.resource_arn)?;
        let change = lambda.change_policy(
            |state| lambda.governed_function(&target, state),
            input.revision_id.as_deref(),
            |governed| governed.policy().map(|_present| (None, ())).map_err(|_none| no_policy()),
        );
        change.await?;
        Ok(Empty)
    }
}
