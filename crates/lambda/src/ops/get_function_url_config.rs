use super::Handle;
use crate::Failure;
use crate::error::no_such_resource;
use crate::service::{Context, Lambda};
use api::{GetFunctionUrlConfigRequest, GetFunctionUrlConfigResponse};
use millstream_api_lambda as api;

impl Handle for api::GetFunctionUrlConfig {
    async fn handle(
        lambda: &Lambda,
        input: GetFunctionUrlConfigRequest,
        _context: Context<'_>,
    ) -> Result<GetFunctionUrlConfigResponse, Failure> {
        let qualifier = input.qualifier.as_deref();
        let (function, alias) = lambda.url_target(&input.function_name, qualifier, no_such_resource)?;
        let url = function.urls.get(&alias).ok_or_else(no_such_resource)?;
        let shown = lambda.show_url(&function, &alias, url);
        Ok(GetFunctionUrlConfigResponse {
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
