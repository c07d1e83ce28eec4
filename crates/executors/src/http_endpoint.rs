//! Endpoints that speak the protocol of AWS's Runtime Interface Emulator. It has no word for most of what can go wrong: see
//! [`judge`].

use crate::caps;
use bytes::Bytes;
use http::{HeaderMap, Request, StatusCode, Uri};
use http_body_util::{BodyExt, Full, LengthLimitError, Limited};
use hyper_rustls::HttpsConnector;
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::{Connect, HttpConnector};
use hyper_util::rt::TokioExecutor;
use millstream_functions::{ElsewhereError, Errand, Returned, Sent, is_error};
use std::error::Error;
use std::sync::OnceLock;

#[derive(Debug)]
pub(crate) struct HttpEndpoints {
    plain: Client<HttpConnector, Full<Bytes>>,
    /// Made when it is first needed: it reads the machine's certificates, which there may be none of.
    secure: OnceLock<Result<SecureClient, String>>,
}

type SecureClient = Client<HttpsConnector<HttpConnector>, Full<Bytes>>;

fn connector() -> HttpConnector {
    let mut connector = HttpConnector::new();
    connector.set_connect_timeout(Some(caps::CONNECT));
    connector.set_nodelay(true);
    connector.enforce_http(false);
    connector
}

fn client<C: Connect + Clone>(connector: C) -> Client<C, Full<Bytes>> {
    Client::builder(TokioExecutor::new()).pool_max_idle_per_host(caps::IDLE_CONNECTIONS).build(connector)
}

impl HttpEndpoints {
    pub(crate) fn new() -> Self {
        Self { plain: client(connector()), secure: OnceLock::new() }
    }

    fn secure(&self) -> Result<&SecureClient, ElsewhereError> {
        let made = self.secure.get_or_init(|| {
            let roots = hyper_rustls::HttpsConnectorBuilder::new().with_native_roots();
            let roots = roots.map_err(|error| error.to_string())?;
            Ok(client(roots.https_only().enable_http1().wrap_connector(connector())))
        });
        made.as_ref()
            .map_err(|error| failed(format!("the machine's certificates cannot be read: {error}"), false))
    }

    pub(crate) async fn invoke(&self, uri: Uri, errand: Errand) -> Result<Returned, ElsewhereError> {
        let secure = uri.scheme_str() == Some("https");
        let mut request = Request::post(uri)
            .header(http::header::CONTENT_TYPE, "application/json")
            .header("x-amzn-requestid", &errand.request_id);
        if let Some(context) = &errand.client_context {
            let text = base64_simd::STANDARD.encode_to_string(context);
            request = request.header("x-amz-client-context", text);
        }
        if let Some(trace_id) = &errand.trace_id {
            request = request.header("x-amzn-trace-id", trace_id);
        }
        let request = request
            .body(Full::new(errand.payload))
            .map_err(|error| failed(format!("the request could not be made: {error}"), false))?;
        let answer =
            if secure { self.secure()?.request(request).await } else { self.plain.request(request).await };
        let answer =
            answer.map_err(|error| failed(format!("no answer: {}", causes(&error)), !error.is_connect()))?;
        let (parts, body) = answer.into_parts();
        let sent = match Limited::new(body, errand.answer_limit).collect().await {
            Ok(body) => judge(parts.status, &parts.headers, body.to_bytes())?,
            Err(error) if error.is::<LengthLimitError>() => Sent::TooLarge,
            Err(error) => return Err(failed(format!("the answer broke off: {}", causes(&*error)), true)),
        };
        Ok(Returned { sent, log: Bytes::new() })
    }
}

fn failed(why: String, reached: bool) -> ElsewhereError {
    ElsewhereError::Failed { why, reached }
}

/// What an answer means. The emulator answers (rie/handlers.go of aws-lambda-runtime-interface-emulator) 200 to a function
/// that failed, with the error as the body; 200 with a text to one that ran out of time; 400 with nothing while another
/// invocation runs; and 502 if the function could not start. Platforms in front of it say 429 or 503 when they have no
/// instance free.
fn judge(status: StatusCode, headers: &HeaderMap, body: Bytes) -> Result<Sent, ElsewhereError> {
    let says_error = headers.contains_key("x-amz-function-error");
    match status.as_u16() {
        200 if is_timeout(&body) => Ok(Sent::TimedOut),
        200 if says_error || is_error(&body) => Ok(Sent::Error(body)),
        200 if body.is_empty() => Ok(Sent::Response(Bytes::from_static(b"null"))),
        200 => Ok(Sent::Response(body)),
        400 if body.is_empty() => Err(ElsewhereError::Busy(
            "it runs another invocation already (it should be given one at a time, containerConcurrency 1)"
                .to_owned(),
        )),
        429 | 503 => Err(ElsewhereError::Busy(format!("it answered {status}"))),
        502 if is_error(&body) => Ok(Sent::Error(body)),
        code => {
            let text = String::from_utf8_lossy(&body);
            let shown: String = text.chars().filter(|c| !c.is_control()).take(caps::SHOWN_CHARS).collect();
            let colon = if shown.is_empty() { "" } else { ": " };
            // A request that was refused has not run; one behind a broken gateway may have.
            Err(failed(format!("it answered {status}{colon}{shown}"), code >= 500))
        }
    }
}

/// `Task timed out after 3.00 seconds`, as text and not as JSON.
fn is_timeout(body: &[u8]) -> bool {
    let number = |body: &[u8]| {
        let body = body.strip_prefix(b"Task timed out after ")?.strip_suffix(b" seconds")?;
        Some(!body.is_empty() && body.iter().all(|byte| byte.is_ascii_digit() || *byte == b'.'))
    };
    number(body.trim_ascii()) == Some(true)
}

/// An error and what it came of.
fn causes(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text.push_str(": ");
        text.push_str(&cause.to_string());
        source = cause.source();
    }
    text
}
