use super::Handle;
use crate::Failure;
use crate::configuration::small;
use crate::names::Target;
use crate::service::{Context, Lambda};
use api::{GetFunctionConcurrencyRequest, GetFunctionConcurrencyResponse};
use millstream_api_lambda as api;

impl Handle for api::GetFunctionConcurrency {
    async fn handle(
        lambda: &Lambda,
        input: GetFunctionConcurrencyRequest,
        _context: Context<'_>,
    ) -> Result<GetFunctionConcurrencyResponse, Failure> {
        let home = lambda.home();
        let target = Target::parse(home, &input.function_name)?;
        let function = target.unqualified().find(home, &lambda.control().state())?;
        Ok(GetFunctionConcurrencyResponse {
            reserved_concurrent_executions: function.reserved_concurrency.map(small),
        })
    }
}
