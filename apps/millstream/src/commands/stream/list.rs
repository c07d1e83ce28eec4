use crate::commands::connection::Connection;
use crate::commands::{caps, table};
use anyhow::Result;
use aws_sdk_kinesis::types::StreamSummary;
use clap::Args;
use serde_json::{Value, json};
use std::process::ExitCode;

#[derive(Debug, Args)]
pub(super) struct ListArguments {
    /// Only names that start with this
    #[arg(long, value_name = "TEXT")]
    prefix: Option<String>,
}

pub(super) async fn run(connection: &Connection, arguments: &ListArguments) -> Result<ExitCode> {
    let mut streams = all(connection).await?;
    if let Some(prefix) = &arguments.prefix {
        streams.retain(|stream| stream.stream_name.starts_with(prefix));
    }
    let json = json!({ "Streams": streams.iter().map(to_json).collect::<Vec<_>>() });
    table::print(connection.output, &json, || match (&streams[..], &arguments.prefix) {
        ([], None) => "There are no streams. Create one with `millstream stream create NAME`".to_owned(),
        ([], Some(prefix)) => format!("There is no stream whose name starts with {prefix:?}"),
        (streams, _) => render(streams),
    })?;
    Ok(ExitCode::SUCCESS)
}

async fn all(connection: &Connection) -> Result<Vec<StreamSummary>> {
    let mut streams = Vec::new();
    let mut token = None;
    loop {
        let call = connection.kinesis.list_streams().set_next_token(token);
        let page =
            call.send().await.map_err(|error| connection.kinesis_failed("list the streams", &error))?;
        streams.extend(page.stream_summaries.unwrap_or_default());
        token = page.next_token;
        if token.is_none() || streams.len() >= caps::LISTED {
            return Ok(streams);
        }
    }
}

fn mode(stream: &StreamSummary) -> &str {
    stream.stream_mode_details.as_ref().map_or("", |details| details.stream_mode.as_str())
}

fn created(stream: &StreamSummary) -> String {
    stream.stream_creation_timestamp.map(table::time).unwrap_or_default()
}

fn to_json(stream: &StreamSummary) -> Value {
    json!({
        "StreamName": stream.stream_name,
        "StreamARN": stream.stream_arn,
        "StreamStatus": stream.stream_status.as_str(),
        "StreamMode": mode(stream),
        "StreamCreationTimestamp": created(stream),
    })
}

fn render(streams: &[StreamSummary]) -> String {
    let mut table = table::Table::new(["name", "status", "mode", "created"]);
    for stream in streams {
        let status = stream.stream_status.as_str().to_owned();
        table.row([stream.stream_name.clone(), status, mode(stream).to_owned(), created(stream)]);
    }
    table.render()
}
