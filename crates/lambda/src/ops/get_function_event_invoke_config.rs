use super::Handle;
use crate::Failure;
use crate::events::{qualifier_of, show};
use crate::service::{Context, Lambda};
use api::{FunctionEventInvokeConfig, GetFunctionEventInvokeConfigRequest};
use millstream_api_lambda as api;

impl Handle for api::GetFunctionEventInvokeConfig {
    async fn handle(
        lambda: &Lambda,
        input: GetFunctionEventInvokeConfigRequest,
        _context: Context<'_>,
    ) -> Result<FunctionEventInvokeConfig, Failure> {
        let target = lambda.event_target(&input.function_name, input.qualifier.as_deref())?;
        let missing = || lambda.no_event_config(&target);
        let state = lambda.control().state();
        let function = target.unqualified().find(lambda.home(), &state).map_err(|_missing| missing())?;
        let qualifier = qualifier_of(&target);
        let config = function.event_invoke.get(qualifier).ok_or_else(missing)?;
        Ok(show(&function.arn, qualifier, config))
    }
}
