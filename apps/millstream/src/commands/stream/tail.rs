use super::follow::{Chunk, Follow, Lane, begin};
use super::record_line::{RecordLine, is_aggregated};
use super::reference::{self, StreamRef};
use crate::commands::connection::{Connection, Output};
use crate::commands::times::{self, Start};
use crate::commands::{consumer, pipe, table};
use crate::interrupt;
use crate::terminal::note;
use anyhow::{Context, Result};
use aws_sdk_kinesis::types::Record;
use clap::Args;
use millstream_host::{Clock, SystemClock};
use std::collections::HashMap;
use std::io::{self, BufWriter, IsTerminal, Stdout, Write};
use std::process::ExitCode;

#[derive(Debug, Args)]
#[command(
    after_help = "It follows every shard, and the children of those that are split or merged after their parents. \
    Ctrl-C ends it.\n\nExamples:\n  millstream stream tail signups\n  millstream stream tail signups --from 15m \
    --output json | jq .Data\n  millstream stream tail signups --from trim-horizon --no-follow --raw > signups.txt"
)]
pub(super) struct TailArguments {
    /// Name or ARN of the stream
    #[arg(value_name = "STREAM")]
    stream: StreamRef,

    /// Where to begin: latest, trim-horizon, a time (2026-11-23T09:00:00Z) or how long ago (15m)
    #[arg(long, value_name = "START", default_value = "latest", value_parser = times::start)]
    from: Start,

    /// End when all that is there was printed
    #[arg(long)]
    no_follow: bool,

    /// End after so many records
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    count: Option<u64>,

    /// Only records with this partition key
    #[arg(long, value_name = "KEY")]
    partition_key: Option<String>,

    /// Print the data of each record as it is, and a new line after it
    #[arg(long, conflicts_with = "output")]
    raw: bool,

    /// Have the records pushed to a registered consumer (enhanced fan-out): its name or ARN
    #[arg(long, value_name = "CONSUMER")]
    consumer: Option<String>,
}

pub(super) async fn run(connection: &Connection, arguments: TailArguments) -> Result<ExitCode> {
    let interrupted = interrupt::token()?;
    let consumer = consumer_arn(connection, &arguments.stream, arguments.consumer.as_deref()).await?;
    let mut printer = Printer {
        out: BufWriter::with_capacity(1 << 16, io::stdout()),
        form: match (arguments.raw, connection.output) {
            (true, _) => Form::Raw,
            (false, Output::Json) => Form::Json,
            (false, Output::Text) => Form::Text,
        },
        key: arguments.partition_key,
        left: arguments.count.unwrap_or(u64::MAX),
    };
    let follow = Follow {
        connection: connection.clone(),
        stream: arguments.stream,
        start: arguments.from.settled(SystemClock::new().now()),
        after: HashMap::new(),
        consumer,
        until_caught_up: arguments.no_follow,
    };
    let until_caught_up = arguments.no_follow;
    let (mut chunks, task) = begin(follow).await?;
    if !until_caught_up && io::stderr().is_terminal() && io::stdout().is_terminal() {
        note("(following; Ctrl-C ends it)");
    }
    let closed = pipe::closed();
    tokio::pin!(closed);
    loop {
        let chunk = tokio::select! {
            chunk = chunks.recv() => chunk,
            () = interrupted.cancelled() => return Ok(ExitCode::SUCCESS),
            () = &mut closed => return Ok(ExitCode::SUCCESS),
        };
        let Some(chunk) = chunk else { break };
        match printer.print(&chunk, chunks.is_empty()) {
            Ok(true) => {}
            Ok(false) => return Ok(ExitCode::SUCCESS),
            Err(error) if pipe::is_closed(&error) => return Ok(ExitCode::SUCCESS),
            Err(error) => return Err(error).context("cannot write to standard output"),
        }
    }
    task.await.context("the reading failed")??;
    Ok(ExitCode::SUCCESS)
}

/// The ARN of a consumer that is named.
async fn consumer_arn(
    connection: &Connection,
    stream: &StreamRef,
    consumer: Option<&str>,
) -> Result<Option<String>> {
    let Some(name) = consumer else { return Ok(None) };
    if name.starts_with("arn:") {
        return Ok(Some(name.to_owned()));
    }
    let stream_arn = reference::arn(connection, stream).await?;
    Ok(Some(consumer::find(connection, &stream_arn, name).await?.consumer_arn))
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Form {
    Text,
    Json,
    Raw,
}

#[derive(Debug)]
struct Printer {
    out: BufWriter<Stdout>,
    form: Form,
    key: Option<String>,
    left: u64,
}

impl Printer {
    /// Print what is wanted of these records; false once it is enough. `last` says that nothing waits behind them.
    fn print(&mut self, chunk: &Chunk, last: bool) -> io::Result<bool> {
        let wanted =
            |record: &&Record| self.key.as_deref().is_none_or(|key| record.partition_key() == Some(key));
        for record in chunk.records.iter().filter(wanted) {
            if self.left == 0 {
                break;
            }
            self.left -= 1;
            let out = &mut self.out;
            match self.form {
                Form::Raw => out.write_all(record.data.as_ref())?,
                Form::Json => serde_json::to_writer(&mut *out, &RecordLine::new(record, &chunk.lane))?,
                Form::Text => out.write_all(text(record, &chunk.lane).as_bytes())?,
            }
            out.write_all(b"\n")?;
        }
        if last || self.left == 0 {
            self.out.flush()?;
        }
        Ok(self.left > 0)
    }
}

/// `2026-11-23T09:00:00.000Z  shardId-000000000000  ada  {"name":"Ada"}`
fn text(record: &Record, lane: &Lane) -> String {
    let arrival = record.approximate_arrival_timestamp.map(table::time).unwrap_or_default();
    let bytes = record.data.as_ref();
    let data = match std::str::from_utf8(bytes) {
        // A record is a line, whatever is in it.
        Ok(text) => table::plain(text).replace('\n', "\\n"),
        Err(_) if is_aggregated(bytes) => format!("({} bytes, aggregated by the KPL)", bytes.len()),
        Err(_) => format!("({} bytes that are no text)", bytes.len()),
    };
    let key = table::plain(record.partition_key().unwrap_or_default()).replace('\n', "\\n");
    format!("{arrival}  {}  {key}  {data}", lane.shard_id)
}

#[cfg(test)]
mod tests {
    use super::*;
    use aws_sdk_kinesis::primitives::{Blob, DateTime};
    use millstream_types::{HashKey, HashRange};

    #[test]
    fn a_record_is_one_line_whatever_is_in_it() {
        let range = HashRange { start: HashKey(0), end: HashKey(u128::MAX) };
        let lane = Lane { shard_id: "shardId-000000000000".into(), range };
        let shown = |data: &[u8]| {
            let record = Record::builder().partition_key("k\n").sequence_number("1").data(Blob::new(data));
            text(&record.approximate_arrival_timestamp(DateTime::from_secs(0)).build().unwrap(), &lane)
        };
        let start = "1970-01-01T00:00:00.000Z  shardId-000000000000  k\\n  ";
        assert_eq!(shown(b"a\nb\tc\x1b[2J"), format!("{start}a\\nb\tc\u{fffd}[2J"));
        assert_eq!(shown(&[0xFF]), format!("{start}(1 bytes that are no text)"));
        assert_eq!(shown(&[0xF3, 0x89, 0x9A, 0xC2]), format!("{start}(4 bytes, aggregated by the KPL)"));
    }
}
