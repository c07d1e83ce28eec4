use super::invoke::{CALL, Found, client_context, payload};
use crate::service::{Context, Lambda, Reply};
use crate::streaming::frames;
use crate::{Failure, caps, error};
use api::{InvokeWithResponseStreamResponse, LogType, ResponseStreamingInvocationType as Kind};
use millstream_api_lambda as api;
use millstream_functions::Invocation;
use millstream_shapes::{RestInput, RestRequest, check, respond};
use millstream_wire::event_stream;
use millstream_wire::json::RestJson;

/// Answers as soon as the response begins, and with frames from then on.
pub(super) async fn run(
    lambda: &Lambda,
    request: &RestRequest<'_>,
    context: Context<'_>,
) -> Result<Reply, Failure> {
    let input = api::InvokeWithResponseStreamRequest::from_request(&RestJson, request)?;
    check(&input)?;
    let found = Found::find(lambda, &input.function_name, input.qualifier.as_deref())?;
    let payload = payload(input.payload.as_ref(), CALL)?;
    Failure::unless_built([(input.tenant_id.is_some(), "TenantId")])?;
    let client_context = input.client_context.as_deref().map(client_context).transpose()?;
    error::check_active(&found.function)?;
    if input.invocation_type == Some(Kind::DryRun) {
        let output = InvokeWithResponseStreamResponse { status_code: Some(204), ..Default::default() };
        return Ok(respond::<api::InvokeWithResponseStream, _>(&RestJson, &output).into());
    }
    let trace_id = context.trace_id.filter(|id| id.len() <= caps::TRACE_ID_CHARS).map(str::to_owned);
    let call = Invocation { request_id: context.request_id.to_owned(), payload, client_context, trace_id };
    let streaming = lambda.invoke_streaming(&found.function, found.qualifier.as_deref(), call).await?;
    let output = InvokeWithResponseStreamResponse {
        status_code: Some(200),
        executed_version: Some(streaming.executed_version().to_owned()),
        // What the function says of its own bytes stays inside: these are frames.
        response_stream_content_type: Some(event_stream::CONTENT_TYPE.to_owned()),
    };
    let response = respond::<api::InvokeWithResponseStream, _>(&RestJson, &output);
    Ok(Reply { response, stream: Some(frames(streaming, input.log_type == Some(LogType::Tail))) })
}
