//! Functions at AWS: the contract is the same there, so there is nothing to interpret.

use crate::caps;
use aws_config::Region;
use aws_config::default_provider::credentials::DefaultCredentialsChain;
use aws_config::provider_config::ProviderConfig;
use aws_sdk_lambda::Client;
use aws_sdk_lambda::config::retry::RetryConfig;
use aws_sdk_lambda::config::timeout::TimeoutConfig;
use aws_sdk_lambda::config::{BehaviorVersion, SharedHttpClient};
use aws_sdk_lambda::error::{DisplayErrorContext, ProvideErrorMetadata, SdkError};
use aws_sdk_lambda::operation::invoke::InvokeError;
use aws_sdk_lambda::primitives::Blob;
use aws_sdk_lambda::types::LogType;
use aws_smithy_http_client::tls::{self, rustls_provider::CryptoMode};
use bytes::Bytes;
use millstream_functions::{ElsewhereError, Errand, Returned, Sent};
use std::collections::HashMap;
use tokio::sync::Mutex;

#[derive(Debug)]
pub(crate) struct AwsFunctions {
    endpoint: Option<String>,
    /// By region. A client keeps its connections and credentials.
    clients: Mutex<HashMap<String, Client>>,
}

impl AwsFunctions {
    pub(crate) fn new(endpoint: Option<String>) -> Self {
        Self { endpoint, clients: Mutex::default() }
    }

    async fn client(&self, region: String) -> Client {
        let mut clients = self.clients.lock().await;
        if let Some(client) = clients.get(&region) {
            return client.clone();
        }
        let http = aws_smithy_http_client::Builder::new()
            .tls_provider(tls::Provider::Rustls(CryptoMode::Ring))
            .build_https();
        let client = Client::from_conf(self.config(region.clone(), http).await);
        if clients.len() >= caps::REGIONS {
            clients.clear();
        }
        clients.insert(region, client.clone());
        client
    }

    /// Put together by hand: the SDK's own way takes AWS_ENDPOINT_URL from the environment, which may well be this server,
    /// and then functions would be handed on to themselves.
    async fn config(&self, region: String, http: SharedHttpClient) -> aws_sdk_lambda::Config {
        let region = Region::new(region);
        let provider =
            ProviderConfig::without_region().with_region(Some(region.clone())).with_http_client(http.clone());
        let chain = DefaultCredentialsChain::builder().region(region.clone()).configure(provider);
        let mut config = aws_sdk_lambda::Config::builder()
            .behavior_version(BehaviorVersion::latest())
            .region(region)
            .http_client(http)
            .credentials_provider(chain.build().await)
            // Whether to try again is for the event source mapping, or the caller, to say.
            .retry_config(RetryConfig::disabled());
        config.set_endpoint_url(self.endpoint.clone());
        config.build()
    }

    pub(crate) async fn invoke(
        &self,
        arn: String,
        region: String,
        errand: Errand,
    ) -> Result<Returned, ElsewhereError> {
        let client = self.client(region).await;
        let longest = errand.timeout + caps::AWS_GRACE;
        let timeouts = TimeoutConfig::builder()
            .connect_timeout(caps::CONNECT)
            .read_timeout(longest)
            .operation_timeout(longest)
            .build();
        let context =
            errand.client_context.map(|context| base64_simd::STANDARD.encode_to_string(context.as_bytes()));
        let sent = client
            .invoke()
            .function_name(arn)
            .payload(Blob::new(errand.payload))
            .set_client_context(context)
            .log_type(LogType::Tail)
            .customize()
            .config_override(aws_sdk_lambda::Config::builder().timeout_config(timeouts))
            .send()
            .await;
        let answer = sent.map_err(|error| refused(&error))?;
        let log = answer.log_result.as_deref().unwrap_or_default();
        let log = base64_simd::STANDARD.decode_to_vec(log).unwrap_or_default();
        let payload = answer.payload.map(|blob| Bytes::from(blob.into_inner())).unwrap_or_default();
        let sent = match answer.function_error {
            _ if payload.len() > errand.answer_limit => Sent::TooLarge,
            Some(_) => Sent::Error(payload),
            None => Sent::Response(payload),
        };
        Ok(Returned { sent, log: log.into() })
    }
}

fn refused(error: &SdkError<InvokeError>) -> ElsewhereError {
    let why = || DisplayErrorContext(error).to_string();
    match error {
        SdkError::ServiceError(service) => {
            let status = service.raw().status().as_u16();
            let (code, message) = (error.code().unwrap_or("an error"), error.message().unwrap_or_default());
            let text = format!("AWS answered {status} {code}: {message}");
            if status == 429 || code.contains("Throttl") {
                return ElsewhereError::Busy(text);
            }
            ElsewhereError::Failed { why: text, reached: status >= 500 }
        }
        SdkError::ConstructionFailure(_) => ElsewhereError::Failed { why: why(), reached: false },
        SdkError::DispatchFailure(failure) => {
            let (io, timeout) = (failure.is_io(), failure.is_timeout());
            ElsewhereError::Failed { why: why(), reached: io && !timeout }
        }
        _ => ElsewhereError::Failed { why: why(), reached: true },
    }
}
