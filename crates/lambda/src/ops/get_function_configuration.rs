use super::Handle;
use crate::Failure;
use crate::configuration::View;
use crate::names::Target;
use crate::service::{Context, Lambda};
use api::{FunctionConfiguration, GetFunctionConfigurationRequest};
use millstream_api_lambda as api;

impl Handle for api::GetFunctionConfiguration {
    async fn handle(
        lambda: &Lambda,
        input: GetFunctionConfigurationRequest,
        _context: Context<'_>,
    ) -> Result<FunctionConfiguration, Failure> {
        let target = Target::parse(lambda.home(), &input.function_name)?;
        let target = target.with_qualifier(input.qualifier.as_deref())?;
        let found = target.find_version(lambda.home(), &lambda.control().state())?;
        Ok(found.describe(lambda.home(), View::Full))
    }
}
