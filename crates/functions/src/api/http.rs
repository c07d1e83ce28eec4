//! The Runtime API over HTTP/1.1, and the answers of AWS's emulator to extensions. Every status and body follows
//! `rapi` of the Runtime Interface Emulator.

use super::body::read_all;
use super::{Answer, Api, Next, Refusal, owner, stream};
use crate::caps;
use crate::memory::Tree;
use bytes::Bytes;
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::header::{CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use std::convert::Infallible;
use std::sync::Arc;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

pub(super) type Reply = Response<Full<Bytes>>;

const INVOCATION: &str = "/2018-06-01/runtime/invocation/";
const RESPONSE_MODE: &str = "lambda-runtime-function-response-mode";
const EXTENSION_NAME: &str = "lambda-extension-name";

/// Serve the Runtime API of one worker until the future is dropped. With a `tree`, connections from outside of it are
/// refused.
pub(crate) async fn serve(listener: TcpListener, api: Arc<Api>, tree: Option<Tree>) {
    let room = Arc::new(Semaphore::new(caps::MAX_WORKER_CONNECTIONS));
    let mut connections = JoinSet::new();
    loop {
        let Ok(permit) = Arc::clone(&room).acquire_owned().await else { return };
        while connections.try_join_next().is_some() {}
        match listener.accept().await {
            Ok((stream, _)) => {
                let api = Arc::clone(&api);
                connections.spawn(async move {
                    let _permit = permit;
                    if is_welcome(&stream, tree).await {
                        serve_connection(stream, api).await;
                    } else {
                        tracing::warn!(
                            function = api.function.name,
                            "refused a connection to a function's Runtime API that did not come from the function"
                        );
                    }
                });
            }
            Err(error) => {
                // Out of file descriptors, most likely: give others time to close theirs.
                tracing::warn!(%error, "a worker's Runtime API could not accept a connection");
                tokio::time::sleep(caps::MEMORY_SAMPLE).await;
            }
        }
    }
}

async fn is_welcome(stream: &TcpStream, tree: Option<Tree>) -> bool {
    let Some(tree) = tree else { return true };
    let (Ok(peer), Ok(local)) = (stream.peer_addr(), stream.local_addr()) else { return false };
    tokio::task::spawn_blocking(move || owner::is_own(tree, peer, local)).await.unwrap_or(false)
}

async fn serve_connection(stream: TcpStream, api: Arc<Api>) {
    if let Err(error) = stream.set_nodelay(true) {
        tracing::debug!(%error, "could not set TCP_NODELAY for a worker");
    }
    let service = service_fn(|request| {
        let api = Arc::clone(&api);
        async move { Ok::<_, Infallible>(route(&api, request).await) }
    });
    if let Err(error) = http1::Builder::new().serve_connection(TokioIo::new(stream), service).await {
        tracing::debug!(%error, "a worker's connection ended with an error");
    }
}

async fn route(api: &Api, request: Request<Incoming>) -> Reply {
    let method = request.method().clone();
    let path = request.uri().path().to_owned();
    if let Some(rest) = path.strip_prefix(INVOCATION) {
        return match (&method, rest, rest.split_once('/')) {
            (&Method::GET, "next", _) => next(api).await,
            (&Method::POST, _, Some((id, "response"))) => response(api, id, request).await,
            (&Method::POST, _, Some((id, "error"))) => error(api, id, request).await,
            (_, _, verb) => {
                not_found(rest == "next" || verb.is_some_and(|(_, v)| v == "response" || v == "error"))
            }
        };
    }
    match (method, path.as_str()) {
        (Method::POST, "/2018-06-01/runtime/init/error") => init_error(api, request).await,
        (Method::GET, "/2018-06-01/runtime/restore/next")
        | (Method::POST, "/2018-06-01/runtime/restore/error") => {
            // Only environments restored from a snapshot have these, and there are none.
            not_found(false)
        }
        (Method::GET, "/2018-06-01/ping" | "/ping") => text(StatusCode::OK, "pong"),
        (Method::POST, "/2020-01-01/extension/register") => register_extension(api, request.headers()),
        (Method::GET, "/2020-01-01/extension/event/next") => std::future::pending().await,
        (Method::POST, "/2020-01-01/extension/init/error" | "/2020-01-01/extension/exit/error") => accepted(),
        (Method::PUT, "/2020-08-15/logs") => {
            problem(StatusCode::ACCEPTED, "Logs API is not supported", "Logs.NotSupported")
        }
        (Method::PUT, "/2022-07-01/telemetry") => {
            problem(StatusCode::ACCEPTED, "Telemetry API is not supported", "Telemetry.NotSupported")
        }
        _ => not_found(false),
    }
}

async fn next(api: &Api) -> Reply {
    let next = match api.next() {
        Ok(Ok(next)) => next,
        Ok(Err(on_next)) => match on_next.await {
            Ok(next) => next,
            // Another call to next took over.
            Err(_) => return refused(Refusal::WrongState { from: "Ready", to: "Ready" }),
        },
        Err(refusal) => return refused(refusal),
    };
    event(next)
}

fn event(next: Next) -> Reply {
    let mut reply = Response::new(Full::new(next.payload));
    let headers = reply.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers.insert("lambda-runtime-deadline-ms", HeaderValue::from(next.deadline_ms));
    let texts = [
        ("lambda-runtime-aws-request-id", Some(next.request_id)),
        ("lambda-runtime-invoked-function-arn", Some(next.arn)),
        ("lambda-runtime-trace-id", next.trace_id),
        ("lambda-runtime-client-context", next.client_context),
    ];
    for (name, value) in texts {
        // What cannot be a header value is left out, as an empty one is.
        if let Some(value) =
            value.filter(|value| !value.is_empty()).and_then(|v| HeaderValue::try_from(v).ok())
        {
            headers.insert(HeaderName::from_static(name), value);
        }
    }
    reply
}

async fn response(api: &Api, id: &str, request: Request<Incoming>) -> Reply {
    const TO: &str = "RuntimeResponseSent";
    match request.headers().get(RESPONSE_MODE).map(HeaderValue::as_bytes) {
        None | Some(b"" | b"buffered") => {}
        Some(b"streaming") => return stream::response(api, id, request).await,
        Some(_) => {
            return problem(
                StatusCode::BAD_REQUEST,
                "Invalid function response mode",
                "InvalidFunctionResponseMode",
            );
        }
    }
    let _reading = match may_answer(api, id, TO).await {
        Ok(reading) => reading,
        Err(refusal) => return refused(refusal),
    };
    let Ok(whole) = read_all(request.into_body(), caps::MAX_PAYLOAD_BYTES).await else { return truncated() };
    let answer = whole.bytes.map_or(Answer::TooLarge, Answer::Response);
    let is_too_large = matches!(answer, Answer::TooLarge);
    match api.answer(id, TO, answer) {
        Ok(()) if is_too_large => too_large(caps::MAX_PAYLOAD_BYTES),
        Ok(()) => accepted(),
        Err(refusal) => refused(refusal),
    }
}

/// The right to read the body of an answer. One that cannot fit any more does not wait for it: the answer at hand may be
/// a stream that ends late.
async fn may_answer<'a>(
    api: &'a Api,
    id: &str,
    to: &'static str,
) -> Result<tokio::sync::MutexGuard<'a, ()>, Refusal> {
    api.may_answer(id, to)?;
    let reading = api.reading.lock().await;
    api.may_answer(id, to)?;
    Ok(reading)
}

async fn error(api: &Api, id: &str, request: Request<Incoming>) -> Reply {
    const TO: &str = "RuntimeInvocationErrorResponse";
    let _reading = match may_answer(api, id, TO).await {
        Ok(reading) => reading,
        Err(refusal) => return refused(refusal),
    };
    let Ok(whole) = read_all(request.into_body(), caps::MAX_ERROR_BYTES).await else { return truncated() };
    let answer = whole.bytes.map_or(Answer::TooLarge, Answer::Error);
    match api.answer(id, TO, answer) {
        Ok(()) => accepted(),
        Err(refusal) => refused(refusal),
    }
}

async fn init_error(api: &Api, request: Request<Incoming>) -> Reply {
    let _reading = api.reading.lock().await;
    if let Err(refusal) = api.may_fail() {
        return refused(refusal);
    }
    let Ok(whole) = read_all(request.into_body(), caps::MAX_ERROR_BYTES).await else { return truncated() };
    match api.init_error(whole.bytes.unwrap_or_default()) {
        Ok(()) => accepted(),
        Err(refusal) => refused(refusal),
    }
}

/// Extensions inside the runtime may register; they are never sent an event.
fn register_extension(api: &Api, headers: &HeaderMap) -> Reply {
    if headers.get(EXTENSION_NAME).is_none_or(HeaderValue::is_empty) {
        return problem(StatusCode::FORBIDDEN, "Empty extension name", "Extension.InvalidExtensionName");
    }
    let names = &api.function;
    let body = serde_json::json!({
        "functionName": names.name, "functionVersion": names.version, "handler": names.handler,
    });
    let mut reply = json(StatusCode::OK, body.to_string());
    if let Ok(id) = HeaderValue::try_from(millstream_host::entropy::uuid()) {
        reply.headers_mut().insert("lambda-extension-identifier", id);
    }
    reply
}

pub(super) fn refused(refusal: Refusal) -> Reply {
    match refusal {
        Refusal::WrongRequestId => problem(StatusCode::BAD_REQUEST, "Invalid request ID", "InvalidRequestID"),
        Refusal::WrongState { from, to } => problem(
            StatusCode::FORBIDDEN,
            &format!(
                "Transition from {from} to {to} failed for runtime. Error: State transition is not allowed"
            ),
            "InvalidStateTransition",
        ),
    }
}

pub(super) fn truncated() -> Reply {
    problem(StatusCode::BAD_REQUEST, "HTTP request detected as truncated", "TruncatedHTTPRequest")
}

pub(super) fn too_large(limit: usize) -> Reply {
    problem(
        StatusCode::PAYLOAD_TOO_LARGE,
        &format!("Exceeded maximum allowed payload size ({limit} bytes)."),
        "RequestEntityTooLarge",
    )
}

fn problem(status: StatusCode, message: &str, kind: &str) -> Reply {
    json(status, serde_json::json!({ "errorMessage": message, "errorType": kind }).to_string())
}

pub(super) fn accepted() -> Reply {
    json(StatusCode::ACCEPTED, Bytes::from_static(b"{\"status\":\"OK\"}\n"))
}

fn json(status: StatusCode, body: impl Into<Bytes>) -> Reply {
    let mut reply = Response::new(Full::new(body.into()));
    *reply.status_mut() = status;
    reply.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    reply
}

fn text(status: StatusCode, body: &'static str) -> Reply {
    let mut reply = Response::new(Full::new(Bytes::from_static(body.as_bytes())));
    *reply.status_mut() = status;
    reply
}

/// The emulator's router answers in plain text.
fn not_found(known_path: bool) -> Reply {
    if known_path {
        return text(StatusCode::METHOD_NOT_ALLOWED, "");
    }
    text(StatusCode::NOT_FOUND, "404 page not found\n")
}
