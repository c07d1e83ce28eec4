//! Records to the services that take them: SQS, SNS, S3 and EventBridge, by the ARN of a queue, topic, bucket or event bus.
//!
//! Each service is at AWS, unless an endpoint is set for it: then it is whatever speaks its protocol there. Requests are
//! signed (SigV4) with the server's own credentials. Four requests do not pay for four SDKs: they are written out.

mod service;
mod sign;

pub mod caps;

use async_trait::async_trait;
use bytes::Bytes;
use http_body_util::{BodyExt, Full, Limited};
use hyper_rustls::HttpsConnector;
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::{Connect, HttpConnector};
use hyper_util::rt::TokioExecutor;
use millstream_host::Clock;
use millstream_mapping::{Destinations, Letter};
use service::{Request, Target};
use std::fmt;
use std::sync::{Arc, OnceLock};
use tokio::time::timeout;

pub use service::{Endpoint, EndpointError, Endpoints};

/// What requests are signed with.
#[derive(Clone)]
pub struct Credentials {
    pub access_key: String,
    pub secret_key: String,
    pub session_token: Option<String>,
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Credentials").field("access_key", &self.access_key).finish_non_exhaustive()
    }
}

#[derive(Debug)]
pub struct Options {
    pub clock: Arc<dyn Clock>,
    /// Where buckets are, which their ARNs do not say.
    pub region: String,
    pub credentials: Option<Credentials>,
    pub endpoints: Endpoints,
}

/// See the crate.
#[derive(Debug)]
pub struct AwsDestinations {
    options: Options,
    plain: Client<HttpConnector, Full<Bytes>>,
    /// Made when it is first needed: it reads the machine's certificates, which there may be none of.
    secure: OnceLock<Result<SecureClient, String>>,
}

type SecureClient = Client<HttpsConnector<HttpConnector>, Full<Bytes>>;

/// Why a letter was not taken, as far as is known.
#[derive(Debug, thiserror::Error)]
enum SendError {
    #[error("{0}")]
    Setting(String),
    #[error("the request could not be made: {0}")]
    Request(#[from] http::Error),
    #[error("no answer: {0}")]
    Connection(String),
    #[error("no answer within {} s", caps::REQUEST.as_secs())]
    Timeout,
    #[error("it answered {status}: {text}")]
    Refused { status: u16, text: String },
}

impl AwsDestinations {
    pub fn new(options: Options) -> Self {
        Self { options, plain: client(HttpConnector::new()), secure: OnceLock::new() }
    }

    fn secure(&self) -> Result<&SecureClient, SendError> {
        let made = self.secure.get_or_init(|| {
            let connector = hyper_rustls::HttpsConnectorBuilder::new().with_native_roots();
            let connector = connector.map_err(|error| error.to_string())?;
            Ok(client(connector.https_only().enable_http1().build()))
        });
        let unreadable =
            |error| SendError::Setting(format!("the machine's certificates cannot be read: {error}"));
        made.as_ref().map_err(unreadable)
    }

    fn credentials(&self) -> Result<&Credentials, String> {
        self.options.credentials.as_ref().ok_or_else(|| {
            "The server has no credentials for it: start it with AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY in its \
             environment."
                .to_owned()
        })
    }

    fn target(&self, arn: &str) -> Result<Target, String> {
        Target::of(arn, &self.options.endpoints, &self.options.region)
    }

    async fn try_send(&self, letter: &Letter) -> Result<(), SendError> {
        let target = self.target(&letter.arn).map_err(SendError::Setting)?;
        let credentials = self.credentials().map_err(SendError::Setting)?;
        let request = Request::new(&target, letter);
        let request = sign::signed(request, &target, credentials, self.options.clock.now())?;
        let exchange = async {
            let failed = |error: &dyn std::error::Error| SendError::Connection(causes(error));
            let answer = match request.uri().scheme_str() {
                Some("https") => self.secure()?.request(request).await,
                _ => self.plain.request(request).await,
            };
            let answer = answer.map_err(|error| failed(&error))?;
            let status = answer.status();
            let body = Limited::new(answer.into_body(), caps::ANSWER_BYTES).collect().await;
            let body = body.map(http_body_util::Collected::to_bytes).unwrap_or_default();
            if status.is_success() && !(target.may_fail_softly() && says_failed(&body)) {
                return Ok(());
            }
            let text = String::from_utf8_lossy(&body);
            let text = text.chars().filter(|c| !c.is_control()).take(caps::SHOWN_CHARS).collect();
            Err(SendError::Refused { status: status.as_u16(), text })
        };
        timeout(caps::REQUEST, exchange).await.map_err(|_elapsed| SendError::Timeout)?
    }
}

/// EventBridge answers 200 and counts what it did not take.
fn says_failed(body: &[u8]) -> bool {
    #[derive(serde::Deserialize)]
    struct Answer {
        #[serde(rename = "FailedEntryCount", default)]
        failed: u64,
    }
    serde_json::from_slice(body).is_ok_and(|answer: Answer| answer.failed > 0)
}

fn client<C: Connect + Clone>(connector: C) -> Client<C, Full<Bytes>> {
    Client::builder(TokioExecutor::new()).pool_max_idle_per_host(caps::IDLE_CONNECTIONS).build(connector)
}

/// An error and what it came of.
fn causes(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text.push_str(": ");
        text.push_str(&cause.to_string());
        source = cause.source();
    }
    text
}

#[async_trait]
impl Destinations for AwsDestinations {
    fn check(&self, arn: &str) -> Result<(), String> {
        let checked = self.target(arn).and_then(|_target| self.credentials().map(drop));
        checked.map_err(|why| format!("The destination {arn} cannot be used. {why}"))
    }

    async fn send(&self, letter: &Letter) -> Result<(), String> {
        self.try_send(letter).await.map_err(|error| error.to_string())
    }
}
