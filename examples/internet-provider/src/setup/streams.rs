//! Streams and the stream consumer.

use aws_sdk_kinesis::types::{ConsumerStatus, StreamStatus};

use super::{Patience, require};
use crate::clients::Clients;
use crate::error::Error;
use crate::{CONSUMER, Progress};

/// A thing that has an ARN and becomes ready after a while.
pub(super) struct Described<S> {
    pub(super) arn: String,
    pub(super) status: S,
    /// Open shards of a stream; 0 for a consumer.
    pub(super) open_shards: i32,
}

pub(super) async fn describe_stream(
    clients: &Clients,
    name: &str,
) -> Result<Option<Described<StreamStatus>>, Error> {
    let doing = format!("look for the stream {name}");
    match clients.kinesis.describe_stream_summary().stream_name(name).send().await {
        Ok(output) => {
            let summary = output.stream_description_summary();
            let summary = summary.ok_or_else(|| Error::Incomplete {
                doing: doing.clone(),
                part: "StreamDescriptionSummary",
            })?;
            Ok(Some(Described {
                arn: summary.stream_arn().to_owned(),
                status: summary.stream_status().clone(),
                open_shards: summary.open_shard_count(),
            }))
        }
        Err(error) => absent(Error::service(doing, &error)),
    }
}

pub(super) async fn ensure_stream(
    clients: &Clients,
    name: &str,
    shards: u32,
    progress: Progress<'_>,
) -> Result<String, Error> {
    let mut patience = Patience::new(format!("the stream {name}"));
    let mut created = false;
    loop {
        match describe_stream(clients, name).await? {
            Some(stream) if stream.status == StreamStatus::Active => {
                let origin = if created { "created" } else { "is already there" };
                progress(&format!("stream {name}: {origin}, {} open shards", stream.open_shards));
                return Ok(stream.arn);
            }
            Some(stream) => patience.wait(stream.status.as_str()).await?,
            None if created => patience.wait("missing").await?,
            None => {
                create_stream(clients, name, shards).await?;
                created = true;
            }
        }
    }
}

async fn create_stream(clients: &Clients, name: &str, shards: u32) -> Result<(), Error> {
    let count = i32::try_from(shards).unwrap_or(i32::MAX);
    match clients.kinesis.create_stream().stream_name(name).shard_count(count).send().await {
        Ok(_) => Ok(()),
        Err(error) => {
            let error = Error::service(format!("create the stream {name}"), &error);
            // Somebody else was faster: just as good.
            if error.has_code("ResourceInUseException") { Ok(()) } else { Err(error) }
        }
    }
}

pub(super) async fn describe_consumer(
    clients: &Clients,
    stream_arn: &str,
) -> Result<Option<Described<ConsumerStatus>>, Error> {
    let doing = format!("look for the stream consumer {CONSUMER}");
    let call = clients.kinesis.describe_stream_consumer().stream_arn(stream_arn).consumer_name(CONSUMER);
    match call.send().await {
        Ok(output) => {
            let consumer = output.consumer_description();
            let consumer = consumer.ok_or(Error::Incomplete { doing, part: "ConsumerDescription" })?;
            Ok(Some(Described {
                arn: consumer.consumer_arn().to_owned(),
                status: consumer.consumer_status().clone(),
                open_shards: 0,
            }))
        }
        Err(error) => absent(Error::service(doing, &error)),
    }
}

pub(super) async fn ensure_consumer(
    clients: &Clients,
    stream_arn: &str,
    progress: Progress<'_>,
) -> Result<String, Error> {
    let mut patience = Patience::new(format!("the stream consumer {CONSUMER}"));
    let mut created = false;
    loop {
        match describe_consumer(clients, stream_arn).await? {
            Some(consumer) if consumer.status == ConsumerStatus::Active => {
                let origin = if created { "registered" } else { "is already there" };
                progress(&format!("stream consumer {CONSUMER}: {origin}"));
                return require(Some(&consumer.arn), "ConsumerARN", "register the stream consumer");
            }
            Some(consumer) => patience.wait(consumer.status.as_str()).await?,
            None if created => patience.wait("missing").await?,
            None => {
                register_consumer(clients, stream_arn).await?;
                created = true;
            }
        }
    }
}

async fn register_consumer(clients: &Clients, stream_arn: &str) -> Result<(), Error> {
    let call = clients.kinesis.register_stream_consumer().stream_arn(stream_arn).consumer_name(CONSUMER);
    match call.send().await {
        Ok(_) => Ok(()),
        Err(error) => {
            let error = Error::service(format!("register the stream consumer {CONSUMER}"), &error);
            if error.has_code("ResourceInUseException") { Ok(()) } else { Err(error) }
        }
    }
}

/// `ResourceNotFoundException` is an answer, not a failure.
fn absent<T>(error: Error) -> Result<Option<T>, Error> {
    if error.has_code("ResourceNotFoundException") { Ok(None) } else { Err(error) }
}
