use super::keys::{self, KeySource};
use super::lines::{Next, read_line};
use super::putter::{Item, Putter, Report};
use super::reference::StreamRef;
use crate::commands::caps;
use crate::commands::connection::{Connection, Output};
use crate::commands::progress::Progress;
use crate::commands::times::{self, shown};
use crate::commands::{input, table};
use crate::interrupt;
use crate::terminal::{note, say};
use anyhow::{Context, Result};
use aws_sdk_kinesis::primitives::Blob;
use clap::Args;
use millstream_host::threads;
use millstream_types::HashKey;
use serde_json::json;
use std::io::{BufRead, Read};
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use tokio::sync::{Semaphore, mpsc};

/// Records that could not be understood and are named; the others are counted.
const NAMED: u64 = 5;

const HELP: &str = "Each line is a record, without its end of line. Records go in batches, one after the other; what the \
    service refuses is sent again before anything that came later. Within one batch AWS may refuse a record and take a \
    later one with the same key: --ordered keeps records of one key in order even then, at the price of smaller batches. \
    A request that is sent again because no answer came may have been done: records are put at least once.\n\nThe exit \
    code is 0 if every record was put, 1 if one was not, 130 after Ctrl-C.\n\nExamples:\n  millstream stream put signups \
    --data '{\"name\":\"Ada\"}' --key ada\n  tail -F app.log | millstream stream put logs\n  millstream stream put signups \
    --file signups.jsonl --key-field user.id";

#[derive(Debug, Args)]
#[command(after_help = HELP)]
pub(super) struct PutArguments {
    /// Name or ARN of the stream
    #[arg(value_name = "STREAM")]
    stream: StreamRef,

    /// A record; may be given several times, in place of standard input
    #[arg(long, value_name = "TEXT", conflicts_with = "file")]
    data: Vec<String>,

    /// Take the lines of this file in place of standard input
    #[arg(long, value_name = "FILE")]
    file: Option<PathBuf>,

    /// Put all of the input as one record, new lines included
    #[arg(long, conflicts_with = "data")]
    whole: bool,

    /// The partition key of all records: they go to one shard [default: another one for each record]
    #[arg(long, value_name = "KEY", group = "source_of_keys")]
    key: Option<String>,

    /// Take the partition key from this field of each record, which is JSON; user.id for a field in a field
    #[arg(long, value_name = "FIELD", group = "source_of_keys", value_parser = parse_path)]
    key_field: Option<Path>,

    /// The hash key of all records, in place of the one that the partition key has
    #[arg(long, value_name = "NUMBER")]
    hash_key: Option<HashKey>,

    /// Never have two records of one key in a request
    #[arg(long)]
    ordered: bool,

    /// How long a record that is refused is tried again
    #[arg(long, value_name = "TIME", default_value = "60s", value_parser = times::span)]
    retry_for: Duration,
}

/// A path of field names. Its own type, as clap takes a vector for an argument that is repeated.
#[derive(Clone, Debug)]
struct Path(Vec<String>);

fn parse_path(text: &str) -> Result<Path, String> {
    keys::path(text).map(Path)
}

pub(super) async fn run(connection: &Connection, arguments: PutArguments) -> Result<ExitCode> {
    let interrupted = interrupt::token()?;
    if let Some(key) = &arguments.key {
        keys::check(key).map_err(|why| anyhow::anyhow!("--key {key:?}: {why}"))?;
    }
    let keys = match (arguments.key, arguments.key_field) {
        (Some(key), _) => KeySource::Constant(key),
        (_, Some(Path(path))) => KeySource::Field(path),
        (None, None) => KeySource::Random,
    };
    let (input, progress) = if arguments.data.is_empty() {
        let (reader, length) = input::open(arguments.file.as_deref())?;
        let progress = length.map(|length| Progress::bytes("putting", length));
        let counted = if progress.is_some() { Counted::Bytes } else { Counted::Records };
        let input = if arguments.whole { Input::Whole(reader) } else { Input::Lines(reader, counted) };
        (input, progress)
    } else {
        (Input::Given(arguments.data), None)
    };
    let progress = progress.unwrap_or_else(|| Progress::records("putting"));
    let (sender, items) = mpsc::channel(caps::AHEAD_RECORDS);
    let bad = Arc::new(AtomicU64::new(0));
    let source = Source {
        keys,
        hash_key: arguments.hash_key.map(|key| key.to_string()),
        sender,
        room: Arc::new(Semaphore::new(usize::try_from(caps::AHEAD_KIB).unwrap_or(usize::MAX))),
        bad: Arc::clone(&bad),
        read: 0,
    };
    let runtime = tokio::runtime::Handle::current();
    let reading = threads::spawn("input", move || runtime.block_on(source.read(input)))?;
    let stream = &arguments.stream;
    let (ordered, retry_for) = (arguments.ordered, arguments.retry_for);
    let putter = Putter { connection, stream, ordered, retry_for, progress: &progress };
    let (report, result) = putter.run(items, &interrupted).await;
    drop(progress);
    summarise(connection.output, stream, "put", &report, bad.load(Ordering::Relaxed))?;
    result?;
    if interrupted.is_cancelled() {
        // The thread may still wait for standard input; it ends with the process.
        return Ok(ExitCode::from(interrupt::EXIT_CODE));
    }
    reading.join().map_err(|_panic| anyhow::anyhow!("the reading failed"))??;
    let whole = report.lost_records() + report.left + bad.load(Ordering::Relaxed) == 0;
    Ok(if whole { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// What records are made of.
enum Input {
    Given(Vec<String>),
    Lines(Box<dyn BufRead + Send>, Counted),
    Whole(Box<dyn BufRead + Send>),
}

/// What the progress counts.
#[derive(Clone, Copy)]
enum Counted {
    Records,
    Bytes,
}

/// Makes records, as far ahead as there is room for.
struct Source {
    keys: KeySource,
    hash_key: Option<String>,
    sender: mpsc::Sender<Item>,
    room: Arc<Semaphore>,
    /// Records that could not be understood.
    bad: Arc<AtomicU64>,
    read: u64,
}

impl Source {
    async fn read(mut self, input: Input) -> Result<()> {
        match input {
            Input::Given(records) => {
                for record in records {
                    if !self.give(&record.into_bytes(), 1).await? {
                        break;
                    }
                }
                Ok(())
            }
            Input::Lines(reader, counted) => self.lines(reader, counted).await,
            Input::Whole(reader) => {
                let mut data = Vec::new();
                let most = u64::try_from(caps::RECORD_BYTES).unwrap_or(u64::MAX).saturating_add(1);
                reader.take(most).read_to_end(&mut data).context("cannot read the input")?;
                let size = u64::try_from(data.len()).unwrap_or(u64::MAX);
                self.give(&data, size).await.map(drop)
            }
        }
    }

    async fn lines(&mut self, mut reader: Box<dyn BufRead + Send>, counted: Counted) -> Result<()> {
        let mut line = Vec::new();
        loop {
            let next =
                read_line(&mut reader, &mut line, caps::RECORD_BYTES).context("cannot read the input")?;
            let bytes = match (counted, next) {
                (_, Next::End) => return Ok(()),
                (_, Next::TooLong) => {
                    self.read += 1;
                    self.refuse(&too_large());
                    continue;
                }
                (Counted::Records, _) => 1,
                (Counted::Bytes, Next::Line { whole }) => {
                    u64::try_from(line.len()).unwrap_or(u64::MAX) + u64::from(whole)
                }
            };
            if !self.give(&line, bytes).await? {
                return Ok(());
            }
        }
    }

    /// Hand on a record; false once nobody takes any more.
    async fn give(&mut self, data: &[u8], input_bytes: u64) -> Result<bool> {
        self.read += 1;
        if data.len() > caps::RECORD_BYTES {
            self.refuse(&too_large());
            return Ok(true);
        }
        let key = match self.keys.key(data) {
            Ok(key) => key,
            Err(why) => {
                self.refuse(&why);
                return Ok(true);
            }
        };
        let kib = u32::try_from(data.len() / 1024 + 1).unwrap_or(u32::MAX);
        let room = Arc::clone(&self.room).acquire_many_owned(kib).await.context("the putting has ended")?;
        let hash_key = self.hash_key.clone();
        let item = Item { key, hash_key, data: Blob::new(data), input_bytes, _room: Some(room) };
        Ok(self.sender.send(item).await.is_ok())
    }

    fn refuse(&self, why: &str) {
        match self.bad.fetch_add(1, Ordering::Relaxed) {
            ..NAMED => note(format_args!("millstream: record {}: {why}; it is left out", self.read)),
            NAMED => note("millstream: further records are left out; they are counted at the end"),
            _ => {}
        }
    }
}

fn too_large() -> String {
    format!("it is larger than {} MiB, which is the most", caps::RECORD_BYTES >> 20)
}

/// Say what became of the records: to a person, or to a program that asked for JSON.
pub(super) fn summarise(
    output: Output,
    stream: &StreamRef,
    did: &str,
    report: &Report,
    bad: u64,
) -> Result<()> {
    let lost = report.lost_records();
    if output == Output::Json {
        let json = json!({
            "StreamName": stream.to_string(), "RecordsPut": report.put, "BytesPut": report.bytes,
            "RecordsLost": lost, "RecordsLeftOut": bad, "RecordsNotSent": report.left,
            "RecordsSentAgain": report.again, "Reasons": report.lost, "Seconds": report.took.as_secs_f64(),
        });
        say(serde_json::to_string_pretty(&json).context("the summary as JSON")?);
        return Ok(());
    }
    let mut text = format!(
        "{} {did} into {stream}, {}, in {}",
        table::count(report.put, "record"),
        table::count(report.bytes, "byte"),
        shown(report.took)
    );
    for (number, what) in
        [(report.again, "sent again"), (bad, "left out"), (report.left, "not sent any more")]
    {
        if number > 0 {
            text += &["; ", &table::grouped(number), " ", what].concat();
        }
    }
    for (why, number) in &report.lost {
        text += &["; ", &table::grouped(*number), " LOST (", &table::plain(why), ")"].concat();
    }
    note(text);
    Ok(())
}
