use super::Handle;
use crate::Failure;
use crate::error::no_such_resource;
use crate::service::{Context, Lambda};
use api::DeleteFunctionUrlConfigRequest;
use millstream_api_lambda as api;
use millstream_control::UrlChange;
use millstream_shapes::Empty;

impl Handle for api::DeleteFunctionUrlConfig {
    async fn handle(
        lambda: &Lambda,
        input: DeleteFunctionUrlConfigRequest,
        _context: Context<'_>,
    ) -> Result<Empty, Failure> {
        let qualifier = input.qualifier.as_deref();
        let (function, alias) = lambda.url_target(&input.function_name, qualifier, no_such_resource)?;
        lambda.change_url(&function, &alias, UrlChange::Delete).await?;
        Ok(Empty)
    }
}
