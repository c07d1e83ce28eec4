//! Records of a queue: received, acknowledged, hidden, restored.

use super::call::call;
use super::reference::{QueueRef, arn};
use super::show;
use super::types::{Failed, Received, Record, Settled};
use crate::commands::connection::Connection;
use crate::commands::{table, times};
use crate::terminal;
use anyhow::{Context, Result};
use base64_simd::STANDARD;
use clap::Args;
use serde_json::{Value, json};
use std::io::Write;
use std::process::ExitCode;
use std::time::Duration;

/// Entries of one request, by AWS's rule.
const ENTRIES: usize = 10;

#[derive(Debug, Args)]
pub(super) struct ReceiveArguments {
    /// Name or ARN of the queue
    #[arg(value_name = "QUEUE")]
    queue: QueueRef,
    /// Records at most
    #[arg(long, value_name = "COUNT", default_value_t = 10, value_parser = clap::value_parser!(u8).range(1..=10))]
    limit: u8,
    /// How long to wait for a record if there is none: from 1s to 20s
    #[arg(long = "wait-time", value_name = "SPAN", default_value = "9s", value_parser = times::span)]
    wait_time: Duration,
    /// How long they are hidden from others [default: what the queue is set to]
    #[arg(long, value_name = "SPAN", value_parser = times::span)]
    visibility: Option<Duration>,
    /// Acknowledge them once they are printed
    #[arg(long)]
    ack: bool,
    /// Print their data alone, as it is, each with a new line
    #[arg(long)]
    raw: bool,
}

#[derive(Debug, Args)]
pub(super) struct SettleArguments {
    /// Name or ARN of the queue
    #[arg(value_name = "QUEUE")]
    queue: QueueRef,
    /// What the receive gave out with the records
    #[arg(value_name = "RECEIPT-HANDLE", required = true)]
    handles: Vec<String>,
}

#[derive(Debug, Args)]
pub(super) struct VisibilityArguments {
    #[command(flatten)]
    settle: SettleArguments,
    /// How long they stay hidden from now on: 0s for no longer
    #[arg(long = "for", value_name = "SPAN", value_parser = times::span)]
    span: Duration,
}

/// Which records of a queue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Letters {
    Living,
    Dead,
}

impl Letters {
    fn operation(self, verb: &str, suffix: &str) -> String {
        match self {
            Self::Living => format!("{verb}QueueRecords{suffix}"),
            Self::Dead => format!("{verb}DeadLetterQueueRecords{suffix}"),
        }
    }

    fn name(self) -> &'static str {
        match self {
            Self::Living => "record",
            Self::Dead => "dead letter",
        }
    }
}

/// What is done with records that were received.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Settling {
    Acknowledge,
    Restore,
    Hide(Duration),
}

impl Settling {
    fn operation(self, letters: Letters) -> String {
        match self {
            Self::Acknowledge => letters.operation("Acknowledge", ""),
            Self::Restore => letters.operation("Restore", ""),
            Self::Hide(_) => letters.operation("Update", "Visibility"),
        }
    }

    fn verb(self) -> (&'static str, &'static str) {
        match self {
            Self::Acknowledge => ("acknowledge", "acknowledged"),
            Self::Restore => ("restore", "restored"),
            Self::Hide(_) => ("hide", "hidden"),
        }
    }

    fn entry(self, handle: &str) -> Value {
        match self {
            Self::Acknowledge | Self::Restore => json!({ "ReceiptHandle": handle }),
            Self::Hide(span) => {
                json!({ "ReceiptHandle": handle, "VisibilityTimeoutSeconds": span.as_secs() })
            }
        }
    }
}

pub(super) async fn receive(
    connection: &Connection,
    letters: Letters,
    arguments: &ReceiveArguments,
) -> Result<ExitCode> {
    let (queue, arn) = (&arguments.queue, arn(connection, &arguments.queue).await?);
    let mut input = json!({
        "QueueARN": arn, "Limit": arguments.limit, "WaitTimeSeconds": arguments.wait_time.as_secs(),
    });
    if let Some(span) = arguments.visibility {
        input["VisibilityTimeoutSeconds"] = json!(span.as_secs());
    }
    let doing = format!("receive {}s of {queue}", letters.name());
    let received: Received = call(connection, &letters.operation("Receive", ""), &doing, &input).await?;
    let decode = |record: Record| {
        let data = STANDARD.decode_to_vec(&record.data).context("the answer has data that is not base64")?;
        Ok((record, data))
    };
    let records = received.queue_records.into_iter().map(decode).collect::<Result<Vec<_>>>()?;
    print(connection, letters, arguments, &records)?;
    if !arguments.ack || records.is_empty() {
        return Ok(ExitCode::SUCCESS);
    }
    let handles: Vec<String> = records.into_iter().map(|(record, _)| record.receipt_handle).collect();
    let settled = all_settled(connection, letters, Settling::Acknowledge, queue, &arn, &handles).await?;
    Ok(told_failures(Settling::Acknowledge, letters, &settled.failed))
}

fn print(
    connection: &Connection,
    letters: Letters,
    arguments: &ReceiveArguments,
    records: &[(Record, Vec<u8>)],
) -> Result<()> {
    if arguments.raw {
        let mut out = std::io::stdout().lock();
        for (_, data) in records {
            out.write_all(data).and_then(|()| out.write_all(b"\n")).context("standard output")?;
        }
        return out.flush().context("standard output");
    }
    let json = json!({ "QueueRecords": records.iter().map(|(record, _)| show::record_to_json(record)).collect::<Vec<_>>() });
    table::print(connection.output, &json, || match records {
        [] => format!("{} has no {} to receive at the moment", arguments.queue, letters.name()),
        records => show::records(records),
    })
}

pub(super) async fn hide(
    connection: &Connection,
    letters: Letters,
    arguments: &VisibilityArguments,
) -> Result<ExitCode> {
    settle(connection, letters, Settling::Hide(arguments.span), &arguments.settle).await
}

pub(super) async fn settle(
    connection: &Connection,
    letters: Letters,
    settling: Settling,
    arguments: &SettleArguments,
) -> Result<ExitCode> {
    let (queue, handles) = (&arguments.queue, &arguments.handles);
    let arn = arn(connection, queue).await?;
    let settled = all_settled(connection, letters, settling, queue, &arn, handles).await?;
    let failed = |failed: &Failed| {
        json!({
            "ReceiptHandle": failed.receipt_handle,
            "ErrorCode": failed.error_code,
            "ErrorMessage": failed.error_message,
        })
    };
    let json = json!({
        "Successful": settled.successful.iter().map(|done| json!({ "ReceiptHandle": done.receipt_handle })).collect::<Vec<_>>(),
        "Failed": settled.failed.iter().map(failed).collect::<Vec<_>>(),
    });
    let done = table::count(settled.successful.len() as u64, letters.name());
    table::print(connection.output, &json, || format!("{done} {}", settling.verb().1))?;
    Ok(told_failures(settling, letters, &settled.failed))
}

/// What came of all handles, however many requests they take.
async fn all_settled(
    connection: &Connection,
    letters: Letters,
    settling: Settling,
    queue: &QueueRef,
    arn: &str,
    handles: &[String],
) -> Result<Settled> {
    let doing = format!("{} {}s of {queue}", settling.verb().0, letters.name());
    let mut all = Settled { successful: Vec::new(), failed: Vec::new() };
    for some in handles.chunks(ENTRIES) {
        let entries: Vec<Value> = some.iter().map(|handle| settling.entry(handle)).collect();
        let input = json!({ "QueueARN": arn, "Entries": entries });
        let settled: Settled = call(connection, &settling.operation(letters), &doing, &input).await?;
        all.successful.extend(settled.successful);
        all.failed.extend(settled.failed);
    }
    Ok(all)
}

/// Say which records were left as they were. Nothing is done only in part without a word and an exit code.
fn told_failures(settling: Settling, letters: Letters, failed: &[Failed]) -> ExitCode {
    for failed in failed {
        let (code, handle) = (&failed.error_code, &failed.receipt_handle);
        let message = failed.error_message.as_deref().unwrap_or("no reason was given");
        terminal::note(format_args!(
            "cannot {} the {} {}: {}: {}",
            settling.verb().0,
            letters.name(),
            table::plain(handle),
            table::plain(code),
            table::plain(message)
        ));
    }
    if failed.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
