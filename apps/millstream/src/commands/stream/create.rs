use super::reference::{StreamRef, wait_until_active};
use crate::commands::connection::Connection;
use crate::commands::{pairs, table};
use anyhow::Result;
use aws_sdk_kinesis::types::{StreamMode, StreamModeDetails};
use clap::Args;
use serde_json::json;
use std::process::ExitCode;

#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  millstream stream create signups --shards 2 --wait\n  millstream stream create clicks \
    --on-demand --tag team=web"
)]
pub(super) struct CreateArguments {
    /// Name of the stream
    #[arg(value_name = "NAME")]
    name: String,

    /// Shards
    #[arg(long, value_name = "N", default_value_t = 1, conflicts_with = "on_demand")]
    shards: i32,

    /// On-demand mode: the service decides on the shards
    #[arg(long)]
    on_demand: bool,

    /// A tag; may be given several times
    #[arg(long = "tag", value_name = "KEY=VALUE", value_parser = pairs::pair)]
    tags: Vec<(String, String)>,

    /// The largest record, in KiB: 1024 to 10240
    #[arg(long, value_name = "KIB")]
    max_record_size: Option<i32>,

    /// Wait until it is active
    #[arg(long)]
    wait: bool,
}

pub(super) async fn run(connection: &Connection, arguments: &CreateArguments) -> Result<ExitCode> {
    let name = &arguments.name;
    let mode = if arguments.on_demand { StreamMode::OnDemand } else { StreamMode::Provisioned };
    let call = connection.kinesis.create_stream().stream_name(name);
    let call = call.stream_mode_details(StreamModeDetails::builder().stream_mode(mode).build()?);
    let call = call.set_shard_count((!arguments.on_demand).then_some(arguments.shards));
    let call =
        call.set_tags(pairs::some(&arguments.tags)).set_max_record_size_in_kib(arguments.max_record_size);
    call.send()
        .await
        .map_err(|error| connection.kinesis_failed(format!("create the stream {name}"), &error))?;
    let stream = StreamRef::Name(name.clone());
    let summary = if arguments.wait {
        wait_until_active(connection, &stream).await?
    } else {
        super::reference::find(connection, &stream).await?
    };
    let (arn, status) = (&summary.stream_arn, summary.stream_status.as_str());
    let json = json!({ "StreamName": name, "StreamARN": arn, "StreamStatus": status });
    table::print(connection.output, &json, || format!("{arn} is {status}"))?;
    Ok(ExitCode::SUCCESS)
}
