//! A request to CloudWatch Logs, from its head to its answer.

use crate::body::{self, Answer, BodyError, frames, whole, whole_with};
use crate::pipeline::{Arrived, Failed, Front, log_failure, with_content_type};
use crate::{access, caps};
use futures_util::StreamExt;
use http::{Response, StatusCode};
use hyper::body::Incoming;
use millstream_api_logs::{Error, ErrorCode, Operation};
use millstream_logs::{Failure, Logs};
use millstream_shapes::{Codec, ErrorName};
use millstream_wire::json::Json11;
use millstream_wire::sigv4::{SignatureError, SignatureFault};
use millstream_wire::{error_body, event_stream};
use tokio::sync::OwnedSemaphorePermit;
use tokio_util::sync::CancellationToken;

pub(crate) async fn answer(
    front: &Front,
    arrived: &Arrived<'_>,
    operation: &str,
    body: Incoming,
    shutdown: &CancellationToken,
) -> Answer {
    let started = front.clock.monotonic();
    let name = Operation::from_name(operation).map_or("unknown", Operation::name);
    let result = run(front, arrived, operation, body).await;
    let took = front.clock.monotonic().saturating_sub(started);
    let result_name = result.as_ref().map_or_else(|failure| failure.error.code.name(), |_| "OK");
    front.metrics().answered("logs", name, result_name, took);
    match result {
        Ok((millstream_logs::Answer::Body(bytes), share)) => {
            with_content_type(Response::new(whole_with(bytes, share)), Json11::CONTENT_TYPE)
        }
        Ok((millstream_logs::Answer::Events(events), _)) => {
            let until_shutdown = events.take_until(shutdown.clone().cancelled_owned());
            with_content_type(Response::new(frames(until_shutdown.boxed())), event_stream::CONTENT_TYPE)
        }
        Err(failure) => {
            let (code, message) = (failure.error.code.name(), &failure.error.message);
            let failed = Failed { service: "logs", operation: name, code, message };
            log_failure(arrived.request_id, &failed, failure.internal.as_deref());
            let body = error_body::named(&Json11, &failure.error);
            let mut answer = with_content_type(Response::new(whole(body)), Json11::CONTENT_TYPE);
            let status = StatusCode::from_u16(failure.error.code.status());
            *answer.status_mut() = status.unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
            answer
        }
    }
}

async fn run(
    front: &Front,
    arrived: &Arrived<'_>,
    operation: &str,
    body: Incoming,
) -> Result<(millstream_logs::Answer, Option<OwnedSemaphorePermit>), Failure> {
    let (parts, now) = (arrived.parts, front.clock.now());
    let refused = |code, message: String| Failure { error: Error::new(code, message), internal: None };
    let Some(logs) = &front.logs else {
        body::discard(body);
        let why = "This server keeps no logs of functions.".to_owned();
        return Err(refused(ErrorCode::UnknownOperationException, why));
    };
    let signer = match access::head(&front.keyring, parts, "logs", now) {
        Ok(signer) => signer,
        Err(error) => {
            body::discard(body);
            return Err(unsigned(error));
        }
    };
    let body = body::read(body, caps::LOGS_BODY, &front.logs_bodies).await.map_err(|error| {
        let code = match error {
            BodyError::TooLarge { .. } => ErrorCode::InvalidParameterException,
            BodyError::Full => ErrorCode::ThrottlingException,
            BodyError::Slow | BodyError::Broken(_) => ErrorCode::SerializationException,
        };
        refused(code, format!("The request could not be read: {error}."))
    })?;
    let verify =
        |signer: access::Signer| signer.verify(&front.keyring, parts, (&body.bytes, arrived.peer), now);
    let caller = signer.map(verify).transpose().map_err(unsigned)?;
    let share = answer_share(front, operation).await?;
    let elsewhere = front.home_of(parts, caller.as_ref()).map(|home| logs.at(home));
    let service: &Logs = elsewhere.as_ref().unwrap_or(logs);
    let answer = service.call(caller.as_ref(), arrived.request_id, operation, &body.bytes).await?;
    Ok((answer, share))
}

/// The share of memory that the operation's answer may need.
async fn answer_share(front: &Front, operation: &str) -> Result<Option<OwnedSemaphorePermit>, Failure> {
    let pages = [Operation::FilterLogEvents, Operation::GetLogEvents];
    if !Operation::from_name(operation).is_some_and(|operation| pages.contains(&operation)) {
        return Ok(None);
    }
    let share = front.answers.clone().acquire_many_owned(caps::LOGS_ANSWER_KIB);
    match tokio::time::timeout(caps::ANSWER_WAIT, share).await {
        Ok(Ok(share)) => Ok(Some(share)),
        Ok(Err(_)) | Err(_) => Err(Failure {
            error: Error::new(ErrorCode::ThrottlingException, "Rate exceeded"),
            internal: None,
        }),
    }
}

/// A request that nobody known has signed.
fn unsigned(error: SignatureError) -> Failure {
    let code = match error.fault {
        SignatureFault::Missing => ErrorCode::MissingAuthenticationTokenException,
        SignatureFault::Incomplete => ErrorCode::IncompleteSignatureException,
        SignatureFault::Invalid => ErrorCode::InvalidSignatureException,
        SignatureFault::Unrecognized => ErrorCode::UnrecognizedClientException,
    };
    Failure { error: Error::new(code, error.message), internal: None }
}
