//! `millstream shard`: the shards of a stream, one by one.

use super::connection::{Connection, ConnectionArguments};
use super::stream::reference::{self, StreamRef, did_you_mean, hash_range, wait_until_active};
use super::table;
use anyhow::{Context, Result, ensure};
use aws_sdk_kinesis::types::{Shard, ShardFilter, ShardFilterType};
use clap::{Args, Subcommand};
use millstream_types::HashKey;
use serde_json::{Value, json};
use std::process::ExitCode;

#[derive(Debug, Args)]
pub(crate) struct ShardArguments {
    #[command(subcommand)]
    command: ShardCommand,
    #[command(flatten)]
    connection: ConnectionArguments,
}

#[derive(Debug, Subcommand)]
enum ShardCommand {
    /// List the shards of a stream, closed ones that still hold records among them
    List {
        /// Name or ARN of the stream
        #[arg(value_name = "STREAM")]
        stream: StreamRef,
        /// Only those that take records now
        #[arg(long)]
        open: bool,
    },
    /// Split a shard in two
    #[command(after_help = "Example:\n  millstream shard split signups shardId-000000000000 --wait")]
    Split {
        /// Name or ARN of the stream
        #[arg(value_name = "STREAM")]
        stream: StreamRef,
        /// The shard to split
        #[arg(value_name = "SHARD")]
        shard: String,
        /// Where the second child begins [default: in the middle]
        #[arg(long, value_name = "HASH-KEY")]
        at: Option<HashKey>,
        /// Wait until it is done
        #[arg(long)]
        wait: bool,
    },
    /// Merge two shards that lie side by side
    #[command(
        after_help = "Example:\n  millstream shard merge signups shardId-000000000001 shardId-000000000002 --wait"
    )]
    Merge {
        /// Name or ARN of the stream
        #[arg(value_name = "STREAM")]
        stream: StreamRef,
        #[arg(value_name = "SHARD")]
        shard: String,
        #[arg(value_name = "NEIGHBOUR")]
        neighbour: String,
        /// Wait until it is done
        #[arg(long)]
        wait: bool,
    },
}

pub(crate) async fn run(arguments: ShardArguments) -> Result<ExitCode> {
    let connection = Connection::open(&arguments.connection).await?;
    match arguments.command {
        ShardCommand::List { stream, open } => list(&connection, &stream, open).await?,
        ShardCommand::Split { stream, shard, at, wait } => {
            split(&connection, &stream, &shard, at).await?;
            done(&connection, &stream, wait).await?;
        }
        ShardCommand::Merge { stream, shard, neighbour, wait } => {
            let call = connection.kinesis.merge_shards();
            let call = call.set_stream_name(stream.name()).set_stream_arn(stream.arn());
            let call = call.shard_to_merge(&shard).adjacent_shard_to_merge(&neighbour);
            if let Err(error) = call.send().await {
                let error = connection.kinesis_failed(format!("merge {shard} with {neighbour}"), &error);
                return Err(explained(&connection, &stream, error).await);
            }
            done(&connection, &stream, wait).await?;
        }
    }
    Ok(ExitCode::SUCCESS)
}

async fn list(connection: &Connection, stream: &StreamRef, open: bool) -> Result<()> {
    let latest = || ShardFilter::builder().r#type(ShardFilterType::AtLatest).build();
    let filter = open.then(latest).transpose()?;
    let shards = reference::shards(connection, stream, filter).await?;
    let json = json!({ "Shards": shards.iter().map(to_json).collect::<Vec<_>>() });
    table::print(connection.output, &json, || {
        if shards.is_empty() { format!("{stream} has no shards yet") } else { render(&shards) }
    })
}

async fn split(connection: &Connection, stream: &StreamRef, shard: &str, at: Option<HashKey>) -> Result<()> {
    let at = match at {
        Some(at) => at,
        None => middle(connection, stream, shard).await?,
    };
    let call = connection.kinesis.split_shard();
    let call = call.set_stream_name(stream.name()).set_stream_arn(stream.arn());
    let call = call.shard_to_split(shard).new_starting_hash_key(at.to_string());
    let Err(error) = call.send().await else { return Ok(()) };
    let error = connection.kinesis_failed(format!("split {shard}"), &error);
    Err(explained(connection, stream, error).await)
}

/// "Not found" may mean the shard or the stream: only for the stream is another name to be proposed.
async fn explained(
    connection: &Connection,
    stream: &StreamRef,
    error: super::error::CallError,
) -> anyhow::Error {
    if error.message.contains("shard") || error.message.contains("Shard") {
        return error.with_hint(Some(format!("`millstream shard list {stream}` shows the shards"))).into();
    }
    did_you_mean(connection, stream, error).await
}

async fn middle(connection: &Connection, stream: &StreamRef, shard: &str) -> Result<HashKey> {
    let shards = reference::shards(connection, stream, None).await?;
    let found = shards.iter().find(|candidate| candidate.shard_id == shard);
    let found = found.with_context(|| {
        format!("{stream} has no shard {shard}; `millstream shard list {stream}` shows the shards")
    })?;
    let range = hash_range(found.hash_key_range.as_ref())?;
    ensure!(range.start < range.end, "{shard} has a single hash key: it cannot be split");
    Ok(HashKey(range.start.0 + (range.end.0 - range.start.0) / 2 + 1))
}

async fn done(connection: &Connection, stream: &StreamRef, wait: bool) -> Result<()> {
    let summary = if wait {
        wait_until_active(connection, stream).await?
    } else {
        reference::find(connection, stream).await?
    };
    let status = summary.stream_status.as_str();
    let json = json!({
        "StreamName": summary.stream_name, "StreamStatus": status, "OpenShardCount": summary.open_shard_count,
    });
    table::print(connection.output, &json, || {
        format!("{stream} is {status} with {}", table::count(summary.open_shard_count, "open shard"))
    })
}

fn is_open(shard: &Shard) -> bool {
    shard.sequence_number_range.as_ref().is_none_or(|range| range.ending_sequence_number.is_none())
}

pub(super) fn to_json(shard: &Shard) -> Value {
    let (keys, numbers) = (shard.hash_key_range.as_ref(), shard.sequence_number_range.as_ref());
    json!({
        "ShardId": shard.shard_id,
        "Open": is_open(shard),
        "ParentShardId": shard.parent_shard_id,
        "AdjacentParentShardId": shard.adjacent_parent_shard_id,
        "StartingHashKey": keys.map(|range| &range.starting_hash_key),
        "EndingHashKey": keys.map(|range| &range.ending_hash_key),
        "StartingSequenceNumber": numbers.map(|range| &range.starting_sequence_number),
        "EndingSequenceNumber": numbers.and_then(|range| range.ending_sequence_number.as_ref()),
    })
}

/// How much of all hash keys falls to a shard, in words that show a skew at once.
fn share(shard: &Shard) -> String {
    let Ok(range) = hash_range(shard.hash_key_range.as_ref()) else { return String::new() };
    #[expect(clippy::cast_precision_loss, reason = "a percentage with one digit")]
    let part = (range.end.0 - range.start.0) as f64 / u128::MAX as f64;
    format!("{:.1}%", part * 100.0)
}

pub(super) fn render(shards: &[Shard]) -> String {
    let mut table = table::Table::new(["shard", "state", "share", "parents", "starting hash key"]);
    for shard in shards {
        let state = if is_open(shard) { "open" } else { "closed" };
        let parents = [&shard.parent_shard_id, &shard.adjacent_parent_shard_id];
        let parents: Vec<_> = parents.into_iter().flatten().cloned().collect();
        let start = shard.hash_key_range.as_ref().map(|range| range.starting_hash_key.clone());
        let cells = [
            shard.shard_id.clone(),
            state.to_owned(),
            share(shard),
            parents.join(", "),
            start.unwrap_or_default(),
        ];
        table.row(cells);
    }
    table.render()
}
