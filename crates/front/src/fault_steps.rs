//! Where faults come in: between a request's body and its operation.

use crate::body::{self, Answer};
use crate::faults::{self, Outcome, RecordFaults, Service};
use crate::pipeline::Front;
use crate::{caps, operator};
use http::request::Parts;
use http::{Method, StatusCode, header};
use hyper::body::Incoming;
use millstream_api_kinesis::Operation;
use millstream_kinesis::Failure;
use millstream_lambda::Lambda;

/// What is to go wrong with a request before its operation is asked: when its body is here, and nothing is done.
async fn fault(front: &Front, service: Service, operation: &str) -> Option<Outcome> {
    let drawn = front.faults.as_ref()?.draw(service, operation);
    if !drawn.latency.is_zero() {
        front.metrics().injected(service.name(), "latency");
        tokio::time::sleep(drawn.latency).await;
    }
    let outcome = drawn.outcome?;
    front.metrics().injected(service.name(), outcome.kind());
    Some(outcome)
}

/// `Some` if records of a PutRecords are to be refused.
pub(crate) async fn kinesis(
    front: &Front,
    operation: Option<Operation>,
) -> Result<Option<RecordFaults>, Failure> {
    let Some(operation) = operation.filter(|_| front.faults.is_some()) else { return Ok(None) };
    // On the heap: most servers have no faults, and their requests should not be larger for them.
    let error = match Box::pin(fault(front, Service::Kinesis, operation.name())).await {
        None => return Ok(None),
        Some(Outcome::RecordsThrottled(refused)) => return Ok(Some(refused)),
        Some(Outcome::Throttled) => faults::kinesis_throttle(operation),
        Some(Outcome::Failed) => faults::kinesis_failure(),
    };
    Err(Failure { error, internal: None })
}

pub(crate) async fn lambda(
    front: &Front,
    (method, path, query): (&str, &str, &str),
) -> Option<millstream_lambda::Answer> {
    front.faults.as_ref()?;
    let operation = Lambda::operation(method, path, query)?;
    let error = match fault(front, Service::Lambda, operation.name()).await? {
        Outcome::Throttled => faults::lambda_throttle(),
        Outcome::Failed | Outcome::RecordsThrottled(_) => faults::lambda_failure(),
    };
    let failure = millstream_lambda::Failure { error, internal: None };
    Some(millstream_lambda::Answer::failed(Some(operation), failure))
}

/// `/_millstream/faults`: what is set, or other faults from now on. Only where faults were asked for at the start, and where
/// nobody but this machine can ask.
pub(crate) async fn operate(front: &Front, parts: &Parts, body: Incoming) -> Answer {
    let text = |status, text: String| operator::answer(status, "text/plain; charset=utf-8", text.into());
    // Where requests are signed, what fails is said by whoever starts the server.
    let open = front.only_loopback && !front.keyring.is_enforced();
    let Some(faults) = front.faults.as_ref().filter(|_| open) else {
        body::discard(body);
        let why = "faults can be changed on a server that listens on this machine only, asks for no signatures and was \
                   started with --fault (such as --fault off)\n";
        return text(StatusCode::NOT_FOUND, why.to_owned());
    };
    // Whatever else a page may reach: not this.
    if parts.headers.contains_key(header::ORIGIN) {
        body::discard(body);
        return text(StatusCode::FORBIDDEN, "faults are not for web pages\n".to_owned());
    }
    let set =
        match parts.method {
            Method::GET => Ok(()),
            Method::DELETE => faults.set_from(""),
            Method::PUT => match body::read(body, caps::FAULTS_BODY, &front.kinesis_bodies).await {
                Ok(body) => faults.set_from(&String::from_utf8_lossy(&body.bytes)),
                Err(error) => Err(error.to_string()),
            },
            _ => Err("GET shows the faults, PUT sets those of its body, one a line, DELETE removes them"
                .to_owned()),
        };
    match set {
        Ok(()) => text(StatusCode::OK, faults.text()),
        Err(error) => text(StatusCode::BAD_REQUEST, error + "\n"),
    }
}
