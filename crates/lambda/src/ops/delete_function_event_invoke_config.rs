use super::Handle;
use crate::events::qualifier_of;
use crate::service::{Context, Lambda};
use crate::{Failure, error};
use api::DeleteFunctionEventInvokeConfigRequest;
use millstream_api_lambda as api;
use millstream_control::{DeleteEventInvokeConfig, Refusal};
use millstream_control_node::SubmitError;
use millstream_shapes::Empty;

impl Handle for api::DeleteFunctionEventInvokeConfig {
    async fn handle(
        lambda: &Lambda,
        input: DeleteFunctionEventInvokeConfigRequest,
        _context: Context<'_>,
    ) -> Result<Empty, Failure> {
        let home = lambda.home();
        let target = lambda.event_target(&input.function_name, input.qualifier.as_deref())?;
        let (function, qualifier) = (home.key(&target.name), qualifier_of(&target).to_owned());
        let command = DeleteEventInvokeConfig { function, qualifier };
        lambda.control().submit(command).await.map_err(|error| match error {
            SubmitError::Refused(Refusal::NoSuchFunction(_) | Refusal::NoEventInvokeConfig { .. }) => {
                lambda.no_event_config(&target)
            }
            error => error::submit(home, error),
        })?;
        Ok(Empty)
    }
}
