//! Where functions may run other than here.

use clap::Args;
use millstream_executors::{Allowed, Executors, Options};
use serde::{Deserialize, Deserializer, de};
use std::sync::Arc;

/// See the module.
#[derive(Args, Clone, Debug, Default)]
pub(crate) struct HandoffOptions {
    /// Where functions of the package type Image may run: the URL of an HTTP endpoint that speaks the protocol of Lambda's
    /// Runtime Interface Emulator, or the ARN of functions at AWS, which may end in *. May be given several times
    /// [default: nowhere]
    #[arg(
        long = "function-handoff",
        env = "MILLSTREAM_FUNCTION_HANDOFF",
        value_name = "URL|ARN",
        value_delimiter = ','
    )]
    pub(crate) handoff: Vec<Allowed>,

    /// Where AWS Lambda is that functions are handed on to [default: AWS]
    #[arg(long = "lambda-endpoint", env = "AWS_ENDPOINT_URL_LAMBDA", value_name = "URL")]
    pub(crate) lambda_endpoint: Option<String>,
}

impl HandoffOptions {
    /// The file's list, where flags and environment give none.
    pub(crate) fn or(self, file: Option<Vec<FromText>>) -> Self {
        if !self.handoff.is_empty() {
            return self;
        }
        let handoff = file.unwrap_or_default().into_iter().map(|FromText(allowed)| allowed).collect();
        Self { handoff, ..self }
    }

    pub(crate) fn start(&self) -> Arc<Executors> {
        let (allowed, lambda_endpoint) = (self.handoff.clone(), self.lambda_endpoint.clone());
        Arc::new(Executors::new(Options { allowed, lambda_endpoint }))
    }
}

/// As it stands in the configuration file.
#[derive(Clone, Debug)]
pub(crate) struct FromText(Allowed);

impl<'de> Deserialize<'de> for FromText {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map(Self).map_err(de::Error::custom)
    }
}
