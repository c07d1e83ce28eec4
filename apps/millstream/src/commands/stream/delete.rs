use super::reference::{StreamRef, did_you_mean, wait_until_gone};
use crate::commands::connection::Connection;
use crate::commands::table;
use anyhow::Result;
use clap::Args;
use serde_json::json;
use std::process::ExitCode;

#[derive(Debug, Args)]
pub(super) struct DeleteArguments {
    /// Name or ARN of the stream
    #[arg(value_name = "STREAM")]
    stream: StreamRef,

    /// Delete it although consumers are registered with it
    #[arg(long)]
    enforce_consumer_deletion: bool,

    /// Wait until it is gone
    #[arg(long)]
    wait: bool,
}

pub(super) async fn run(connection: &Connection, arguments: &DeleteArguments) -> Result<ExitCode> {
    let stream = &arguments.stream;
    let call = connection.kinesis.delete_stream();
    let call = call.set_stream_name(stream.name()).set_stream_arn(stream.arn());
    let call = call.enforce_consumer_deletion(arguments.enforce_consumer_deletion);
    if let Err(error) = call.send().await {
        let error = connection.kinesis_failed(format!("delete the stream {stream}"), &error);
        let error = match error.code.as_deref() {
            Some("ResourceInUseException") if error.message.contains("consumers") => {
                error.with_hint(Some("--enforce-consumer-deletion deregisters them with it".to_owned()))
            }
            _ => error,
        };
        return Err(did_you_mean(connection, stream, error).await);
    }
    let status = if arguments.wait {
        wait_until_gone(connection, stream).await?;
        "DELETED"
    } else {
        "DELETING"
    };
    let json = json!({ "StreamName": stream.to_string(), "StreamStatus": status });
    table::print(connection.output, &json, || format!("{stream} is {status}"))?;
    Ok(ExitCode::SUCCESS)
}
