use super::Handle;
use crate::Failure;
use crate::error::no_such_resource;
use crate::service::{Context, Lambda};
use crate::urls;
use api::{UpdateFunctionUrlConfigRequest, UpdateFunctionUrlConfigResponse};
use millstream_api_lambda as api;
use millstream_control::UrlChange;

impl Handle for api::UpdateFunctionUrlConfig {
    async fn handle(
        lambda: &Lambda,
        input: UpdateFunctionUrlConfigRequest,
        _context: Context<'_>,
    ) -> Result<UpdateFunctionUrlConfigResponse, Failure> {
        let qualifier = input.qualifier.as_deref();
        let (function, alias) = lambda.url_target(&input.function_name, qualifier, no_such_resource)?;
        let change = UrlChange::Update {
            auth: input.auth_type.as_ref().map(urls::auth),
            cors: input.cors.map(urls::cors),
            mode: urls::mode(input.invoke_mode.as_ref()),
        };
        let url = lambda.change_url(&function, &alias, change).await?;
        let shown = lambda.show_url(&function, &alias, &url);
        Ok(UpdateFunctionUrlConfigResponse {
            function_url: shown.function_url,
            function_arn: shown.function_arn,
            auth_type: shown.auth_type,
            cors: shown.cors,
            creation_time: shown.creation_time,
            last_modified_time: shown.last_modified_time,
            invoke_mode: shown.invoke_mode,
        })
    }
}
