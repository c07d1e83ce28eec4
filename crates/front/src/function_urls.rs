//! Requests to function URLs: whose they are, and from HTTP to the service and back.

use crate::body::{self, Answer, BodyError, whole};
use crate::pipeline::{Arrived, Front};
use crate::{access, caps};
use http::header::{HeaderName, HeaderValue};
use http::{Response, StatusCode};
use hyper::body::Incoming;
use millstream_iam::Caller;
use millstream_lambda::{URL_ID_CHARS, URL_PATH, UrlAnswer, UrlRequest, UrlTarget};
use millstream_wire::sigv4::SignatureFault;
use std::borrow::Cow;
use std::time::Duration;

/// The id and the function's own path, if a request is for a function URL: its host begins with the id, as in
/// `ID.lambda-url.REGION.localhost`, or its path does, as in `/lambda-url/ID/path`.
pub(crate) fn recognise<'a>(host: Option<&'a str>, path: &'a str) -> Option<(&'a str, &'a str)> {
    let is_id =
        |text: &&str| text.len() == URL_ID_CHARS && text.bytes().all(|byte| byte.is_ascii_alphanumeric());
    let by_host = host.and_then(|host| {
        let (id, rest) = host.split_once('.')?;
        rest.starts_with("lambda-url.").then_some(id)
    });
    if let Some(id) = by_host.filter(is_id) {
        return Some((id, path));
    }
    let rest = path.strip_prefix(URL_PATH)?;
    let end = rest.find('/').unwrap_or(rest.len());
    let (id, own) = rest.split_at(end);
    Some((id, if own.is_empty() { "/" } else { own })).filter(|(id, _)| is_id(id))
}

pub(crate) async fn answer(
    front: &Front,
    arrived: &Arrived<'_>,
    (id, path): (&str, &str),
    body: Incoming,
) -> Answer {
    let started = front.clock.monotonic();
    let target = front.lambda.function_url_target(&id.to_ascii_lowercase());
    let answer = if let Some(target) = &target {
        run(front, arrived, (target, path), body).await
    } else {
        body::discard(body);
        UrlAnswer::unknown()
    };
    let took = front.clock.monotonic().saturating_sub(started);
    if let Some(target) = &target {
        front.lambda.count_url(target, answer.status, took);
    }
    tell(front, arrived, &answer, took);
    written(answer)
}

async fn run(
    front: &Front,
    arrived: &Arrived<'_>,
    (target, path): (&UrlTarget, &str),
    body: Incoming,
) -> UrlAnswer {
    let parts = arrived.parts;
    let headers: Vec<_> = parts.headers.iter().map(|(name, value)| (name.as_str(), text(value))).collect();
    let headers: Vec<(&str, &str)> = headers.iter().map(|(name, value)| (*name, value.as_ref())).collect();
    let host = parts.uri.authority().map(http::uri::Authority::as_str);
    let host = host.or_else(|| parts.headers.get("host")?.to_str().ok()).unwrap_or_default();
    let protocol = format!("{:?}", parts.version);
    let request = UrlRequest {
        request_id: arrived.request_id,
        method: parts.method.as_str(),
        path,
        query: parts.uri.query().unwrap_or_default(),
        headers: &headers,
        protocol: &protocol,
        host,
        source_ip: arrived.peer.address,
        secure: arrived.peer.secure,
        now: front.clock.now(),
    };
    if let Some(answer) = target.preflight(&request) {
        body::discard(body);
        return answer;
    }
    let signer = match signer(front, arrived, target) {
        Ok(signer) => signer,
        Err(mut refused) => {
            body::discard(body);
            target.let_pages_read(&request, &mut refused);
            return *refused;
        }
    };
    let body = match body::read(body, caps::INVOCATION_BODY, &front.lambda_bodies).await {
        Ok(body) => body,
        Err(error) => {
            let mut refused = unread(&error);
            target.let_pages_read(&request, &mut refused);
            return refused;
        }
    };
    let now = request.now;
    let caller = match signer {
        None => anybody(front, arrived, target),
        Some(signer) => match signer.verify(&front.keyring, parts, (&body.bytes, arrived.peer), now) {
            Ok(caller) => Some(caller),
            Err(error) => {
                let mut refused = UrlAnswer::refused(403, "InvalidSignatureException", &error.message);
                target.let_pages_read(&request, &mut refused);
                return refused;
            }
        },
    };
    front.lambda.call_url(target, caller.as_ref(), request, &body.bytes).await
}

/// A header's value: UTF-8, or else each byte a character, as HTTP once had it.
fn text(value: &HeaderValue) -> Cow<'_, str> {
    let bytes = value.as_bytes();
    std::str::from_utf8(bytes)
        .map_or_else(|_other| bytes.iter().map(|byte| char::from(*byte)).collect(), Cow::Borrowed)
}

/// Who has signed, where requests must be signed.
fn signer(
    front: &Front,
    arrived: &Arrived<'_>,
    target: &UrlTarget,
) -> Result<Option<access::Signer>, Box<UrlAnswer>> {
    if !target.is_signed() {
        return Ok(None);
    }
    let head = access::head(&front.keyring, arrived.parts, "lambda", front.clock.now());
    let signer = head.map_err(|error| {
        Box::new(match error.fault {
            SignatureFault::Missing | SignatureFault::Unrecognized => UrlAnswer::forbidden(),
            SignatureFault::Incomplete | SignatureFault::Invalid => {
                UrlAnswer::refused(403, "InvalidSignatureException", &error.message)
            }
        })
    })?;
    // Where nobody can be asked to sign, at least pages of other sites are kept from what is not for everybody.
    if signer.is_none() && arrived.parts.headers.contains_key(http::header::ORIGIN) {
        return Err(Box::new(UrlAnswer::forbidden()));
    }
    Ok(signer)
}

/// Whoever calls without having signed: nobody known where there are credentials.
fn anybody(front: &Front, arrived: &Arrived<'_>, target: &UrlTarget) -> Option<Caller> {
    let peer = arrived.peer;
    let region = target.home().region.clone();
    let caller = || Caller::anonymous(region, peer.address, peer.secure, front.clock.now());
    front.keyring.is_enforced().then(caller)
}

fn unread(error: &BodyError) -> UrlAnswer {
    let text = format!("The request could not be read: {error}.");
    match error {
        BodyError::TooLarge { .. } => UrlAnswer::refused(413, "RequestEntityTooLargeException", &text),
        BodyError::Full => UrlAnswer::refused(429, "TooManyRequestsException", &text),
        BodyError::Slow | BodyError::Broken(_) => {
            UrlAnswer::refused(400, "InvalidRequestContentException", &text)
        }
    }
}

fn tell(front: &Front, arrived: &Arrived<'_>, answer: &UrlAnswer, took: Duration) {
    let result = match answer.status {
        200..=399 => "OK",
        400..=499 => "ClientError",
        _ => "ServerError",
    };
    front.metrics().answered("lambda", "InvokeFunctionUrl", result, took);
    if let Some(failure) = &answer.failure {
        let (request_id, message) = (arrived.request_id, &failure.error.message);
        if let Some(cause) = &failure.internal {
            tracing::error!(request_id, cause, "a request to a function URL failed");
        } else {
            tracing::debug!(request_id, message, "a request to a function URL was refused");
        }
    }
}

/// What a function gives as headers may be none: then there is no answer to be made of it.
fn written(answer: UrlAnswer) -> Answer {
    let body = answer.stream.map_or_else(|| whole(answer.body), body::frames);
    let mut out = Response::new(body);
    *out.status_mut() = StatusCode::from_u16(answer.status).unwrap_or(StatusCode::BAD_GATEWAY);
    for (name, value) in answer.headers {
        let name = HeaderName::from_bytes(name.as_bytes()).ok();
        let header = name.zip(HeaderValue::from_bytes(value.as_bytes()).ok());
        // There is a most of headers that an answer can have.
        if header.is_none_or(|(name, value)| out.headers_mut().try_append(name, value).is_err()) {
            return written(UrlAnswer::bad_gateway());
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::recognise;

    #[test]
    fn a_host_or_a_path_names_a_function_url() {
        let id = "abcdefghijklmnopqrstuvwxyz012345";
        let host = format!("{id}.lambda-url.us-east-1.localhost");
        assert_eq!(recognise(Some(&host), "/a/b"), Some((id, "/a/b")));
        let path = format!("/lambda-url/{id}/a/b");
        assert_eq!(recognise(Some("127.0.0.1"), &path), Some((id, "/a/b")));
        assert_eq!(recognise(None, &format!("/lambda-url/{id}")), Some((id, "/")));
        for other in ["/lambda-url/", "/lambda-url/short/a", "/", "/2015-03-31/functions"] {
            assert_eq!(recognise(Some("localhost"), other), None, "{other}");
        }
        assert_eq!(recognise(Some("short.lambda-url.us-east-1.localhost"), "/"), None);
        assert_eq!(recognise(Some(&format!("{id}.example.localhost")), "/"), None);
    }
}
