use super::Handle;
use crate::Failure;
use crate::configuration::{View, describe};
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
        let function = target.find(lambda.home(), &lambda.control().state())?;
        let code = FunctionCodeLocation {
            repository_type: Some("S3".to_owned()),
            location: Some(lambda.code_url(&function.shown().0.key)),
            ..Default::default()
        };
        Ok(GetFunctionResponse {
            configuration: Some(describe(lambda.home(), &function, View::Full, target.qualifier.is_some())),
            code: Some(code),
            tags: (!function.tags.is_empty()).then(|| function.tags.clone()),
            ..Default::default()
        })
    }
}
