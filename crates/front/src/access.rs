//! Who a request is from: its signature against the keys that the server knows.
//!
//! The head is looked at before the body is read, so that nobody without a known key makes the server hold a body; the
//! signature itself covers the body and comes after it.

use crate::body::Answer;
use crate::operator;
use bytes::Bytes;
use http::StatusCode;
use http::header::{AUTHORIZATION, HeaderValue, USER_AGENT, WWW_AUTHENTICATE};
use http::request::Parts;
use millstream_credentials::{Identity, Keyring};
use millstream_iam::{Caller, Facts};
use millstream_types::Timestamp;
use millstream_wire::sigv4::{Body, Claim, Request, SignatureError};
use std::net::IpAddr;
use std::sync::Arc;

/// What a connection says of the one at its other end.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Peer {
    pub address: Option<IpAddr>,
    /// Whether the connection is encrypted.
    pub secure: bool,
}

/// A request's signer, as far as the head can say.
#[derive(Debug)]
pub(crate) struct Signer {
    claim: Claim,
    identity: Identity,
}

/// The service of the scope with which metrics are asked for.
const METRICS_SERVICE: &str = "millstream";
const METRICS_ACTION: &str = "millstream:GetMetrics";

/// Look at a request's head. `None`: nobody is asked who they are.
pub(crate) fn head(
    keyring: &Keyring,
    parts: &Parts,
    service: &str,
    now: Timestamp,
) -> Result<Option<Signer>, SignatureError> {
    if !keyring.is_enforced() {
        return Ok(None);
    }
    with_request(parts, |request| {
        let claim = Claim::read(request)?;
        claim.check(request, service, now)?;
        let identity = keyring.find(&claim.access_key_id, claim.token.as_deref());
        let identity = identity.ok_or_else(SignatureError::unrecognized)?;
        Ok(Some(Signer { claim, identity }))
    })
}

impl Signer {
    /// The caller, if the signature is that of its secret over this body too.
    pub(crate) fn verify(
        self,
        keyring: &Arc<Keyring>,
        parts: &Parts,
        (body, peer): (&Bytes, Peer),
        now: Timestamp,
    ) -> Result<Caller, SignatureError> {
        let Self { claim, identity } = self;
        let body = Body::hash(body);
        with_request(parts, |request| claim.verify(request, identity.secret.reveal(), &body))?;
        Ok(caller(keyring, parts, identity, claim.region, (peer, now)))
    }
}

fn caller(
    keyring: &Arc<Keyring>,
    parts: &Parts,
    identity: Identity,
    region: String,
    (peer, now): (Peer, Timestamp),
) -> Caller {
    let agent = parts.headers.get(USER_AGENT).and_then(|value| value.to_str().ok());
    Caller {
        principal: identity.principal,
        policies: identity.policies,
        tags: identity.tags,
        region,
        source_ip: peer.address,
        secure: peer.secure,
        user_agent: agent.map(str::to_owned),
        source_function: identity.function,
        now,
        roles: Some(keyring.clone()),
    }
}

/// Whether metrics may be shown: they name streams and functions, so whoever asks must be known too. Prometheus cannot sign
/// what it scrapes, but it can send a name and a password: an access key and its secret.
pub(crate) fn metrics(
    keyring: &Arc<Keyring>,
    parts: &Parts,
    peer: Peer,
    now: Timestamp,
) -> Result<(), Box<Answer>> {
    if !keyring.is_enforced() {
        return Ok(());
    }
    let known = match basic(parts) {
        Some((key, secret)) => keyring
            .find_with_secret(&key, &secret)
            .map(|identity| caller(keyring, parts, identity, String::new(), (peer, now)))
            .ok_or_else(SignatureError::unrecognized),
        None => head(keyring, parts, METRICS_SERVICE, now)
            .and_then(|signer| signer.ok_or_else(SignatureError::missing))
            .and_then(|signer| signer.verify(keyring, parts, (&Bytes::new(), peer), now)),
    };
    let refused = |status, why: String| {
        let mut answer = operator::answer(status, "text/plain", format!("{why}\n").into());
        let challenge = HeaderValue::from_static("Basic realm=\"millstream\"");
        answer.headers_mut().insert(WWW_AUTHENTICATE, challenge);
        Box::new(answer)
    };
    let caller = known.map_err(|error| refused(StatusCode::UNAUTHORIZED, error.message))?;
    let allowed = caller.may(METRICS_ACTION, "*", Facts::default(), None);
    allowed.map_err(|denial| refused(StatusCode::FORBIDDEN, denial.to_string()))
}

/// `Authorization: Basic …`, taken apart.
fn basic(parts: &Parts) -> Option<(String, String)> {
    let text = parts.headers.get(AUTHORIZATION)?.to_str().ok()?.strip_prefix("Basic ")?;
    let bytes = base64_simd::STANDARD.decode_to_vec(text.trim()).ok()?;
    let text = String::from_utf8(bytes).ok()?;
    let (key, secret) = text.split_once(':')?;
    Some((key.to_owned(), secret.to_owned()))
}

fn with_request<T>(parts: &Parts, look: impl FnOnce(&Request<'_>) -> T) -> T {
    let headers: Vec<(&str, &[u8])> =
        parts.headers.iter().map(|(name, value)| (name.as_str(), value.as_bytes())).collect();
    look(&Request {
        method: parts.method.as_str(),
        path: parts.uri.path(),
        query: parts.uri.query().unwrap_or_default(),
        authority: parts.uri.authority().map(http::uri::Authority::as_str),
        headers: &headers,
    })
}
