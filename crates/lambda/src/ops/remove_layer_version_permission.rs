use super::Handle;
use crate::Failure;
use crate::service::{Context, Lambda};
use api::RemoveLayerVersionPermissionRequest;
use millstream_api_lambda as api;
use millstream_shapes::Empty;

impl Handle for api::RemoveLayerVersionPermission {
    async fn handle(
        lambda: &Lambda,
        input: RemoveLayerVersionPermissionRequest,
        _context: Context<'_>,
    ) -> Result<Empty, Failure> {
        let change = lambda.change_policy(
            |state| lambda.governed_layer(&input.layer_name, input.version_number, state),
            input.revision_id.as_deref(),
            |governed| governed.without(&input.statement_id),
        );
        change.await?;
        Ok(Empty)
    }
}
