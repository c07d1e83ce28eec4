//! Brings into being what the scenario needs. Every step looks first, so that a second set-up changes nothing.

mod function;
mod streams;
mod teardown;

use std::time::Duration;

use tokio::time::Instant;

use crate::caps::MAX_STEP;
use crate::clients::Clients;
use crate::config::Config;
use crate::error::Error;
use crate::{CONSUMER, FUNCTION, OFFERS_STREAM, Progress, SIGN_UPS_STREAM, bundle};

pub use teardown::teardown;

/// The names by which the services know what was set up.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Deployed {
    /// ARN of the stream of sign-ups.
    pub signups_arn: String,
    /// ARN of the stream of offers.
    pub offers_arn: String,
    /// ARN of the stream consumer that reads the offers.
    pub consumer_arn: String,
    /// ARN of the function.
    pub function_arn: String,
    /// ARN of the layer's version that the function uses.
    pub layer_version_arn: String,
    /// UUID of the event source mapping from the sign-ups to the function.
    pub mapping_uuid: String,
}

/// Creates the streams, the layer, the function, the mapping and the stream consumer, as far as they are missing or
/// differ, and waits until all of them can be used. `progress` gets a line for each.
///
/// # Errors
///
/// The first call that the service refuses, or a step that takes longer than [`MAX_STEP`].
pub async fn setup(config: &Config, progress: Progress<'_>) -> Result<Deployed, Error> {
    config.validate()?;
    let clients = Clients::new(config).await;
    let signups_arn = streams::ensure_stream(&clients, SIGN_UPS_STREAM, config.shards, progress).await?;
    let offers_arn = streams::ensure_stream(&clients, OFFERS_STREAM, config.shards, progress).await?;
    let layer_version_arn = function::ensure_layer(&clients, bundle::layer()?, progress).await?;
    let function_arn =
        function::ensure_function(&clients, config, bundle::function()?, &layer_version_arn, progress)
            .await?;
    let mapping_uuid = function::ensure_mapping(&clients, &signups_arn, progress).await?;
    let consumer_arn = streams::ensure_consumer(&clients, &offers_arn, progress).await?;
    Ok(Deployed { signups_arn, offers_arn, consumer_arn, function_arn, layer_version_arn, mapping_uuid })
}

/// Finds what an earlier [`setup`] made and changes nothing.
///
/// # Errors
///
/// [`Error::NotDeployed`] names the first thing that is missing.
pub async fn find(config: &Config) -> Result<Deployed, Error> {
    config.validate()?;
    let clients = Clients::new(config).await;
    let missing = |what: &str| Error::NotDeployed { what: what.to_owned() };
    let stream = |name: &str| missing(&format!("the stream {name}"));
    let signups = streams::describe_stream(&clients, SIGN_UPS_STREAM).await?;
    let signups_arn = signups.ok_or_else(|| stream(SIGN_UPS_STREAM))?.arn;
    let offers = streams::describe_stream(&clients, OFFERS_STREAM).await?;
    let offers_arn = offers.ok_or_else(|| stream(OFFERS_STREAM))?.arn;
    let function = function::describe_function(&clients).await?;
    let function = function.ok_or_else(|| missing(&format!("the function {FUNCTION}")))?;
    let layer_version_arn = function.layers().first().and_then(|layer| layer.arn()).map(str::to_owned);
    let mapping = function::find_mapping(&clients, &signups_arn).await?;
    let consumer = streams::describe_consumer(&clients, &offers_arn).await?;
    Ok(Deployed {
        signups_arn,
        offers_arn,
        consumer_arn: consumer.ok_or_else(|| missing(&format!("the stream consumer {CONSUMER}")))?.arn,
        function_arn: function.function_arn().unwrap_or(FUNCTION).to_owned(),
        layer_version_arn: layer_version_arn.ok_or_else(|| missing("the function's layer"))?,
        mapping_uuid: mapping.ok_or_else(|| missing("the event source mapping"))?.uuid,
    })
}

/// Waits between two looks at something that takes its time, and gives up after [`MAX_STEP`].
struct Patience {
    what: String,
    since: Instant,
    pause: Duration,
}

impl Patience {
    fn new(what: impl Into<String>) -> Self {
        Self { what: what.into(), since: Instant::now(), pause: Duration::from_millis(50) }
    }

    async fn wait(&mut self, state: &str) -> Result<(), Error> {
        if self.since.elapsed() > MAX_STEP {
            let seconds = self.since.elapsed().as_secs();
            return Err(Error::Stuck { what: self.what.clone(), state: state.to_owned(), seconds });
        }
        tokio::time::sleep(self.pause).await;
        self.pause = (self.pause * 2).min(Duration::from_secs(2));
        Ok(())
    }
}

/// A part of an answer that the model promises.
fn require(part: Option<&str>, name: &'static str, doing: &str) -> Result<String, Error> {
    part.map(str::to_owned).ok_or_else(|| Error::Incomplete { doing: doing.to_owned(), part: name })
}
