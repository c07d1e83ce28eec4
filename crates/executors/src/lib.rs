//! Functions that run somewhere else, by the URI in the place of their image.
//!
//! - `http://` or `https://`: an endpoint that speaks the protocol of AWS's Runtime Interface Emulator, which is in every base
//!   image of Lambda. Containers on Knative, Kubernetes or Nomad are such endpoints.
//! - `arn:aws:lambda:…`: a function at AWS, invoked with the server's own credentials.
//!
//! Only what the operator has allowed is reached: a user of the API could otherwise send requests from inside the
//! operator's network, and spend their credentials.

mod allowed;
mod aws;
pub mod caps;
mod http_endpoint;

pub use allowed::{Allowed, BadAllowed};

use allowed::Place;
use async_trait::async_trait;
use aws::AwsFunctions;
use http_endpoint::HttpEndpoints;
use millstream_functions::{Elsewhere, ElsewhereError, Errand, Returned};

/// Options of [`Executors`].
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// Where functions may run.
    pub allowed: Vec<Allowed>,
    /// Where AWS Lambda is; `None` for AWS itself.
    pub lambda_endpoint: Option<String>,
}

/// See the crate.
#[derive(Debug)]
pub struct Executors {
    allowed: Vec<Allowed>,
    http: HttpEndpoints,
    aws: AwsFunctions,
}

impl Executors {
    pub fn new(options: Options) -> Self {
        let Options { allowed, lambda_endpoint } = options;
        Self { allowed, http: HttpEndpoints::new(), aws: AwsFunctions::new(lambda_endpoint) }
    }

    fn place(&self, uri: &str) -> Result<Place, String> {
        let place: Place = uri.parse().map_err(|error: BadAllowed| format!("{error}."))?;
        if self.allowed.iter().any(|allowed| allowed.covers(&place)) {
            return Ok(place);
        }
        Err(format!(
            "the server may not send functions there. Its operator allows it with `--function-handoff {}`.",
            place.to_allow()
        ))
    }
}

#[async_trait]
impl Elsewhere for Executors {
    fn check(&self, uri: &str) -> Result<(), String> {
        self.place(uri).map(drop)
    }

    async fn invoke(&self, errand: Errand) -> Result<Returned, ElsewhereError> {
        match self.place(&errand.uri) {
            // It was allowed when the function was made, and the server was started anew since.
            Err(why) => Err(ElsewhereError::Failed { why, reached: false }),
            Ok(Place::Http(uri)) => self.http.invoke(uri, errand).await,
            Ok(Place::Aws { arn, region }) => self.aws.invoke(arn, region, errand).await,
        }
    }
}
