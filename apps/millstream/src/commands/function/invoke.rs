use super::did_you_mean;
use crate::commands::connection::{Connection, Output};
use crate::commands::{caps, input, pipe, table};
use crate::terminal::note;
use anyhow::{Context, Result, ensure};
use aws_sdk_lambda::primitives::Blob;
use aws_sdk_lambda::types::{InvocationType, LogType};
use clap::Args;
use serde_json::{Value, json};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

#[derive(Debug, Args)]
#[command(
    after_help = "What the function returns goes to standard output. The exit code is 1 if the function failed.\n\n\
    Examples:\n  millstream function invoke enrich '{\"name\":\"Ada\"}'\n  millstream function invoke enrich --file event.json \
    --logs\n  echo '{}' | millstream function invoke enrich -"
)]
pub(super) struct InvokeArguments {
    /// Name or ARN of the function
    #[arg(value_name = "FUNCTION")]
    function: String,

    /// The event, which is JSON; - reads it from standard input [default: none, which the function gets as {}]
    #[arg(value_name = "EVENT", conflicts_with = "file")]
    event: Option<String>,

    /// Read the event from this file
    #[arg(long, value_name = "FILE")]
    file: Option<PathBuf>,

    /// Show the last 4 KiB of what the function printed, on standard error
    #[arg(long)]
    logs: bool,

    /// A version or an alias
    #[arg(long, value_name = "VERSION")]
    qualifier: Option<String>,

    /// Only hand it over: the function runs later, and nothing comes back
    #[arg(long = "async", conflicts_with_all = ["logs", "dry_run"])]
    later: bool,

    /// Only see whether it could be invoked
    #[arg(long, conflicts_with = "logs")]
    dry_run: bool,
}

pub(super) async fn run(connection: &Connection, arguments: &InvokeArguments) -> Result<ExitCode> {
    let name = &arguments.function;
    let payload = match (&arguments.event, &arguments.file) {
        (Some(event), _) if event != "-" => Some(event.clone().into_bytes()),
        (Some(_), _) => Some(read(None)?),
        (None, Some(file)) => Some(read(Some(file))?),
        (None, None) => None,
    };
    let kind = match (arguments.later, arguments.dry_run) {
        (true, _) => InvocationType::Event,
        (_, true) => InvocationType::DryRun,
        _ => InvocationType::RequestResponse,
    };
    let call = connection.lambda.invoke().function_name(name).invocation_type(kind.clone());
    let call = call.set_payload(payload.map(Blob::new)).set_qualifier(arguments.qualifier.clone());
    let call = call.set_log_type(arguments.logs.then_some(LogType::Tail));
    let sent = call.customize().config_override(Connection::for_an_invocation()).send().await;
    let answer = match sent {
        Ok(answer) => answer,
        Err(error) => {
            let error = connection.lambda_failed(format!("invoke the function {name}"), &error);
            return Err(did_you_mean(connection, name, error).await);
        }
    };
    let logs = answer.log_result().map(decoded).transpose()?;
    let payload = answer.payload.map(Blob::into_inner).unwrap_or_default();
    if connection.output == Output::Json {
        let value: Value = serde_json::from_slice(&payload)
            .unwrap_or_else(|_not_json| String::from_utf8_lossy(&payload).into_owned().into());
        let json = json!({
            "StatusCode": answer.status_code, "FunctionError": answer.function_error, "Payload": value,
            "ExecutedVersion": answer.executed_version, "LogResult": logs,
        });
        table::print(connection.output, &json, String::new)?;
    } else {
        if let Some(logs) = logs {
            note(table::plain(logs.trim_end()));
        }
        if kind == InvocationType::RequestResponse {
            print(&payload)?;
        } else {
            note(if arguments.later { "handed over" } else { "it could be invoked" });
        }
    }
    if let Some(kind) = answer.function_error {
        note(format_args!("millstream: the function {name} failed ({kind})"));
        return Ok(ExitCode::FAILURE);
    }
    Ok(ExitCode::SUCCESS)
}

fn read(file: Option<&Path>) -> Result<Vec<u8>> {
    let (reader, _) = input::open(file)?;
    let mut bytes = Vec::new();
    reader.take(caps::PAYLOAD_BYTES + 1).read_to_end(&mut bytes).context("cannot read the event")?;
    let fits = u64::try_from(bytes.len()).is_ok_and(|length| length <= caps::PAYLOAD_BYTES);
    ensure!(fits, "the event is larger than {} MiB, which is the most", caps::PAYLOAD_BYTES >> 20);
    Ok(bytes)
}

fn decoded(log_result: &str) -> Result<String> {
    let bytes = base64_simd::STANDARD.decode_to_vec(log_result).context("the log is not base64")?;
    // The runtime client for Python puts carriage returns into tracebacks, so that each is one entry.
    Ok(String::from_utf8_lossy(&bytes).replace('\r', "\n"))
}

/// What the function returned, as it is.
fn print(payload: &[u8]) -> Result<()> {
    let mut out = io::stdout().lock();
    match out.write_all(payload).and_then(|()| out.write_all(b"\n")) {
        Err(error) if pipe::is_closed(&error) => Ok(()),
        written => written.context("cannot write to standard output"),
    }
}
