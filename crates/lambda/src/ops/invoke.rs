use super::Handle;
use crate::error;
use crate::names::{LATEST, Target};
use crate::service::{Context, Lambda};
use crate::{Failure, caps};
use api::{ErrorCode, InvocationRequest, InvocationResponse, InvocationType, LogType};
use bytes::Bytes;
use millstream_api_lambda as api;
use millstream_control::Function;
use millstream_functions::Invocation;
use serde::de::IgnoredAny;
use std::sync::Arc;

impl Handle for api::Invoke {
    async fn handle(
        lambda: &Lambda,
        input: InvocationRequest,
        context: Context<'_>,
    ) -> Result<InvocationResponse, Failure> {
        let found = Found::find(lambda, &input.function_name, input.qualifier.as_deref())?;
        let later = input.invocation_type == Some(InvocationType::Event);
        let most = if later { EVENT } else { CALL };
        let payload = payload(input.payload.as_ref(), most)?;
        refuse_what_is_not_built(&input)?;
        let client_context = input.client_context.as_deref().map(client_context).transpose()?;
        error::check_active(&found.function)?;
        let trace_id = context.trace_id.filter(|id| id.len() <= caps::TRACE_ID_CHARS).map(str::to_owned);
        let Found { function, qualifier } = found;
        if later {
            // The context is for synchronous invocations only (API reference, Invoke).
            lambda.take_event(&function, qualifier, payload, context.request_id, trace_id).await?;
            return Ok(InvocationResponse { status_code: Some(202), ..Default::default() });
        }
        if input.invocation_type == Some(InvocationType::DryRun) {
            return Ok(InvocationResponse { status_code: Some(204), ..Default::default() });
        }
        let spec =
            millstream_mapping::qualified_spec(&function, qualifier.as_deref()).map_err(error::spec)?;
        let call =
            Invocation { request_id: context.request_id.to_owned(), payload, client_context, trace_id };
        let reply = lambda.functions().invoke(spec, call).await.map_err(error::invoke)?;
        let wants_log = input.log_type == Some(LogType::Tail);
        Ok(InvocationResponse {
            status_code: Some(200),
            function_error: reply.function_error.map(|error| error.as_str().to_owned()),
            log_result: wants_log.then(|| base64_simd::STANDARD.encode_to_string(&reply.log_tail)),
            payload: Some(reply.payload),
            executed_version: Some(reply.executed_version),
            ..Default::default()
        })
    }
}

/// The function of a request.
#[derive(Debug)]
pub(super) struct Found {
    pub(super) function: Arc<Function>,
    /// As the request named it.
    pub(super) qualifier: Option<String>,
}

impl Found {
    pub(super) fn find(lambda: &Lambda, name: &str, qualifier: Option<&str>) -> Result<Self, Failure> {
        let mut target = Target::parse(lambda.home(), name)?.with_qualifier(qualifier)?;
        let qualifier = target.qualifier.clone();
        // An error names what AWS looked for.
        target.qualifier.get_or_insert_with(|| LATEST.to_owned());
        let state = lambda.control().state();
        target.find_version(lambda.home(), &state)?;
        Ok(Self { function: target.unqualified().find(lambda.home(), &state)?, qualifier })
    }
}

/// What an operation takes.
#[derive(Clone, Copy, Debug)]
pub(super) struct Event {
    pub(super) operation: &'static str,
    pub(super) bytes: usize,
}

pub(super) const CALL: Event = Event { operation: "InvokeFunction", bytes: caps::PAYLOAD_BYTES };
const EVENT: Event = Event { operation: "InvokeFunction", bytes: caps::EVENT_BYTES };

/// The event for the function: the body, or `{}` if there is none. It must be JSON.
pub(super) fn payload(body: Option<&Bytes>, most: Event) -> Result<Bytes, Failure> {
    let Some(body) = body.filter(|body| !body.is_empty()) else { return Ok(Bytes::from_static(b"{}")) };
    if body.len() > most.bytes {
        return Err(error::payload_too_large(most.bytes, most.operation));
    }
    let text = std::str::from_utf8(body).map_err(|error| not_json(&error))?;
    serde_json::from_str::<IgnoredAny>(text).map_err(|error| not_json(&error))?;
    Ok(body.clone())
}

fn not_json(why: &dyn std::error::Error) -> Failure {
    Failure::new(
        ErrorCode::InvalidRequestContentException,
        format!("Could not parse request body into json: Could not parse payload into json: {why}"),
    )
}

fn refuse_what_is_not_built(input: &InvocationRequest) -> Result<(), Failure> {
    Failure::unless_built([
        (input.durable_execution_name.is_some(), "DurableExecutionName"),
        (input.tenant_id.is_some(), "TenantId"),
    ])
}

/// The JSON text in `X-Amz-Client-Context`.
pub(super) fn client_context(base64: &str) -> Result<String, Failure> {
    let bad = |why: &str| Failure::new(ErrorCode::InvalidRequestContentException, why);
    if base64.len() > caps::CLIENT_CONTEXT_CHARS {
        return Err(bad("Client context must be no more than 3583 bytes in base64."));
    }
    base64_simd::STANDARD
        .decode_to_vec(base64)
        .ok()
        .and_then(|bytes| String::from_utf8(bytes).ok())
        .filter(|text| serde_json::from_str::<IgnoredAny>(text).is_ok())
        .ok_or_else(|| bad("Client context must be a valid Base64-encoded JSON object."))
}
