use super::Handle;
use crate::events::{Asked, no_function, qualifier_of, show};
use crate::service::{Context, Lambda};
use crate::{Failure, error};
use api::{FunctionEventInvokeConfig, UpdateFunctionEventInvokeConfigRequest};
use millstream_api_lambda as api;
use millstream_control::{ChangeEventInvokeConfig, Refusal};
use millstream_control_node::SubmitError;

impl Handle for api::UpdateFunctionEventInvokeConfig {
    /// What is left out stays as it is. An empty ARN takes a destination away.
    async fn handle(
        lambda: &Lambda,
        input: UpdateFunctionEventInvokeConfigRequest,
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
        let command = ChangeEventInvokeConfig {
            function: function.name.clone(),
            qualifier: qualifier_of(&target).to_owned(),
            max_retries: asked.retries(),
            max_age_secs: asked.age_secs(),
            on_success: asked.on_success(),
            on_failure: asked.on_failure(),
        };
        let config = lambda.control().submit(command).await.map_err(|error| match error {
            SubmitError::Refused(Refusal::NoSuchFunction(_) | Refusal::NoSuchVersion { .. }) => no_function(),
            SubmitError::Refused(Refusal::NoEventInvokeConfig { .. }) => lambda.no_event_config(&target),
            error => error::submit(home, error),
        })?;
        Ok(show(&function.arn, qualifier_of(&target), &config))
    }
}
