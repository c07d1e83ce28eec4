//! Which server a command talks to, and with which credentials.
//!
//! A command that changes streams must not reach AWS because somebody forgot a variable. So AWS is reached with `--aws`, or
//! with an endpoint that is AWS's, and by no default.

use super::error::{CallError, Service};
use anyhow::{Context, Result, bail, ensure};
use aws_config::environment::{EnvironmentVariableCredentialsProvider, EnvironmentVariableRegionProvider};
use aws_config::imds::region::ImdsRegionProvider;
use aws_config::meta::credentials::CredentialsProviderChain;
use aws_config::meta::region::{ProvideRegion, RegionProviderChain};
use aws_config::profile::{ProfileFileCredentialsProvider, ProfileFileRegionProvider};
use aws_config::provider_config::ProviderConfig;
use aws_config::{BehaviorVersion, Region, SdkConfig};
use aws_credential_types::Credentials;
use aws_credential_types::provider::SharedCredentialsProvider;
use aws_runtime::env_config::file::EnvConfigFiles;
use aws_sdk_kinesis::config::retry::RetryConfig;
use aws_sdk_kinesis::config::timeout::TimeoutConfig;
use aws_sdk_kinesis::config::{SharedHttpClient, StalledStreamProtectionConfig};
use aws_sdk_kinesis::error::{ProvideErrorMetadata, SdkError};
use aws_smithy_http_client::tls::{self, TlsContext, TrustStore};
use aws_types::os_shim_internal::{Env, Fs};
use aws_types::service_config::ServiceConfigKey;
use clap::{Args, ValueEnum};
use rustls::RootCertStore;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use std::io::{IsTerminal, stderr};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Where `millstream serve` listens when nothing else is said.
pub(crate) const LOCAL_ENDPOINT: &str = "http://127.0.0.1:4566";
const LOCAL_REGION: &str = "us-east-1";
const CONNECT_LIMIT: Duration = Duration::from_secs(5);
const ANSWER_LIMIT: Duration = Duration::from_mins(1);
/// A function may take fifteen minutes, and the way there and back a little.
const INVOKE_LIMIT: Duration = Duration::from_mins(16);

#[derive(Clone, Debug, Default, Args)]
#[command(next_help_heading = "Connection")]
pub(crate) struct ConnectionArguments {
    /// Server to talk to [default: AWS_ENDPOINT_URL_KINESIS or AWS_ENDPOINT_URL_LAMBDA, AWS_ENDPOINT_URL, the
    /// profile's endpoint_url, else http://127.0.0.1:4566]
    #[arg(long, global = true, value_name = "URL")]
    endpoint_url: Option<String>,

    /// Talk to AWS itself. Nothing but this flag, or an endpoint that is AWS's, does that
    #[arg(long, global = true, conflicts_with = "endpoint_url")]
    aws: bool,

    /// Region [default: AWS_REGION, the profile's, else us-east-1 where the server is not AWS]
    #[arg(long, global = true)]
    region: Option<String>,

    /// Certificates in PEM to trust besides those of the system, such as a server's own
    #[arg(long, global = true, value_name = "FILE", env = "AWS_CA_BUNDLE", hide_env_values = true)]
    ca_bundle: Option<PathBuf>,

    /// Profile of ~/.aws/config and ~/.aws/credentials [default: AWS_PROFILE]
    #[arg(long, global = true)]
    profile: Option<String>,

    /// What to print
    #[arg(long, global = true, value_enum, default_value_t, alias = "format")]
    output: Output,
}

impl ConnectionArguments {
    pub(crate) fn output(&self) -> Output {
        self.output
    }
}

/// What a command prints its answer as.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum Output {
    /// Tables and sentences
    #[default]
    Text,
    /// JSON with AWS's names
    Json,
}

/// Clients of one server.
#[derive(Clone, Debug)]
pub(crate) struct Connection {
    pub(crate) kinesis: aws_sdk_kinesis::Client,
    /// For SubscribeToShard, whose answers go on for minutes.
    pub(crate) subscriber: aws_sdk_kinesis::Client,
    pub(crate) lambda: aws_sdk_lambda::Client,
    /// What functions print.
    pub(crate) logs: aws_sdk_cloudwatchlogs::Client,
    pub(crate) output: Output,
    kinesis_at: Target,
    lambda_at: Target,
    logs_at: Target,
}

/// The server of a service.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Target {
    Aws,
    Server(String),
}

impl Target {
    /// `None` leaves the choice to the SDK, which knows where AWS is.
    fn url(&self) -> Option<String> {
        match self {
            Self::Aws => None,
            Self::Server(url) => Some(url.clone()),
        }
    }

    fn is_plain(&self) -> bool {
        matches!(self, Self::Server(url) if url.starts_with("http://"))
    }

    pub(crate) fn is_aws(&self) -> bool {
        match self {
            Self::Aws => true,
            Self::Server(url) => is_of_aws(url),
        }
    }
}

impl Connection {
    /// Nothing is sent yet.
    pub(crate) async fn open(arguments: &ConnectionArguments) -> Result<Self> {
        if let Some(url) = &arguments.endpoint_url {
            ensure!(
                url.starts_with("http://") || url.starts_with("https://"),
                "--endpoint-url {url:?} is no URL: write http://127.0.0.1:4566 or the like"
            );
        }
        if let Some(profile) = &arguments.profile {
            find_profile(profile).await?;
        }
        let transport =
            Transport::new(arguments.ca_bundle.as_deref().filter(|path| !path.as_os_str().is_empty()))?;
        let sdk = load(arguments, &transport).await;
        let kinesis_at = target(arguments, &sdk, Service::Kinesis);
        let lambda_at = target(arguments, &sdk, Service::Lambda);
        let logs_at = target(arguments, &sdk, Service::Logs);
        let all = [&kinesis_at, &lambda_at, &logs_at];
        let plain = all.iter().all(|target| target.is_plain());
        let aws = all.iter().any(|target| target.is_aws());
        ensure!(sdk.region().is_some(), "AWS is in many regions: name one with --region or AWS_REGION");
        let sdk = if aws { sdk } else { with_local_credentials(&sdk, arguments, &transport, plain) };
        announce(arguments, &kinesis_at);
        let timeouts = TimeoutConfig::builder().connect_timeout(CONNECT_LIMIT);
        let ordinary = timeouts.clone().operation_attempt_timeout(ANSWER_LIMIT).build();
        let mut kinesis = aws_sdk_kinesis::config::Builder::from(&sdk);
        kinesis.set_endpoint_url(kinesis_at.url());
        let mut lambda = aws_sdk_lambda::config::Builder::from(&sdk);
        lambda.set_endpoint_url(lambda_at.url());
        let mut logs = aws_sdk_cloudwatchlogs::config::Builder::from(&sdk);
        logs.set_endpoint_url(logs_at.url());
        let patient = kinesis.clone().timeout_config(timeouts.build()).build();
        Ok(Self {
            subscriber: aws_sdk_kinesis::Client::from_conf(patient),
            kinesis: aws_sdk_kinesis::Client::from_conf(kinesis.timeout_config(ordinary.clone()).build()),
            lambda: aws_sdk_lambda::Client::from_conf(lambda.timeout_config(ordinary.clone()).build()),
            logs: aws_sdk_cloudwatchlogs::Client::from_conf(logs.timeout_config(ordinary).build()),
            output: arguments.output,
            kinesis_at,
            lambda_at,
            logs_at,
        })
    }

    pub(crate) fn target(&self, service: Service) -> &Target {
        match service {
            Service::Kinesis => &self.kinesis_at,
            Service::Lambda => &self.lambda_at,
            Service::Logs => &self.logs_at,
        }
    }

    /// What to say of a Kinesis call that failed. `doing` completes "cannot …".
    pub(crate) fn kinesis_failed<E, R>(&self, doing: impl Into<String>, error: &SdkError<E, R>) -> CallError
    where
        E: ProvideErrorMetadata + std::error::Error + 'static,
        R: std::fmt::Debug,
    {
        CallError::new(doing.into(), error, Service::Kinesis, &self.kinesis_at)
    }

    /// What to say of a Lambda call that failed.
    pub(crate) fn lambda_failed<E, R>(&self, doing: impl Into<String>, error: &SdkError<E, R>) -> CallError
    where
        E: ProvideErrorMetadata + std::error::Error + 'static,
        R: std::fmt::Debug,
    {
        CallError::new(doing.into(), error, Service::Lambda, &self.lambda_at)
    }

    /// What to say of a call to CloudWatch Logs that failed.
    pub(crate) fn logs_failed<E, R>(&self, doing: impl Into<String>, error: &SdkError<E, R>) -> CallError
    where
        E: ProvideErrorMetadata + std::error::Error + 'static,
        R: std::fmt::Debug,
    {
        CallError::new(doing.into(), error, Service::Logs, &self.logs_at)
    }

    /// Settings of an invocation: it may take long, and it is never sent twice.
    pub(crate) fn for_an_invocation() -> aws_sdk_lambda::config::Builder {
        let limits = TimeoutConfig::builder().connect_timeout(CONNECT_LIMIT);
        aws_sdk_lambda::Config::builder()
            .retry_config(RetryConfig::disabled())
            .timeout_config(limits.operation_attempt_timeout(INVOKE_LIMIT).build())
    }
}

/// A name that is mistyped is not the same as no profile.
async fn find_profile(name: &str) -> Result<()> {
    let (fs, env, files) = (Fs::real(), Env::real(), EnvConfigFiles::default());
    let profiles = aws_config::profile::load(&fs, &env, &files, None)
        .await
        .context("cannot read the profiles of ~/.aws")?;
    if profiles.get_profile(name).is_none() {
        let names: Vec<_> = profiles.profiles().collect();
        let hint = match super::error::closest(name, names) {
            Some(close) => format!("; did you mean {close}?"),
            None => String::new(),
        };
        bail!("there is no profile {name} in ~/.aws/config or ~/.aws/credentials{hint}");
    }
    Ok(())
}

async fn load(arguments: &ConnectionArguments, transport: &Transport) -> SdkConfig {
    let flag = arguments.endpoint_url.as_deref();
    // The system's certificates are read when a client for HTTPS is made, which takes longer than all else here.
    let plain = flag.is_some_and(|url| url.starts_with("http://"));
    let mut loader = aws_config::defaults(BehaviorVersion::latest())
        .http_client(if plain { Transport::plain() } else { transport.tls() })
        .region(region(arguments))
        .stalled_stream_protection(StalledStreamProtectionConfig::disabled());
    if let Some(profile) = &arguments.profile {
        loader = loader.profile_name(profile);
    }
    if !arguments.aws {
        // A server beside us answers at once or not at all: no reason to wait a second between attempts.
        loader = loader.retry_config(RetryConfig::standard().with_initial_backoff(Duration::from_millis(50)));
    }
    loader.load().await
}

/// How servers are reached.
struct Transport {
    tls: TlsContext,
}

impl Transport {
    fn new(ca_bundle: Option<&Path>) -> Result<Self> {
        let mut trusted = TrustStore::default();
        if let Some(path) = ca_bundle {
            trusted.add_pem_certificate(read_certificates(path)?);
        }
        let tls = TlsContext::builder().with_trust_store(trusted).build().context("cannot set up TLS")?;
        Ok(Self { tls })
    }

    fn plain() -> SharedHttpClient {
        aws_smithy_http_client::Builder::new().build_http()
    }

    fn tls(&self) -> SharedHttpClient {
        aws_smithy_http_client::Builder::new()
            .tls_provider(tls::Provider::Rustls(tls::rustls_provider::CryptoMode::Ring))
            .tls_context(self.tls.clone())
            .build_https()
    }
}

/// Certificates in PEM. The SDK panics over what is none, so it is looked at here.
fn read_certificates(path: &Path) -> Result<Vec<u8>> {
    let shown = path.display();
    let pem = millstream_host::fs::read(path).with_context(|| format!("cannot read {shown}"))?;
    let mut store = RootCertStore::empty();
    for certificate in CertificateDer::pem_slice_iter(&pem) {
        let certificate = certificate.with_context(|| format!("{shown} is not PEM"))?;
        store.add(certificate).with_context(|| format!("{shown} holds a certificate that cannot be used"))?;
    }
    ensure!(!store.is_empty(), "{shown} holds no certificate in PEM");
    Ok(pem)
}

/// The flag, the environment, the profile; then, for AWS, what the machine itself says.
fn region(arguments: &ConnectionArguments) -> impl ProvideRegion + 'static {
    let mut profile = ProfileFileRegionProvider::builder();
    if let Some(name) = &arguments.profile {
        profile = profile.profile_name(name);
    }
    let chain = RegionProviderChain::first_try(arguments.region.clone().map(Region::new))
        .or_else(EnvironmentVariableRegionProvider::new())
        .or_else(profile.build());
    if arguments.aws {
        let provider = ProviderConfig::without_region().with_http_client(Transport::plain());
        chain.or_else(ImdsRegionProvider::builder().configure(&provider).build())
    } else {
        chain.or_else(Region::new(LOCAL_REGION))
    }
}

fn target(arguments: &ConnectionArguments, sdk: &SdkConfig, service: Service) -> Target {
    if arguments.aws {
        return Target::Aws;
    }
    let of_service = || {
        let key = ServiceConfigKey::builder()
            .service_id(service.name())
            .env("AWS_ENDPOINT_URL")
            .profile("endpoint_url");
        sdk.service_config()?.load_config(key.build().ok()?)
    };
    let of_all = || sdk.endpoint_url().map(str::to_owned);
    let chosen = arguments.endpoint_url.clone().or_else(of_service).or_else(of_all);
    Target::Server(chosen.unwrap_or_else(|| LOCAL_ENDPOINT.to_owned()))
}

/// Whether an endpoint is one of AWS's own.
fn is_of_aws(url: &str) -> bool {
    let host = url.split_once("://").map_or(url, |(_, rest)| rest);
    let host = host.split(['/', ':', '?']).next().unwrap_or_default();
    [".amazonaws.com", ".amazonaws.com.cn", ".api.aws", ".amazonaws.eu"].iter().any(|end| host.ends_with(end))
}

/// Credentials for a server that is not AWS: what the environment or the profile holds, else made-up ones. The metadata
/// service of the machine is never asked: what it gives is AWS's.
fn with_local_credentials(
    sdk: &SdkConfig,
    arguments: &ConnectionArguments,
    transport: &Transport,
    plain: bool,
) -> SdkConfig {
    let provider = ProviderConfig::without_region().with_http_client(transport.tls());
    let mut profile = ProfileFileCredentialsProvider::builder().configure(&provider);
    if let Some(name) = &arguments.profile {
        profile = profile.profile_name(name);
    }
    let chain = CredentialsProviderChain::first_try("Profile", profile.build());
    // A profile that was named is what is meant, whatever the environment holds.
    let chain = if arguments.profile.is_some() {
        chain
    } else {
        CredentialsProviderChain::first_try("Environment", EnvironmentVariableCredentialsProvider::new())
            .or_else("Profile", chain)
    };
    let chain = chain.or_else("Local", Credentials::new("test", "test", None, None, "no credentials"));
    let builder = sdk.to_builder().credentials_provider(SharedCredentialsProvider::new(chain));
    if plain { builder.http_client(Transport::plain()).build() } else { builder.build() }
}

/// Say which server was taken for want of a word, to somebody who reads it.
fn announce(arguments: &ConnectionArguments, target: &Target) {
    let by_default = *target == Target::Server(LOCAL_ENDPOINT.to_owned()) && arguments.endpoint_url.is_none();
    if by_default && stderr().is_terminal() {
        crate::terminal::note(format_args!(
            "(the local server, {LOCAL_ENDPOINT}; --endpoint-url names another, --aws is AWS)"
        ));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn endpoints_of_aws_are_known_by_their_host() {
        for url in [
            "https://kinesis.us-east-1.amazonaws.com",
            "https://kinesis.eu-west-1.api.aws/",
            "https://vpce-1.kinesis.cn-north-1.amazonaws.com.cn:443/x",
        ] {
            assert!(is_of_aws(url), "{url}");
        }
        for url in [
            "http://127.0.0.1:4566",
            "http://localhost/amazonaws.com",
            "https://amazonaws.com.example.org",
            "x",
        ] {
            assert!(!is_of_aws(url), "{url}");
        }
    }
}
