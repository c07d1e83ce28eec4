//! What can be changed of a stream, other than its shards.

use super::describe;
use super::reference::{StreamRef, arn, find, wait_until_active};
use crate::commands::connection::Connection;
use crate::commands::{pairs, table};
use anyhow::Result;
use aws_sdk_kinesis::types::{StreamMode, StreamModeDetails};
use clap::{Args, Subcommand, ValueEnum};
use serde_json::json;
use std::cmp::Ordering;
use std::process::ExitCode;

#[derive(Debug, Args)]
pub(super) struct RetentionArguments {
    /// Name or ARN of the stream
    #[arg(value_name = "STREAM")]
    stream: StreamRef,

    /// Hours that records are kept: 24 to 8760. Fewer than before deletes what is older, for good
    #[arg(long, value_name = "HOURS")]
    hours: i32,
}

pub(super) async fn retention(connection: &Connection, arguments: &RetentionArguments) -> Result<ExitCode> {
    let RetentionArguments { stream, hours } = arguments;
    let before = find(connection, stream).await?.retention_period_hours;
    let doing = format!("keep the records of {stream} for {hours} hours");
    match hours.cmp(&before) {
        Ordering::Equal => {}
        Ordering::Greater => {
            let call = connection.kinesis.increase_stream_retention_period().retention_period_hours(*hours);
            let call = call.set_stream_name(stream.name()).set_stream_arn(stream.arn());
            call.send().await.map_err(|error| connection.kinesis_failed(doing, &error))?;
        }
        Ordering::Less => {
            let call = connection.kinesis.decrease_stream_retention_period().retention_period_hours(*hours);
            let call = call.set_stream_name(stream.name()).set_stream_arn(stream.arn());
            call.send().await.map_err(|error| connection.kinesis_failed(doing, &error))?;
        }
    }
    let json = json!({ "StreamName": stream.to_string(), "RetentionPeriodHours": hours });
    table::print(connection.output, &json, || {
        format!("{stream} keeps records for {hours} hours; it was {before}")
    })?;
    Ok(ExitCode::SUCCESS)
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Mode {
    Provisioned,
    OnDemand,
}

#[derive(Debug, Args)]
pub(super) struct ModeArguments {
    /// Name or ARN of the stream
    #[arg(value_name = "STREAM")]
    stream: StreamRef,

    /// How its shards come about
    #[arg(value_enum)]
    mode: Mode,
}

pub(super) async fn mode(connection: &Connection, arguments: &ModeArguments) -> Result<ExitCode> {
    let stream = &arguments.stream;
    let mode = match arguments.mode {
        Mode::Provisioned => StreamMode::Provisioned,
        Mode::OnDemand => StreamMode::OnDemand,
    };
    let details = StreamModeDetails::builder().stream_mode(mode.clone()).build()?;
    let call = connection.kinesis.update_stream_mode().stream_arn(arn(connection, stream).await?);
    call.stream_mode_details(details)
        .send()
        .await
        .map_err(|error| connection.kinesis_failed(format!("change the mode of {stream}"), &error))?;
    let summary = wait_until_active(connection, stream).await?;
    let json = json!({
        "StreamName": summary.stream_name, "StreamMode": mode.as_str(), "OpenShardCount": summary.open_shard_count,
    });
    table::print(connection.output, &json, || {
        let shards = table::count(summary.open_shard_count, "open shard");
        format!("{stream} is in the mode {} with {shards}", mode.as_str())
    })?;
    Ok(ExitCode::SUCCESS)
}

#[derive(Debug, Args)]
pub(super) struct RecordSizeArguments {
    /// Name or ARN of the stream
    #[arg(value_name = "STREAM")]
    stream: StreamRef,

    /// The largest record, in KiB: 1024 to 10240
    #[arg(long, value_name = "KIB")]
    kib: i32,
}

pub(super) async fn record_size(
    connection: &Connection,
    arguments: &RecordSizeArguments,
) -> Result<ExitCode> {
    let RecordSizeArguments { stream, kib } = arguments;
    let call = connection.kinesis.update_max_record_size().stream_arn(arn(connection, stream).await?);
    call.max_record_size_in_kib(*kib)
        .send()
        .await
        .map_err(|error| connection.kinesis_failed(format!("change the record size of {stream}"), &error))?;
    wait_until_active(connection, stream).await?;
    let json = json!({ "StreamName": stream.to_string(), "MaxRecordSizeInKiB": kib });
    table::print(connection.output, &json, || format!("{stream} takes records of up to {kib} KiB"))?;
    Ok(ExitCode::SUCCESS)
}

#[derive(Debug, Args)]
pub(super) struct TagsArguments {
    #[command(subcommand)]
    command: TagsCommand,
}

#[derive(Debug, Subcommand)]
enum TagsCommand {
    /// List the tags of a stream
    List {
        /// Name or ARN of the stream
        #[arg(value_name = "STREAM")]
        stream: StreamRef,
    },
    /// Set tags; others stay
    Set {
        /// Name or ARN of the stream
        #[arg(value_name = "STREAM")]
        stream: StreamRef,
        #[arg(value_name = "KEY=VALUE", required = true, value_parser = pairs::pair)]
        tags: Vec<(String, String)>,
    },
    /// Remove tags
    Remove {
        /// Name or ARN of the stream
        #[arg(value_name = "STREAM")]
        stream: StreamRef,
        #[arg(value_name = "KEY", required = true)]
        keys: Vec<String>,
    },
}

pub(super) async fn tags(connection: &Connection, arguments: &TagsArguments) -> Result<ExitCode> {
    let (TagsCommand::List { stream } | TagsCommand::Set { stream, .. } | TagsCommand::Remove { stream, .. }) =
        &arguments.command;
    let arn = arn(connection, stream).await?;
    match &arguments.command {
        TagsCommand::List { .. } => {}
        TagsCommand::Set { tags, .. } => {
            let call = connection.kinesis.tag_resource().resource_arn(&arn).set_tags(pairs::some(tags));
            call.send()
                .await
                .map_err(|error| connection.kinesis_failed(format!("set tags of {stream}"), &error))?;
        }
        TagsCommand::Remove { keys, .. } => {
            let call = connection.kinesis.untag_resource().resource_arn(&arn);
            let call = call.set_tag_keys(Some(keys.clone()));
            call.send()
                .await
                .map_err(|error| connection.kinesis_failed(format!("remove tags of {stream}"), &error))?;
        }
    }
    let tags = describe::tags(connection, &arn).await?;
    let pairs = tags.iter().map(|(key, value)| json!({ "Key": key, "Value": value }));
    let json = json!({ "StreamName": stream.to_string(), "Tags": pairs.collect::<Vec<_>>() });
    table::print(connection.output, &json, || {
        if tags.is_empty() {
            return format!("{stream} has no tags");
        }
        let mut table = table::Table::new(["key", "value"]);
        for (key, value) in &tags {
            table.row([key.clone(), value.clone()]);
        }
        table.render()
    })?;
    Ok(ExitCode::SUCCESS)
}
