//! Which stream is meant, and what is to know of it.

use crate::commands::connection::Connection;
use crate::commands::error::{CallError, Kind, closest};
use crate::commands::{caps, wait::Patience};
use anyhow::{Context, Result, bail};
use aws_sdk_kinesis::types::{Shard, ShardFilter, StreamDescriptionSummary, StreamStatus};
use std::convert::Infallible;
use std::fmt;
use std::str::FromStr;

/// A stream by its name or its ARN.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum StreamRef {
    Name(String),
    Arn(String),
}

impl FromStr for StreamRef {
    type Err = Infallible;

    fn from_str(text: &str) -> Result<Self, Infallible> {
        Ok(if text.starts_with("arn:") { Self::Arn(text.to_owned()) } else { Self::Name(text.to_owned()) })
    }
}

impl fmt::Display for StreamRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Name(name) => name,
            Self::Arn(arn) => arn.rsplit_once(":stream/").map_or(arn, |(_, name)| name),
        })
    }
}

impl StreamRef {
    pub(crate) fn name(&self) -> Option<String> {
        if let Self::Name(name) = self { Some(name.clone()) } else { None }
    }

    pub(crate) fn arn(&self) -> Option<String> {
        if let Self::Arn(arn) = self { Some(arn.clone()) } else { None }
    }
}

/// What the service says of a stream, its shards aside.
pub(crate) async fn summary(
    connection: &Connection,
    stream: &StreamRef,
) -> Result<StreamDescriptionSummary, CallError> {
    let call = connection.kinesis.describe_stream_summary();
    let call = call.set_stream_name(stream.name()).set_stream_arn(stream.arn());
    let doing = || format!("look at the stream {stream}");
    let output = call.send().await.map_err(|error| connection.kinesis_failed(doing(), &error))?;
    let summary = output.stream_description_summary;
    Ok(summary.expect("the SDK's builder refuses an answer without this member"))
}

/// As [`summary`], for the person who typed the name: a stream that is not there may be one that is spelled like it.
pub(crate) async fn find(connection: &Connection, stream: &StreamRef) -> Result<StreamDescriptionSummary> {
    match summary(connection, stream).await {
        Ok(summary) => Ok(summary),
        Err(error) => Err(did_you_mean(connection, stream, error).await),
    }
}

/// The ARN, asked for if only the name is known.
pub(crate) async fn arn(connection: &Connection, stream: &StreamRef) -> Result<String> {
    match stream {
        StreamRef::Arn(arn) => Ok(arn.clone()),
        StreamRef::Name(_) => Ok(find(connection, stream).await?.stream_arn),
    }
}

/// Add to "no such stream" which one may have been meant, or which there are.
pub(crate) async fn did_you_mean(
    connection: &Connection,
    stream: &StreamRef,
    error: CallError,
) -> anyhow::Error {
    if error.kind != Kind::NotFound {
        return error.into();
    }
    let listed = connection.kinesis.list_streams().send().await;
    let hint = match listed {
        Err(_) => None,
        Ok(answer) if answer.stream_names.is_empty() => {
            Some(format!("There is no stream yet. Create it with `millstream stream create {stream}`"))
        }
        Ok(answer) => {
            let names = answer.stream_names.iter().map(String::as_str);
            Some(match closest(&stream.to_string(), names) {
                Some(name) => format!("Did you mean {name}?"),
                None => "`millstream stream list` shows which streams there are".to_owned(),
            })
        }
    };
    error.with_hint(hint).into()
}

/// Wait until a stream is active.
pub(crate) async fn wait_until_active(
    connection: &Connection,
    stream: &StreamRef,
) -> Result<StreamDescriptionSummary> {
    let mut patience = Patience::new(format!("the stream {stream}"));
    loop {
        let summary = find(connection, stream).await?;
        match summary.stream_status {
            StreamStatus::Active => return Ok(summary),
            StreamStatus::Deleting => bail!("the stream {stream} is being deleted"),
            ref other => patience.wait(other.as_str()).await?,
        }
    }
}

/// Wait until there is no such stream.
pub(crate) async fn wait_until_gone(connection: &Connection, stream: &StreamRef) -> Result<()> {
    let mut patience = Patience::new(format!("the end of the stream {stream}"));
    loop {
        match summary(connection, stream).await {
            Ok(summary) => patience.wait(summary.stream_status.as_str()).await?,
            Err(error) if error.kind == Kind::NotFound => return Ok(()),
            Err(error) => return Err(error.into()),
        }
    }
}

/// The shards of a stream, oldest first.
pub(crate) async fn shards(
    connection: &Connection,
    stream: &StreamRef,
    filter: Option<ShardFilter>,
) -> Result<Vec<Shard>> {
    let mut shards = Vec::new();
    let mut token: Option<String> = None;
    loop {
        // A page's token names the stream and the filter: the service refuses both together.
        let call = connection.kinesis.list_shards();
        let call = match token {
            None => call
                .set_stream_name(stream.name())
                .set_stream_arn(stream.arn())
                .set_shard_filter(filter.clone()),
            Some(token) => call.next_token(token),
        };
        let page = match call.send().await {
            Ok(page) => page,
            Err(error) => {
                let error = connection.kinesis_failed(format!("list the shards of {stream}"), &error);
                return Err(did_you_mean(connection, stream, error).await);
            }
        };
        shards.extend(page.shards.unwrap_or_default());
        token = page.next_token;
        if token.is_none() {
            return Ok(shards);
        }
        anyhow::ensure!(
            shards.len() <= caps::FOLLOWED_SHARDS,
            "{stream} has more than {} shards, which is more than this command handles",
            caps::FOLLOWED_SHARDS
        );
    }
}

/// A shard's range of hash keys.
pub(crate) fn hash_range(
    range: Option<&aws_sdk_kinesis::types::HashKeyRange>,
) -> Result<millstream_types::HashRange> {
    let range = range.context("the answer has a shard without a range of hash keys")?;
    Ok(millstream_types::HashRange {
        start: range.starting_hash_key.parse()?,
        end: range.ending_hash_key.parse()?,
    })
}
