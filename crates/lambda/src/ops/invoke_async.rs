use super::Handle;
use super::invoke::{Event, Found, payload};
use crate::service::{Context, Lambda};
use crate::{Failure, caps, error};
use api::{InvokeAsyncRequest, InvokeAsyncResponse};
use millstream_api_lambda as api;

impl Handle for api::InvokeAsync {
    /// The operation from before `Invoke` had an `InvocationType`. It takes less, and passes no trace on.
    async fn handle(
        lambda: &Lambda,
        input: InvokeAsyncRequest,
        context: Context<'_>,
    ) -> Result<InvokeAsyncResponse, Failure> {
        let found = Found::find(lambda, &input.function_name, None)?;
        let most = Event { operation: "InvokeAsync", bytes: caps::OLD_EVENT_BYTES };
        let payload = payload(Some(&input.invoke_args), most)?;
        error::check_active(&found.function)?;
        let Found { function, qualifier } = found;
        lambda.take_event(&function, qualifier, payload, context.request_id, None).await?;
        Ok(InvokeAsyncResponse { status: Some(202) })
    }
}
