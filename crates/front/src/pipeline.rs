//! A request's way through the server, in order: route, body, service, answer.

use crate::access::Peer;
use crate::body::{self, Answer, BodyError, frames, watched, whole, whole_with};
use crate::faults::{Faults, RecordFaults, THROTTLED};
use crate::line::Line;
use crate::metrics::Metrics;
use crate::operator::{self, Health};
use crate::route::{Route, route};
use crate::{access, caller, caps, fault_steps, function_urls, logs_steps};
use bytes::Bytes;
use futures_util::StreamExt;
use http::header::{CONTENT_TYPE, HeaderName, HeaderValue};
use http::request::Parts;
use http::{Request, Response, StatusCode};
use hyper::body::Incoming;
use millstream_api_kinesis::{Error as KinesisError, ErrorCode, Operation};
use millstream_api_lambda::{
    Error as LambdaError, ErrorCode as LambdaErrorCode, Operation as LambdaOperation,
};
use millstream_credentials::Keyring;
use millstream_host::{Clock, entropy};
use millstream_iam::Caller;
use millstream_kinesis::{Failure, Kinesis};
use millstream_lambda::{ByteStream, Lambda};
use millstream_logs::Logs;
use millstream_shapes::{Codec, ErrorName, RestResponse};
use millstream_types::Home;
use millstream_wire::sigv4::{SignatureError, SignatureFault};
use millstream_wire::{cbor::Cbor11, error_body, event_stream, json::Json11};
use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_util::sync::CancellationToken;

/// All that answers requests.
#[derive(Debug)]
pub struct Front {
    kinesis: Kinesis,
    pub(crate) lambda: Lambda,
    /// Functions' logs, where they are kept.
    pub(crate) logs: Option<Logs>,
    health: Arc<dyn Health>,
    metrics: Metrics,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) keyring: Arc<Keyring>,
    /// Memory that request bodies may take, in KiB.
    pub(crate) kinesis_bodies: Semaphore,
    pub(crate) lambda_bodies: Semaphore,
    pub(crate) logs_bodies: Semaphore,
    /// Memory that large answers may take, in KiB.
    pub(crate) answers: Arc<Semaphore>,
    /// Only this machine can connect.
    pub(crate) only_loopback: bool,
    /// For tests of clients.
    pub(crate) faults: Option<Faults>,
}

const REQUEST_ID: HeaderName = HeaderName::from_static("x-amzn-requestid");
const EXTENDED_REQUEST_ID: HeaderName = HeaderName::from_static("x-amz-id-2");

/// How a Kinesis request's body is written, and so its answer's too.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Encoding {
    Json,
    /// What the SDKs for Java send.
    Cbor,
}

impl Encoding {
    /// JSON, unless the request says CBOR.
    fn of(parts: &Parts) -> Self {
        let kind = parts.headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
        let kind = kind.split(';').next().unwrap_or_default().trim();
        if kind.eq_ignore_ascii_case(Cbor11::CONTENT_TYPE) { Self::Cbor } else { Self::Json }
    }

    fn content_type(self) -> &'static str {
        match self {
            Self::Json => Json11::CONTENT_TYPE,
            Self::Cbor => Cbor11::CONTENT_TYPE,
        }
    }

    async fn call(
        self,
        service: &Kinesis,
        caller: Option<&Caller>,
        operation: &str,
        body: &Bytes,
    ) -> Result<millstream_kinesis::Answer, Failure> {
        match (self, caller) {
            (Self::Json, None) => service.call(&Json11, operation, body).await,
            (Self::Cbor, None) => service.call(&Cbor11, operation, body).await,
            (Self::Json, Some(caller)) => service.call_as(caller, &Json11, operation, body).await,
            (Self::Cbor, Some(caller)) => service.call_as(caller, &Cbor11, operation, body).await,
        }
    }

    /// PutRecords, some records of which are refused.
    async fn put_partly(
        self,
        service: &Kinesis,
        caller: Option<&Caller>,
        body: &Bytes,
        refused: &RecordFaults,
    ) -> Result<millstream_kinesis::Answer, Failure> {
        let fails = || refused.next_fails();
        match self {
            Self::Json => service.put_records_partly(caller, &Json11, body, fails, THROTTLED).await,
            Self::Cbor => service.put_records_partly(caller, &Cbor11, body, fails, THROTTLED).await,
        }
    }

    fn error(self, error: &KinesisError) -> Answer {
        let body = match self {
            Self::Json => error_body::named(&Json11, error),
            Self::Cbor => error_body::named(&Cbor11, error),
        };
        let mut answer = with_content_type(Response::new(whole(body)), self.content_type());
        *answer.status_mut() =
            StatusCode::from_u16(error.code.status()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        answer
    }
}

impl Front {
    pub fn new(
        kinesis: Kinesis,
        lambda: Lambda,
        health: Arc<dyn Health>,
        metrics: Metrics,
        clock: Arc<dyn Clock>,
        only_loopback: bool,
    ) -> Self {
        Self {
            kinesis,
            lambda,
            logs: None,
            health,
            metrics,
            keyring: Arc::new(Keyring::none(clock.clone())),
            clock,
            kinesis_bodies: Semaphore::new(caps::KINESIS_BODIES_KIB),
            lambda_bodies: Semaphore::new(caps::LAMBDA_BODIES_KIB),
            logs_bodies: Semaphore::new(caps::LOGS_BODIES_KIB),
            answers: Arc::new(Semaphore::new(caps::ANSWERS_KIB)),
            only_loopback,
            faults: None,
        }
    }

    /// With keys that requests must be signed with.
    #[must_use]
    pub fn with_keyring(self, keyring: Arc<Keyring>) -> Self {
        Self { keyring, ..self }
    }

    /// With the CloudWatch Logs API.
    #[must_use]
    pub fn with_logs(self, logs: Logs) -> Self {
        Self { logs: Some(logs), ..self }
    }

    /// The account and region that a request means, if they are not the server's own.
    pub(crate) fn home_of(&self, parts: &Parts, caller: Option<&Caller>) -> Option<Home> {
        let own = self.kinesis.home();
        caller.map_or_else(|| caller::home(parts, own), |caller| caller::known(caller, own))
    }

    /// With faults that are injected into requests.
    #[must_use]
    pub fn with_faults(self, faults: Option<Faults>) -> Self {
        Self { faults, ..self }
    }

    pub(crate) fn metrics(&self) -> &Metrics {
        &self.metrics
    }
}

/// What all connections share: one count to keep for each request.
#[derive(Debug)]
pub(crate) struct Served {
    pub(crate) front: Arc<Front>,
    pub(crate) shutdown: CancellationToken,
    /// Requests for names of other machines are refused.
    pub(crate) only_local_names: bool,
}

/// Answer one request. Never fails: what goes wrong is an answer too.
pub(crate) async fn answer(
    served: Arc<Served>,
    peer: Peer,
    line: Arc<Line>,
    request: Request<Incoming>,
) -> Result<Answer, Infallible> {
    let front = &*served.front;
    let request_id = entropy::uuid();
    let (parts, body) = request.into_parts();
    let signed = front.keyring.is_enforced();
    let arrived = Arrived { parts: &parts, peer, request_id: &request_id };
    let mut answer = match route(&parts, served.only_local_names, signed) {
        Route::Health => operator::health(&*front.health, signed),
        Route::Metrics => match access::metrics(&front.keyring, &parts, peer, front.clock.now()) {
            Ok(()) => {
                let queues = Box::pin(front.kinesis.queue_metrics()).await;
                let text = front.metrics.render(|text| {
                    front.kinesis.write_metrics(text);
                    text.push_str(&queues);
                    front.lambda.write_metrics(text);
                });
                let kind = "application/openmetrics-text; version=1.0.0; charset=utf-8";
                operator::answer(StatusCode::OK, kind, text.into())
            }
            Err(refused) => *refused,
        },
        Route::Faults => Box::pin(fault_steps::operate(front, &parts, body)).await,
        Route::Code(key) => code(front, key, &parts, signed).await,
        Route::Kinesis(operation) => kinesis(front, &arrived, operation, body, &served.shutdown).await,
        Route::Logs(operation) => {
            Box::pin(logs_steps::answer(front, &arrived, operation, body, &served.shutdown)).await
        }
        // Its future is large, and most requests are not for it.
        Route::Lambda => Box::pin(lambda(front, &arrived, body)).await,
        Route::FunctionUrl(id, path) => {
            Box::pin(function_urls::answer(front, &arrived, (id, path), body)).await
        }
        refused @ (Route::Browser | Route::ForeignHost | Route::Unknown) => {
            body::discard(body);
            refuse(&refused, Encoding::of(&parts))
        }
    };
    let id = HeaderValue::from_str(&request_id).unwrap_or(HeaderValue::from_static(""));
    answer.headers_mut().entry(REQUEST_ID).or_insert(id.clone());
    answer.headers_mut().insert(EXTENDED_REQUEST_ID, id);
    Ok(answer.map(|body| watched(body, &line)))
}

/// A request's head and what else is known of it.
pub(crate) struct Arrived<'a> {
    pub(crate) parts: &'a Parts,
    pub(crate) peer: Peer,
    pub(crate) request_id: &'a str,
}

/// From a request's body to its operation's answer.
async fn run_kinesis(
    front: &Front,
    arrived: &Arrived<'_>,
    (operation, encoding): (&str, Encoding),
    body: Incoming,
) -> Result<(millstream_kinesis::Answer, Option<OwnedSemaphorePermit>), Failure> {
    let (parts, now) = (arrived.parts, front.clock.now());
    let signer = match access::head(&front.keyring, parts, "kinesis", now) {
        Ok(signer) => signer,
        Err(error) => {
            body::discard(body);
            return Err(kinesis_unsigned(error));
        }
    };
    let body = body::read(body, caps::KINESIS_BODY, &front.kinesis_bodies).await;
    let body = body.map_err(|error| kinesis_body_failure(&error))?;
    let verify =
        |signer: access::Signer| signer.verify(&front.keyring, parts, (&body.bytes, arrived.peer), now);
    let caller = signer.map(verify).transpose().map_err(kinesis_unsigned)?;
    let share = answer_share(front, operation).await?;
    let elsewhere = front.home_of(parts, caller.as_ref()).map(|home| front.kinesis.at(home));
    let service = elsewhere.as_ref().unwrap_or(&front.kinesis);
    let answer = match fault_steps::kinesis(front, Operation::from_name(operation)).await? {
        None => encoding.call(service, caller.as_ref(), operation, &body.bytes).await?,
        Some(refused) => {
            Box::pin(encoding.put_partly(service, caller.as_ref(), &body.bytes, &refused)).await?
        }
    };
    Ok((answer, share))
}

async fn kinesis(
    front: &Front,
    arrived: &Arrived<'_>,
    operation: &str,
    body: Incoming,
    shutdown: &CancellationToken,
) -> Answer {
    let Arrived { parts, request_id, .. } = arrived;
    let started = front.clock.monotonic();
    let known = Operation::from_name(operation);
    let name = known.map_or("unknown", Operation::name);
    let encoding = Encoding::of(parts);
    let result = run_kinesis(front, arrived, (operation, encoding), body).await;
    let took = front.clock.monotonic().saturating_sub(started);
    match result {
        Ok((answer, share)) => {
            if let Some(operation) = known {
                front.metrics.kinesis_succeeded(operation, took);
            }
            let (kind, body) = match answer {
                millstream_kinesis::Answer::Body(bytes) => {
                    (encoding.content_type(), whole_with(bytes, share))
                }
                millstream_kinesis::Answer::Events(events) => {
                    let until_shutdown = events.take_until(shutdown.clone().cancelled_owned());
                    (event_stream::CONTENT_TYPE, frames(until_shutdown.boxed()))
                }
            };
            with_content_type(Response::new(body), kind)
        }
        Err(failure) => {
            front.metrics.answered("kinesis", name, failure.error.code.name(), took);
            let (code, message) = (failure.error.code.name(), &failure.error.message);
            log_failure(
                request_id,
                &Failed { service: "kinesis", operation: name, code, message },
                failure.internal.as_deref(),
            );
            encoding.error(&failure.error)
        }
    }
}

async fn lambda(front: &Front, arrived: &Arrived<'_>, body: Incoming) -> Answer {
    let Arrived { parts, peer, request_id } = arrived;
    let (started, now) = (front.clock.monotonic(), front.clock.now());
    let signer = match access::head(&front.keyring, parts, "lambda", now) {
        Ok(signer) => signer,
        Err(error) => {
            body::discard(body);
            return lambda_unsigned(front, request_id, error);
        }
    };
    let invocation = parts.uri.path().trim_end_matches('/').ends_with("invocations");
    let limit = if invocation { caps::INVOCATION_BODY } else { caps::LAMBDA_BODY };
    let body = match body::read(body, limit, &front.lambda_bodies).await {
        Ok(body) => body,
        Err(error) => {
            let code = match error {
                BodyError::TooLarge { .. } => return rest(error_body::rest(&lambda_too_large(parts))),
                BodyError::Full => LambdaErrorCode::TooManyRequestsException,
                BodyError::Slow | BodyError::Broken(_) => LambdaErrorCode::InvalidRequestContentException,
            };
            let error = LambdaError::new(code, format!("The request could not be read: {error}."));
            return rest(error_body::rest(&error));
        }
    };
    let verify = |signer: access::Signer| signer.verify(&front.keyring, parts, (&body.bytes, *peer), now);
    let caller = match signer.map(verify).transpose() {
        Ok(caller) => caller,
        Err(error) => return lambda_unsigned(front, request_id, error),
    };
    let headers = parts
        .headers
        .iter()
        .filter_map(|(name, value)| Some((name.as_str(), value.to_str().ok()?)))
        .collect();
    let (path, query) = (parts.uri.path(), parts.uri.query().unwrap_or_default());
    let elsewhere = front.home_of(parts, caller.as_ref()).map(|home| front.lambda.at(home));
    let service = elsewhere.as_ref().unwrap_or(&front.lambda);
    let line = (parts.method.as_str(), path, query);
    let answer = match fault_steps::lambda(front, line).await {
        Some(answer) => answer,
        None => service.call_as(caller.as_ref(), request_id, line, headers, body.bytes.clone()).await,
    };
    let took = front.clock.monotonic().saturating_sub(started);
    let name = answer.operation.map_or("unknown", LambdaOperation::name);
    match &answer.failure {
        None => front.metrics.answered("lambda", name, "OK", took),
        Some(failure) => {
            let (code, message) = (failure.error.code.name(), &failure.error.message);
            front.metrics.answered("lambda", name, code, took);
            log_failure(
                request_id,
                &Failed { service: "lambda", operation: name, code, message },
                failure.internal.as_deref(),
            );
        }
    }
    rest_with(answer.response, answer.stream)
}

/// In the words of the service, which would have refused it too.
fn lambda_too_large(parts: &Parts) -> LambdaError {
    let (path, query) = (parts.uri.path(), parts.uri.query().unwrap_or_default());
    let (limit, named) = match Lambda::operation(parts.method.as_str(), path, query) {
        Some(LambdaOperation::Invoke | LambdaOperation::InvokeWithResponseStream) => {
            (millstream_lambda::caps::PAYLOAD_BYTES, "InvokeFunction")
        }
        Some(LambdaOperation::InvokeAsync) => (millstream_lambda::caps::OLD_EVENT_BYTES, "InvokeAsync"),
        other => (caps::LAMBDA_BODY, other.map_or("requested", LambdaOperation::name)),
    };
    let text = format!("Request must be smaller than {limit} bytes for the {named} operation");
    LambdaError::new(LambdaErrorCode::RequestEntityTooLargeException, text)
}

fn rest(response: RestResponse) -> Answer {
    rest_with(response, None)
}

/// With a body that comes in pieces, which nothing cuts but the end of its connection: at shutdown a function may finish
/// within the time that requests get.
fn rest_with(response: RestResponse, stream: Option<ByteStream>) -> Answer {
    let mut answer = Response::new(stream.map_or_else(|| whole(response.body), frames));
    *answer.status_mut() = StatusCode::from_u16(response.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    for (name, value) in response.headers {
        match (HeaderName::from_bytes(name.as_bytes()), HeaderValue::from_str(&value)) {
            (Ok(name), Ok(value)) => {
                answer.headers_mut().append(name, value);
            }
            (Err(_), _) | (_, Err(_)) => tracing::error!(name, "a header could not be written"),
        }
    }
    match response.content_type {
        Some(kind) => with_content_type(answer, kind),
        None => answer,
    }
}

/// A zip, for the links in GetFunction and GetLayerVersion.
async fn code(front: &Front, key: &str, parts: &Parts, signed: bool) -> Answer {
    let query = parts.uri.query().unwrap_or_default();
    if signed && !front.lambda.link_is_good(key, query, front.clock.now()) {
        let why = "this link has expired, or is none of ours: ask for the function again\n";
        return operator::answer(StatusCode::FORBIDDEN, "text/plain", why.into());
    }
    match front.lambda.code(key).await {
        Ok(Some(zip)) => operator::answer(StatusCode::OK, "application/zip", zip),
        Ok(None) => {
            operator::answer(StatusCode::NOT_FOUND, "text/plain", Bytes::from_static(b"no such code\n"))
        }
        Err(failure) => {
            let cause = failure.internal.unwrap_or_default();
            tracing::error!(cause, "code could not be read");
            operator::answer(
                StatusCode::INTERNAL_SERVER_ERROR,
                "text/plain",
                "the code could not be read\n".into(),
            )
        }
    }
}

/// The share of memory that the operation's answer may need. Only GetRecords answers with more than some KiB.
async fn answer_share(front: &Front, operation: &str) -> Result<Option<OwnedSemaphorePermit>, Failure> {
    if operation != Operation::GetRecords.name() {
        return Ok(None);
    }
    let share = front.answers.clone().acquire_many_owned(caps::ANSWER_KIB);
    match tokio::time::timeout(caps::ANSWER_WAIT, share).await {
        Ok(Ok(share)) => Ok(Some(share)),
        Ok(Err(_)) | Err(_) => Err(Failure {
            error: KinesisError::new(
                ErrorCode::ProvisionedThroughputExceededException,
                "Rate exceeded: too many answers are waiting to be read by their clients. Try again.",
            ),
            internal: None,
        }),
    }
}

fn kinesis_body_failure(error: &BodyError) -> Failure {
    let code = match error {
        BodyError::TooLarge { .. } => ErrorCode::ValidationException,
        BodyError::Full => ErrorCode::ProvisionedThroughputExceededException,
        BodyError::Slow | BodyError::Broken(_) => ErrorCode::SerializationException,
    };
    Failure {
        error: KinesisError::new(code, format!("The request could not be read: {error}.")),
        internal: None,
    }
}

/// A request that nobody known has signed.
fn kinesis_unsigned(error: SignatureError) -> Failure {
    let code = match error.fault {
        SignatureFault::Missing => ErrorCode::MissingAuthenticationTokenException,
        SignatureFault::Incomplete => ErrorCode::IncompleteSignatureException,
        SignatureFault::Invalid => ErrorCode::InvalidSignatureException,
        SignatureFault::Unrecognized => ErrorCode::UnrecognizedClientException,
    };
    Failure { error: KinesisError::new(code, error.message), internal: None }
}

fn lambda_unsigned(front: &Front, request_id: &str, error: SignatureError) -> Answer {
    let code = match error.fault {
        SignatureFault::Missing => LambdaErrorCode::MissingAuthenticationTokenException,
        SignatureFault::Incomplete => LambdaErrorCode::IncompleteSignatureException,
        SignatureFault::Invalid => LambdaErrorCode::InvalidSignatureException,
        SignatureFault::Unrecognized => LambdaErrorCode::UnrecognizedClientException,
    };
    let error = LambdaError::new(code, error.message);
    front.metrics.answered("lambda", "unknown", code.name(), Duration::ZERO);
    let failed =
        Failed { service: "lambda", operation: "unknown", code: code.name(), message: &error.message };
    log_failure(request_id, &failed, None);
    rest(error_body::rest(&error))
}

/// What is for none of the services.
fn refuse(route: &Route<'_>, encoding: Encoding) -> Answer {
    let (status, code, message) = match route {
        Route::Browser => (
            StatusCode::FORBIDDEN,
            ErrorCode::AccessDeniedException,
            "Requests from web pages (with an Origin header) are refused: this endpoint trusts whoever can reach it.",
        ),
        Route::ForeignHost => (
            StatusCode::FORBIDDEN,
            ErrorCode::AccessDeniedException,
            "This endpoint listens on this machine only and answers to localhost or an address, not to other names.",
        ),
        _ => (
            StatusCode::BAD_REQUEST,
            ErrorCode::UnknownOperationException,
            "This endpoint serves Kinesis (X-Amz-Target: Kinesis_20131202.…), CloudWatch Logs (Logs_20140328.…) and Lambda \
             (/2015-03-31/…).",
        ),
    };
    let mut answer = encoding.error(&KinesisError::new(code, message));
    *answer.status_mut() = status;
    answer
}

pub(crate) fn with_content_type(mut answer: Answer, kind: &'static str) -> Answer {
    answer.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(kind));
    answer
}

pub(crate) struct Failed<'a> {
    pub(crate) service: &'static str,
    pub(crate) operation: &'static str,
    pub(crate) code: &'static str,
    pub(crate) message: &'a str,
}

/// One line per failed request: the client's fault at debug level, ours as an error with its cause.
pub(crate) fn log_failure(request_id: &str, failed: &Failed<'_>, internal: Option<&str>) {
    let Failed { service, operation, code, message } = failed;
    if let Some(cause) = internal {
        tracing::error!(service, operation, request_id, code, cause, "request failed");
    } else {
        tracing::debug!(service, operation, request_id, code, message, "request refused");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_media_type_says_the_encoding() {
        let of = |kind: &str| {
            Encoding::of(&Request::builder().header("content-type", kind).body(()).unwrap().into_parts().0)
        };
        for cbor in [
            "application/x-amz-cbor-1.1",
            "Application/X-Amz-CBOR-1.1",
            "application/x-amz-cbor-1.1; charset=utf-8",
        ] {
            assert_eq!(of(cbor), Encoding::Cbor, "{cbor}");
        }
        for json in ["application/x-amz-json-1.1", "application/x-amz-cbor-1.10", "application/cbor", ""] {
            assert_eq!(of(json), Encoding::Json, "{json}");
        }
    }
}
