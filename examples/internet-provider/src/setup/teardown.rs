//! Takes away what the set-up made.

use super::{Patience, function, streams};
use crate::clients::Clients;
use crate::config::Config;
use crate::error::Error;
use crate::{CONSUMER, FUNCTION, LAYER, OFFERS_STREAM, Progress, SIGN_UPS_STREAM};

/// Deletes the mapping, the function, the versions of the layer, the stream consumer and both streams **with all
/// their records**. What is not there is passed over.
///
/// # Errors
///
/// The first call that the service refuses.
pub async fn teardown(config: &Config, progress: Progress<'_>) -> Result<(), Error> {
    let clients = Clients::new(config).await;
    if let Some(stream) = streams::describe_stream(&clients, SIGN_UPS_STREAM).await? {
        delete_mapping(&clients, &stream.arn, progress).await?;
    }
    let deletion = clients.lambda.delete_function().function_name(FUNCTION).send().await;
    let deletion = deletion.map(drop).map_err(|error| Error::service("delete the function", &error));
    report(&format!("function {FUNCTION}"), deletion, progress)?;
    delete_layer(&clients, progress).await?;
    if let Some(stream) = streams::describe_stream(&clients, OFFERS_STREAM).await? {
        let call = clients.kinesis.deregister_stream_consumer().stream_arn(stream.arn);
        let deletion = call.consumer_name(CONSUMER).send().await;
        let deletion =
            deletion.map(drop).map_err(|error| Error::service("deregister the stream consumer", &error));
        report(&format!("stream consumer {CONSUMER}"), deletion, progress)?;
    }
    for name in [SIGN_UPS_STREAM, OFFERS_STREAM] {
        let call = clients.kinesis.delete_stream().stream_name(name).enforce_consumer_deletion(true);
        let deletion = call.send().await.map(drop);
        let deletion = deletion.map_err(|error| Error::service(format!("delete the stream {name}"), &error));
        report(&format!("stream {name}"), deletion, progress)?;
    }
    Ok(())
}

/// A thing that was not there is as good as deleted.
fn report(what: &str, outcome: Result<(), Error>, progress: Progress<'_>) -> Result<(), Error> {
    match outcome {
        Ok(()) => progress(&format!("{what}: deleted")),
        Err(error) if error.has_code("ResourceNotFoundException") => progress(&format!("{what}: not there")),
        Err(error) => return Err(error),
    }
    Ok(())
}

async fn delete_mapping(clients: &Clients, stream_arn: &str, progress: Progress<'_>) -> Result<(), Error> {
    let mut patience = Patience::new("the event source mapping");
    let mut deleted = false;
    while let Some(mapping) = function::find_mapping(clients, stream_arn).await? {
        if deleted {
            patience.wait(&mapping.state).await?;
            continue;
        }
        let deletion = clients.lambda.delete_event_source_mapping().uuid(&mapping.uuid).send().await;
        let deletion =
            deletion.map(drop).map_err(|error| Error::service("delete the event source mapping", &error));
        report(&format!("event source mapping {}", mapping.uuid), deletion, progress)?;
        deleted = true;
    }
    Ok(())
}

async fn delete_layer(clients: &Clients, progress: Progress<'_>) -> Result<(), Error> {
    let mut marker = None;
    loop {
        let call = clients.lambda.list_layer_versions().layer_name(LAYER).set_marker(marker);
        let page =
            match call.send().await.map_err(|error| Error::service("list the layer's versions", &error)) {
                Ok(page) => page,
                Err(error) => return report(&format!("layer {LAYER}"), Err(error), progress),
            };
        for version in page.layer_versions() {
            let number = version.version();
            let call = clients.lambda.delete_layer_version().layer_name(LAYER).version_number(number);
            let deletion = call.send().await.map(drop);
            let deletion = deletion.map_err(|error| Error::service("delete a version of the layer", &error));
            report(&format!("layer {LAYER}, version {number}"), deletion, progress)?;
        }
        marker = page.next_marker().filter(|marker| !marker.is_empty()).map(str::to_owned);
        if marker.is_none() {
            return Ok(());
        }
    }
}
