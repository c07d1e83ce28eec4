//! The SDK clients, made from the configuration and the environment.

use std::time::Duration;

use aws_config::environment::EnvironmentVariableCredentialsProvider;
use aws_config::meta::credentials::CredentialsProviderChain;
use aws_config::profile::ProfileFileCredentialsProvider;
use aws_config::provider_config::ProviderConfig;
use aws_config::{BehaviorVersion, Region, SdkConfig};
use aws_credential_types::Credentials;
use aws_sdk_kinesis::config::{SharedHttpClient, StalledStreamProtectionConfig, timeout::TimeoutConfig};
use aws_smithy_http_client::tls;

use crate::config::Config;

/// Region used when neither the configuration nor the environment names one.
const FALLBACK_REGION: &str = "us-east-1";

/// Clients of the two services that the scenario uses.
#[derive(Clone, Debug)]
pub(crate) struct Clients {
    /// For ordinary calls, with time limits.
    pub(crate) kinesis: aws_sdk_kinesis::Client,
    /// For SubscribeToShard, whose answers go on for minutes.
    pub(crate) subscriber: aws_sdk_kinesis::Client,
    pub(crate) lambda: aws_sdk_lambda::Client,
}

fn http_client() -> SharedHttpClient {
    aws_smithy_http_client::Builder::new()
        .tls_provider(tls::Provider::Rustls(tls::rustls_provider::CryptoMode::Ring))
        .build_https()
}

impl Clients {
    pub(crate) async fn new(config: &Config) -> Self {
        let sdk = sdk_config(config).await;
        let timeouts = TimeoutConfig::builder()
            .connect_timeout(Duration::from_secs(5))
            .operation_attempt_timeout(Duration::from_secs(30))
            .build();
        let ordinary = aws_sdk_kinesis::config::Builder::from(&sdk).timeout_config(timeouts.clone()).build();
        // The reader has a watchdog of its own: a quiet stream is not a stalled one.
        let patient = aws_sdk_kinesis::config::Builder::from(&sdk)
            .timeout_config(TimeoutConfig::builder().connect_timeout(Duration::from_secs(5)).build())
            .stalled_stream_protection(StalledStreamProtectionConfig::disabled())
            .build();
        let lambda = aws_sdk_lambda::config::Builder::from(&sdk).timeout_config(timeouts).build();
        Self {
            kinesis: aws_sdk_kinesis::Client::from_conf(ordinary),
            subscriber: aws_sdk_kinesis::Client::from_conf(patient),
            lambda: aws_sdk_lambda::Client::from_conf(lambda),
        }
    }
}

async fn sdk_config(config: &Config) -> SdkConfig {
    let mut loader = aws_config::defaults(BehaviorVersion::latest()).http_client(http_client());
    if let Some(endpoint) = &config.endpoint_url {
        loader = loader.endpoint_url(endpoint);
    }
    if let Some(region) = &config.region {
        loader = loader.region(Region::new(region.clone()));
    }
    let elsewhere = config.endpoint_url.is_some() || std::env::var_os("AWS_ENDPOINT_URL").is_some();
    if elsewhere {
        loader = loader.credentials_provider(local_credentials());
    }
    let sdk = loader.load().await;
    if sdk.region().is_some() {
        return sdk;
    }
    sdk.into_builder().region(Region::new(FALLBACK_REGION)).build()
}

/// Credentials for an endpoint that is not AWS: what the environment or the profile holds, else made-up ones, as such an
/// endpoint often wants a signature and no secret. AWS itself is never asked with those, and the metadata service of
/// the machine, which is AWS's too, is never asked for them.
fn local_credentials() -> CredentialsProviderChain {
    let provider = ProviderConfig::without_region().with_http_client(http_client());
    CredentialsProviderChain::first_try("Environment", EnvironmentVariableCredentialsProvider::new())
        .or_else("Profile", ProfileFileCredentialsProvider::builder().configure(&provider).build())
        .or_else("Local", Credentials::new("test", "test", None, None, "local endpoint"))
}
