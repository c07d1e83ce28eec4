use super::Handle;
use crate::Failure;
use crate::configuration::{View, small};
use crate::names::Target;
use crate::service::{Context, Lambda};
use api::{FunctionCodeLocation, GetFunctionRequest, GetFunctionResponse};
use millstream_api_lambda as api;

impl Handle for api::GetFunction {
    async fn handle(
        lambda: &Lambda,
        input: GetFunctionRequest,
        _context: Context<'_>,
    ) -> Result<GetFunctionResponse, Failure> {
        let target = Target::parse(lambda.home(), &input.function_name)?;
        let target = target.with_qualifier(input.qualifier.as_deref())?;
        let found = target.find_version(lambda.home(), &lambda.control().state())?;
        let function = &found.function;
        let shown = function.shown().0;
        let code = match &shown.image_uri {
            Some(uri) => FunctionCodeLocation {
                repository_type: Some("ECR".to_owned()),
                image_uri: Some(uri.clone()),
                resolved_image_uri: Some(uri.clone()),
                ..Default::default()
            },
            None => FunctionCodeLocation {
                repository_type: Some("S3".to_owned()),
                location: Some(lambda.code_url(&shown.key)),
                ..Default::default()
            },
        };
        Ok(GetFunctionResponse {
            configuration: Some(found.describe(lambda.home(), View::Full)),
            code: Some(code),
            concurrency: function
                .reserved_concurrency
                .map(|reserved| api::Concurrency { reserved_concurrent_executions: Some(small(reserved)) }),
            tags: (!function.tags.is_empty()).then(|| function.tags.clone()),
            ..Default::default()
        })
    }
}
