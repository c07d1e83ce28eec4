use super::Handle;
use crate::Failure;
use crate::names::Target;
use crate::service::{Context, Lambda};
use api::RemovePermissionRequest;
use millstream_api_lambda as api;
use millstream_shapes::Empty;

impl Handle for api::RemovePermission {
    async fn handle(
        lambda: &Lambda,
        input: RemovePermissionRequest,
        _context: Context<'_>,
    ) -> Result<Empty, Failure> {
        let target = Target::parse(lambda.home(), &input.function_name)?;
        let target = target.with_qualifier(input.qualifier.as_deref())?;
        let change = lambda.change_policy(
            |state| lambda.governed_function(&target, state),
            input.revision_id.as_deref(),
            |governed| governed.without(&input.statement_id),
        );
        change.await?;
        Ok(Empty)
    }
}
