use super::reference::{StreamRef, did_you_mean, find, wait_until_active};
use crate::commands::connection::Connection;
use crate::commands::table;
use anyhow::Result;
use aws_sdk_kinesis::types::ScalingType;
use clap::Args;
use serde_json::json;
use std::process::ExitCode;

#[derive(Debug, Args)]
#[command(
    after_help = "One call may at most double the shards, and at least halve them. Nothing is lost or reordered: \
    readers finish with a shard before they begin with its children.\n\nExample:\n  millstream stream reshard signups \
    --shards 4 --wait"
)]
pub(super) struct ReshardArguments {
    /// Name or ARN of the stream
    #[arg(value_name = "STREAM")]
    stream: StreamRef,

    /// Open shards that there are to be
    #[arg(long, value_name = "N")]
    shards: i32,

    /// Wait until it is done
    #[arg(long)]
    wait: bool,
}

pub(super) async fn run(connection: &Connection, arguments: &ReshardArguments) -> Result<ExitCode> {
    let stream = &arguments.stream;
    let call = connection.kinesis.update_shard_count();
    let call = call.set_stream_name(stream.name()).set_stream_arn(stream.arn());
    let call = call.target_shard_count(arguments.shards).scaling_type(ScalingType::UniformScaling);
    let answer = match call.send().await {
        Ok(answer) => answer,
        Err(error) => {
            let doing = format!("change the number of shards of {stream} to {}", arguments.shards);
            let error = connection.kinesis_failed(doing, &error);
            let hint = "One call can at most double the open shards, and at least halve them: go in steps";
            let hint = error.message.contains("double").then(|| hint.to_owned());
            let error = error.with_hint(hint);
            return Err(did_you_mean(connection, stream, error).await);
        }
    };
    let summary = if arguments.wait {
        wait_until_active(connection, stream).await?
    } else {
        find(connection, stream).await?
    };
    let before = answer.current_shard_count.unwrap_or_default();
    let target = answer.target_shard_count.unwrap_or(arguments.shards);
    let status = summary.stream_status.as_str();
    let json = json!({
        "StreamName": summary.stream_name, "StreamARN": summary.stream_arn, "StreamStatus": status,
        "CurrentShardCount": before, "TargetShardCount": target, "OpenShardCount": summary.open_shard_count,
    });
    table::print(connection.output, &json, || {
        if arguments.wait {
            format!("{stream} has {}; it had {before}", table::count(summary.open_shard_count, "open shard"))
        } else {
            format!("{stream} is {status}: from {} to {target}", table::count(before, "open shard"))
        }
    })?;
    Ok(ExitCode::SUCCESS)
}
