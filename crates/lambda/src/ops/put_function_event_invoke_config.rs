use super::Handle;
use crate::events::{Asked, no_function, qualifier_of, show};
use crate::service::{Context, Lambda};
use crate::{Failure, error};
use api::{FunctionEventInvokeConfig, PutFunctionEventInvokeConfigRequest};
use millstream_api_lambda as api;
use millstream_control::{PutEventInvokeConfig, Refusal};
use millstream_control_node::SubmitError;

impl Handle for api::PutFunctionEventInvokeConfig {
    /// What is left out is as Lambda has it from now on, whatever it was.
    async fn handle(
        lambda: &Lambda,
        input: PutFunctionEventInvokeConfigRequest,
        _context: Context<'_>,
    ) -> Result<FunctionEventInvokeConfig, Failure> {
        let asked = Asked {
            max_retries: input.maximum_retry_attempts,
            max_age_secs: input.maximum_event_age_in_seconds,
            destinations: input.destination_config.as_ref(),
        };
        asked.check()?;
        let home = lambda.home();
        let target = lambda.event_target(&input.function_name, input.qualifier.as_deref())?;
        let state = lambda.control().state();
        let function = target.unqualified().find(home, &state).map_err(|_missing| no_function())?;
        if !function.published.has_qualifier(qualifier_of(&target)) {
            return Err(no_function());
        }
        if let Some(destinations) = asked.destinations {
            lambda.check_destinations(&state, &function, destinations)?;
        }
        let given = |arn: Option<String>| arn.filter(|arn| !arn.is_empty());
        let command = PutEventInvokeConfig {
            function: function.name.clone(),
            qualifier: qualifier_of(&target).to_owned(),
            max_retries: asked.retries(),
            max_age_secs: asked.age_secs(),
            on_success: given(asked.on_success()),
            on_failure: given(asked.on_failure()),
        };
        let config = lambda.control().submit(command).await.map_err(|error| match error {
            SubmitError::Refused(Refusal::NoSuchFunction(_) | Refusal::NoSuchVersion { .. }) => no_function(),
            error => error::submit(home, error),
        })?;
        Ok(show(&function.arn, qualifier_of(&target), &config))
    }
}
