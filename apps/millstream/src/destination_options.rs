//! Where records go that leave the server.

use clap::Args;
use millstream_destinations::{AwsDestinations, Credentials, Endpoint, Endpoints, Options};
use millstream_host::Clock;
use std::sync::Arc;

/// Endpoints of the services that destinations and dead-letter queues of mappings and functions are at. The names in the environment are those that
/// AWS's own clients read.
#[derive(Args, Clone, Debug, Default)]
pub(crate) struct DestinationOptions {
    /// Where SQS queues are that are told of failures and successes [default: AWS]
    #[arg(long = "sqs-endpoint", env = "AWS_ENDPOINT_URL_SQS", value_name = "URL")]
    pub(crate) sqs: Option<Endpoint>,

    /// Where SNS topics are that are told of failures and successes [default: AWS]
    #[arg(long = "sns-endpoint", env = "AWS_ENDPOINT_URL_SNS", value_name = "URL")]
    pub(crate) sns: Option<Endpoint>,

    /// Where the S3-compatible buckets are that failures are stored in [default: AWS]
    #[arg(long = "s3-endpoint", env = "AWS_ENDPOINT_URL_S3", value_name = "URL")]
    pub(crate) s3: Option<Endpoint>,

    /// Where EventBridge's event buses are that are told of failures and successes [default: AWS]
    #[arg(long = "events-endpoint", env = "AWS_ENDPOINT_URL_EVENTBRIDGE", value_name = "URL")]
    pub(crate) events: Option<Endpoint>,
}

impl DestinationOptions {
    pub(crate) fn start(&self, clock: Arc<dyn Clock>, region: &str) -> Arc<AwsDestinations> {
        // From the environment alone: a command line can be read by other users.
        let variable = |name| std::env::var(name).ok().filter(|value| !value.is_empty());
        let pair = variable("AWS_ACCESS_KEY_ID").zip(variable("AWS_SECRET_ACCESS_KEY"));
        let credentials = pair.map(|(access_key, secret_key)| Credentials {
            access_key,
            secret_key,
            session_token: variable("AWS_SESSION_TOKEN"),
        });
        let endpoints = Endpoints {
            sqs: self.sqs.clone(),
            sns: self.sns.clone(),
            s3: self.s3.clone(),
            events: self.events.clone(),
        };
        let options = Options { clock, region: region.to_owned(), credentials, endpoints };
        Arc::new(AwsDestinations::new(options))
    }
}
