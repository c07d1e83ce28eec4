//! `millstream function logs`: all workers of a function in one.
//!
//! Events are asked for again and again rather than pushed (StartLiveTail), since that costs money on AWS, needs another name of
//! the host, and begins only with what comes from then on.

use super::{did_you_mean, lookup};
use crate::commands::connection::{Connection, Output};
use crate::commands::error::{CallError, Kind, Service};
use crate::commands::times::{self, Start};
use crate::commands::{caps, pipe, table};
use crate::interrupt;
use crate::terminal::note;
use anyhow::Result;
use aws_sdk_cloudwatchlogs::types::FilteredLogEvent;
use clap::Args;
use millstream_host::{Clock, SystemClock};
use millstream_types::Timestamp;
use serde_json::json;
use std::collections::BTreeSet;
use std::io::{self, BufWriter, IsTerminal, Stdout, Write};
use std::process::ExitCode;

#[derive(Debug, Args)]
#[command(
    after_help = "A line is the time, the worker (the end of its log stream's name) and what was printed. Ctrl-C ends it.\n\n\
    Examples:\n  millstream function logs enrich --follow\n  millstream function logs enrich --since 2h --filter '\"Task timed \
    out\"'\n  millstream function logs enrich --filter '{ $.level = \"ERROR\" }' --format json | jq .message"
)]
pub(super) struct LogsArguments {
    /// Name or ARN of the function, or a log group (/aws/lambda/enrich)
    #[arg(value_name = "FUNCTION")]
    function: String,

    /// Go on with what comes
    #[arg(long, short = 'f')]
    follow: bool,

    /// Where to begin: how long ago (10m), a time (2026-11-23T09:00:00Z), latest, or trim-horizon for all that is kept
    #[arg(long, value_name = "START", default_value = "10m", value_parser = times::start)]
    since: Start,

    /// Only events that this filter pattern of CloudWatch Logs takes: ERROR, "?WARN ?ERROR", '{ $.level = "ERROR" }'
    #[arg(long, value_name = "PATTERN")]
    filter: Option<String>,
}

pub(super) async fn run(connection: &Connection, arguments: &LogsArguments) -> Result<ExitCode> {
    let interrupted = interrupt::token()?;
    let group = Group::find(connection, &arguments.function).await?;
    let start = match arguments.since.settled(SystemClock::new().now()) {
        Start::At(time) => time,
        Start::Latest => SystemClock::new().now(),
        Start::TrimHorizon | Start::Ago(_) => Timestamp::ZERO,
    };
    let mut reader = Reader {
        connection,
        group,
        filter: arguments.filter.as_deref(),
        follow: arguments.follow,
        from: start,
        seen: BTreeSet::new(),
        newest: start,
        out: BufWriter::with_capacity(1 << 16, io::stdout()),
    };
    if arguments.follow && io::stderr().is_terminal() && io::stdout().is_terminal() {
        note("(following; Ctrl-C ends it)");
    }
    let closed = pipe::closed();
    tokio::pin!(closed);
    let read = tokio::select! {
        read = reader.run() => read,
        () = interrupted.cancelled() => Ok(()),
        () = &mut closed => Ok(()),
    };
    match read {
        Err(error) if error.downcast_ref().is_some_and(pipe::is_closed) => Ok(ExitCode::SUCCESS),
        other => other.map(|()| ExitCode::SUCCESS),
    }
}

/// Where a function's events are.
struct Group {
    name: String,
    /// Why the function could not be looked at: it may be gone, and its events still there.
    missing: Option<CallError>,
    asked_for: String,
}

impl Group {
    async fn find(connection: &Connection, asked_for: &str) -> Result<Self> {
        let found = |name: String, missing| Self { name, missing, asked_for: asked_for.to_owned() };
        if asked_for.starts_with('/') {
            return Ok(found(asked_for.to_owned(), None));
        }
        let usual = || format!("/aws/lambda/{}", name_of(asked_for));
        match lookup(connection, asked_for).await {
            Ok(function) => {
                let configured = function.logging_config().and_then(|logging| logging.log_group());
                Ok(found(configured.map_or_else(usual, str::to_owned), None))
            }
            // Who may not look at functions may still read logs.
            Err(error) if matches!(error.kind, Kind::NotFound | Kind::Denied) => {
                Ok(found(usual(), Some(error)))
            }
            Err(error) => Err(error.into()),
        }
    }
}

/// The name in what may be an ARN, or a name with a qualifier.
fn name_of(function: &str) -> &str {
    let name = function.split_once(":function:").map_or(function, |(_, name)| name);
    name.split_once(':').map_or(name, |(name, _)| name)
}

struct Reader<'a> {
    connection: &'a Connection,
    group: Group,
    filter: Option<&'a str>,
    follow: bool,
    from: Timestamp,
    /// Times and ids of events that were printed and may be answered again.
    seen: BTreeSet<(i64, String)>,
    newest: Timestamp,
    out: BufWriter<Stdout>,
}

impl Reader<'_> {
    async fn run(&mut self) -> Result<()> {
        let aws = self.connection.target(Service::Logs).is_aws();
        let pause = if aws { caps::LOGS_PAUSE_AWS } else { caps::LOGS_PAUSE };
        let mut complained = false;
        loop {
            match self.read().await {
                Ok(()) => complained = false,
                Err(error) => {
                    let error: CallError = error.downcast()?;
                    let passing = self.follow && error.is_passing();
                    let not_yet = error.kind == Kind::NotFound && self.group.missing.is_none();
                    if not_yet && !self.follow {
                        note("(nothing was printed yet)");
                        return Ok(());
                    }
                    if !passing && !not_yet {
                        return Err(self.explain(error).await);
                    }
                    if passing && !complained {
                        note(format_args!("millstream: {error}\n  (trying again)"));
                        complained = true;
                    }
                }
            }
            if !self.follow {
                return Ok(());
            }
            tokio::time::sleep(pause).await;
        }
    }

    /// Which name was meant, if there is neither such a function nor such a group.
    async fn explain(&mut self, error: CallError) -> anyhow::Error {
        match self.group.missing.take() {
            Some(missing) if error.kind == Kind::NotFound => {
                did_you_mean(self.connection, &self.group.asked_for, missing).await
            }
            _ => error.into(),
        }
    }

    /// Print all that is new.
    async fn read(&mut self) -> Result<()> {
        let late = u64::try_from(caps::LOGS_LATE.as_millis()).unwrap_or(u64::MAX);
        let from = self.from.max(self.newest.minus_millis(late));
        self.seen = self.seen.split_off(&(millis(from), String::new()));
        let mut token = None;
        loop {
            let call = self.connection.logs.filter_log_events().log_group_name(&self.group.name);
            let call = call.start_time(millis(from)).set_next_token(token);
            let call = call.set_filter_pattern(self.filter.map(str::to_owned));
            let doing = || format!("read the log group {}", self.group.name);
            let answer = call.send().await;
            let answer = answer.map_err(|error| self.connection.logs_failed(doing(), &error))?;
            for event in answer.events.unwrap_or_default() {
                self.print(&event)?;
            }
            self.out.flush()?;
            token = answer.next_token;
            if token.is_none() {
                return Ok(());
            }
        }
    }

    fn print(&mut self, event: &FilteredLogEvent) -> Result<()> {
        let at = event.timestamp().unwrap_or_default();
        let id = event.event_id().unwrap_or_default().to_owned();
        if self.follow && !self.seen.insert((at, id)) {
            return Ok(());
        }
        self.newest = self.newest.max(Timestamp::from_millis(u64::try_from(at).unwrap_or(0)));
        let line = match self.connection.output {
            Output::Text => text(event),
            Output::Json => json!({
                "timestamp": event.timestamp, "logStreamName": event.log_stream_name, "message": event.message,
                "ingestionTime": event.ingestion_time, "eventId": event.event_id,
            })
            .to_string(),
        };
        writeln!(self.out, "{line}").map_err(|error| {
            if pipe::is_closed(&error) {
                error.into()
            } else {
                anyhow::Error::new(error).context("cannot write to standard output")
            }
        })
    }
}

/// `2026-11-23T09:00:00.123Z  0f3a5b7c  what was printed`, further lines of it indented.
fn text(event: &FilteredLogEvent) -> String {
    let at = Timestamp::from_millis(u64::try_from(event.timestamp().unwrap_or_default()).unwrap_or(0));
    let stream = event.log_stream_name().unwrap_or_default();
    let worker = stream.char_indices().rev().nth(7).map_or(stream, |(from, _)| &stream[from..]);
    let message = event.message().unwrap_or_default().trim_end();
    // Older runtime clients end the lines within one event so.
    let message = table::plain(&message.replace('\r', "\n")).replace('\n', "\n    ");
    format!("{at}  {}  {message}", table::plain(worker))
}

fn millis(time: Timestamp) -> i64 {
    i64::try_from(time.millis()).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_event_keeps_its_lines_together() {
        let event = FilteredLogEvent::builder()
            .timestamp(0)
            .log_stream_name("2026/11/23/[$LATEST]00112233445566778899aabbccddeeff")
            .message("[ERROR] E\rTraceback:\n  File \u{1b}[2J\n");
        assert_eq!(
            text(&event.build()),
            "1970-01-01T00:00:00.000Z  ccddeeff  [ERROR] E\n    Traceback:\n      File \u{fffd}[2J"
        );
        assert!(text(&FilteredLogEvent::builder().log_stream_name("ä").build()).ends_with("  ä  "));
    }

    #[test]
    fn a_function_is_named_in_many_ways() {
        for name in
            ["f", "f:1", "arn:aws:lambda:us-east-1:000000000000:function:f", "000000000000:function:f:live"]
        {
            assert_eq!(name_of(name), "f", "{name}");
        }
    }
}
