//! The layer, the function and the event source mapping.

use aws_sdk_lambda::primitives::Blob;
use aws_sdk_lambda::types::{
    Environment, EventSourcePosition, FunctionCode, FunctionConfiguration, LastUpdateStatus,
    LayerVersionContentInput, Runtime, State,
};

use super::{Patience, require};
use crate::bundle::Archive;
use crate::clients::Clients;
use crate::config::Config;
use crate::error::Error;
use crate::{FUNCTION, LAYER, OFFERS_STREAM, Progress};

const HANDLER: &str = "handler.handler";
const TIMEOUT_S: i32 = 30;
const MEMORY_MB: i32 = 256;
const BATCH_SIZE: i32 = 100;
const STREAM_VARIABLE: &str = "OFFERS_STREAM";

/// Publishes a version of the layer unless the newest one has this very content. Returns the version's ARN.
pub(super) async fn ensure_layer(
    clients: &Clients,
    archive: Archive,
    progress: Progress<'_>,
) -> Result<String, Error> {
    if let Some((version, arn, code_sha256)) = latest_layer(clients).await?
        && code_sha256 == archive.code_sha256
    {
        progress(&format!("layer {LAYER}: version {version} is already there"));
        return Ok(arn);
    }
    let kilobytes = archive.bytes.len().div_ceil(1024);
    let doing = "publish the layer";
    let content = LayerVersionContentInput::builder().zip_file(Blob::new(archive.bytes)).build();
    let call = clients.lambda.publish_layer_version().layer_name(LAYER).content(content);
    let output = call
        .description("Bandwidth options for places all over the world")
        .send()
        .await
        .map_err(|error| Error::service(doing, &error))?;
    progress(&format!("layer {LAYER}: version {} published ({kilobytes} KiB)", output.version()));
    require(output.layer_version_arn(), "LayerVersionArn", doing)
}

/// Number, ARN and content hash of the newest version of the layer.
async fn latest_layer(clients: &Clients) -> Result<Option<(i64, String, String)>, Error> {
    let mut marker = None;
    loop {
        let page = clients
            .lambda
            .list_layers()
            .set_marker(marker)
            .send()
            .await
            .map_err(|error| Error::service("list the layers", &error))?;
        let found = page.layers().iter().find(|layer| layer.layer_name() == Some(LAYER));
        if let Some(latest) = found.and_then(|layer| layer.latest_matching_version()) {
            let doing = "read the newest version of the layer";
            let version = clients
                .lambda
                .get_layer_version()
                .layer_name(LAYER)
                .version_number(latest.version())
                .send()
                .await
                .map_err(|error| Error::service(doing, &error))?;
            let arn = require(version.layer_version_arn(), "LayerVersionArn", doing)?;
            let hash = version.content().and_then(|content| content.code_sha256()).unwrap_or_default();
            return Ok(Some((latest.version(), arn, hash.to_owned())));
        }
        marker = page.next_marker().filter(|marker| !marker.is_empty()).map(str::to_owned);
        if marker.is_none() {
            return Ok(None);
        }
    }
}

pub(super) async fn describe_function(clients: &Clients) -> Result<Option<FunctionConfiguration>, Error> {
    match clients.lambda.get_function().function_name(FUNCTION).send().await {
        Ok(output) => Ok(output.configuration().cloned()),
        Err(error) => {
            let error = Error::service(format!("look for the function {FUNCTION}"), &error);
            if error.has_code("ResourceNotFoundException") { Ok(None) } else { Err(error) }
        }
    }
}

/// Creates the function, or brings its code and its configuration up to date. Returns its ARN.
pub(super) async fn ensure_function(
    clients: &Clients,
    config: &Config,
    archive: Archive,
    layer_arn: &str,
    progress: Progress<'_>,
) -> Result<String, Error> {
    let outcome = if describe_function(clients).await?.is_none() {
        create_function(clients, config, archive, layer_arn).await?;
        "created"
    } else {
        let existing = await_function(clients).await?;
        let code_differs = existing.code_sha256() != Some(&archive.code_sha256);
        if code_differs {
            update_code(clients, archive).await?;
            await_function(clients).await?;
        }
        let configuration_differs = !is_configured(&existing, config, layer_arn);
        if configuration_differs {
            update_configuration(clients, config, layer_arn).await?;
        }
        if code_differs || configuration_differs { "updated" } else { "is already there" }
    };
    let function = await_function(clients).await?;
    progress(&format!("function {FUNCTION}: {outcome} ({})", config.runtime));
    require(function.function_arn(), "FunctionArn", "deploy the function")
}

fn environment() -> Environment {
    Environment::builder().variables(STREAM_VARIABLE, OFFERS_STREAM).build()
}

async fn create_function(
    clients: &Clients,
    config: &Config,
    archive: Archive,
    layer_arn: &str,
) -> Result<(), Error> {
    clients
        .lambda
        .create_function()
        .function_name(FUNCTION)
        .description("Answers sign-ups with the bandwidth options of their place")
        .runtime(Runtime::from(config.runtime.as_str()))
        .role(&config.role_arn)
        .handler(HANDLER)
        .timeout(TIMEOUT_S)
        .memory_size(MEMORY_MB)
        .layers(layer_arn)
        .environment(environment())
        .code(FunctionCode::builder().zip_file(Blob::new(archive.bytes)).build())
        .send()
        .await
        .map_err(|error| Error::service(format!("create the function {FUNCTION}"), &error))?;
    Ok(())
}

async fn update_code(clients: &Clients, archive: Archive) -> Result<(), Error> {
    clients
        .lambda
        .update_function_code()
        .function_name(FUNCTION)
        .zip_file(Blob::new(archive.bytes))
        .send()
        .await
        .map_err(|error| Error::service(format!("update the code of {FUNCTION}"), &error))?;
    Ok(())
}

fn is_configured(existing: &FunctionConfiguration, config: &Config, layer_arn: &str) -> bool {
    let layers: Vec<_> = existing.layers().iter().filter_map(|layer| layer.arn()).collect();
    let variables = existing.environment().and_then(|environment| environment.variables());
    existing.runtime().map(Runtime::as_str) == Some(config.runtime.as_str())
        && existing.role() == Some(&config.role_arn)
        && existing.handler() == Some(HANDLER)
        && existing.timeout() == Some(TIMEOUT_S)
        && existing.memory_size() == Some(MEMORY_MB)
        && layers == [layer_arn]
        && variables == environment().variables()
}

async fn update_configuration(clients: &Clients, config: &Config, layer_arn: &str) -> Result<(), Error> {
    clients
        .lambda
        .update_function_configuration()
        .function_name(FUNCTION)
        .runtime(Runtime::from(config.runtime.as_str()))
        .role(&config.role_arn)
        .handler(HANDLER)
        .timeout(TIMEOUT_S)
        .memory_size(MEMORY_MB)
        .layers(layer_arn)
        .environment(environment())
        .send()
        .await
        .map_err(|error| Error::service(format!("update the configuration of {FUNCTION}"), &error))?;
    Ok(())
}

/// Waits until the function is active and no update of it is under way.
async fn await_function(clients: &Clients) -> Result<FunctionConfiguration, Error> {
    let mut patience = Patience::new(format!("the function {FUNCTION}"));
    loop {
        let Some(function) = describe_function(clients).await? else {
            patience.wait("missing").await?;
            continue;
        };
        let state = function.state().cloned().unwrap_or(State::Active);
        let update = function.last_update_status().cloned().unwrap_or(LastUpdateStatus::Successful);
        match (&state, &update) {
            // A function that was not called for long is idle: it becomes active with its next invocation.
            (State::Active | State::Inactive, LastUpdateStatus::Successful) => return Ok(function),
            (State::Failed, _) | (_, LastUpdateStatus::Failed) => {
                let reason = function.state_reason().or_else(|| function.last_update_status_reason());
                return Err(Error::Service {
                    doing: format!("deploy the function {FUNCTION}"),
                    answer: reason.unwrap_or("it failed and does not say why").to_owned(),
                    code: None,
                });
            }
            _ => patience.wait(state.as_str()).await?,
        }
    }
}

/// UUID and state of an event source mapping.
pub(super) struct Mapping {
    pub(super) uuid: String,
    pub(super) state: String,
}

pub(super) async fn find_mapping(clients: &Clients, stream_arn: &str) -> Result<Option<Mapping>, Error> {
    let doing = "list the event source mappings";
    let call = clients.lambda.list_event_source_mappings();
    let output = call
        .function_name(FUNCTION)
        .event_source_arn(stream_arn)
        .send()
        .await
        .map_err(|error| Error::service(doing, &error))?;
    let Some(mapping) = output.event_source_mappings().first() else { return Ok(None) };
    let uuid = require(mapping.uuid(), "UUID", doing)?;
    Ok(Some(Mapping { uuid, state: mapping.state().unwrap_or("unknown").to_owned() }))
}

/// Maps the stream of sign-ups to the function and waits until the mapping is enabled. Returns its UUID.
pub(super) async fn ensure_mapping(
    clients: &Clients,
    stream_arn: &str,
    progress: Progress<'_>,
) -> Result<String, Error> {
    let mut patience = Patience::new("the event source mapping");
    let mut outcome = "is already there";
    loop {
        match find_mapping(clients, stream_arn).await? {
            None if outcome == "created" => patience.wait("missing").await?,
            None => {
                create_mapping(clients, stream_arn).await?;
                outcome = "created";
            }
            Some(mapping) if mapping.state == "Enabled" => {
                progress(&format!("event source mapping {}: {outcome}", mapping.uuid));
                return Ok(mapping.uuid);
            }
            Some(mapping) if mapping.state == "Disabled" => {
                let call = clients.lambda.update_event_source_mapping().uuid(&mapping.uuid).enabled(true);
                call.send()
                    .await
                    .map_err(|error| Error::service("enable the event source mapping", &error))?;
                outcome = "enabled";
                patience.wait(&mapping.state).await?;
            }
            Some(mapping) => patience.wait(&mapping.state).await?,
        }
    }
}

async fn create_mapping(clients: &Clients, stream_arn: &str) -> Result<(), Error> {
    clients
        .lambda
        .create_event_source_mapping()
        .event_source_arn(stream_arn)
        .function_name(FUNCTION)
        .starting_position(EventSourcePosition::TrimHorizon)
        .batch_size(BATCH_SIZE)
        .send()
        .await
        .map_err(|error| Error::service("create the event source mapping", &error))?;
    Ok(())
}
