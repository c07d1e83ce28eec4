use super::Handle;
use crate::Failure;
use crate::service::{Context, Lambda};
use crate::urls;
use api::{CreateFunctionUrlConfigRequest, CreateFunctionUrlConfigResponse};
use millstream_api_lambda as api;
use millstream_control::{UrlChange, UrlSettings};

impl Handle for api::CreateFunctionUrlConfig {
    async fn handle(
        lambda: &Lambda,
        input: CreateFunctionUrlConfigRequest,
        _context: Context<'_>,
    ) -> Result<CreateFunctionUrlConfigResponse, Failure> {
        let qualifier = input.qualifier.as_deref();
        let (function, alias) = lambda.url_target(&input.function_name, qualifier, urls::no_function)?;
        let settings = UrlSettings {
            auth: urls::auth(&input.auth_type),
            cors: input.cors.map(urls::cors),
            mode: urls::mode(input.invoke_mode.as_ref()),
        };
        let change = UrlChange::Create { id: urls::new_id(), settings };
        let url = lambda.change_url(&function, &alias, change).await?;
        let shown = lambda.show_url(&function, &alias, &url);
        Ok(CreateFunctionUrlConfigResponse {
            function_url: shown.function_url,
            function_arn: shown.function_arn,
            auth_type: shown.auth_type,
            cors: shown.cors,
            creation_time: shown.creation_time,
            invoke_mode: shown.invoke_mode,
        })
    }
}
