use super::follow::{Chunk, Follow, begin};
use super::lines::{Next, read_line};
use super::record_line::{Header, Line, RecordLine, VERSION, parse};
use super::reference::StreamRef;
use crate::commands::connection::Connection;
use crate::commands::progress::Progress;
use crate::commands::times::{self, Start};
use crate::commands::{caps, table};
use crate::interrupt;
use crate::terminal::note;
use anyhow::{Context, Result, bail, ensure};
use clap::Args;
use flate2::Compression;
use flate2::write::GzEncoder;
use millstream_host::{Clock, SystemClock, fs};
use millstream_types::Timestamp;
use serde_json::json;
use std::collections::{BTreeMap, HashMap};
use std::fs::File;
use std::io::{BufReader, BufWriter, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

/// How much a cut is to cost at most.
const FLUSH_EVERY: Duration = Duration::from_secs(1);

#[derive(Debug, Args)]
#[command(
    after_help = "The file has one line of JSON for each record; a name that ends in .gz makes it compressed. Ctrl-C \
    ends it, and everything that came until then is in the file. docs/formats/capture.md has the format.\n\nExamples:\n  \
    millstream stream capture signups --to signups.jsonl.gz --from trim-horizon --no-follow\n  millstream stream capture \
    signups --to signups.jsonl --duration 5m\n  millstream stream capture signups --to signups.jsonl --resume"
)]
pub(super) struct CaptureArguments {
    /// Name or ARN of the stream
    #[arg(value_name = "STREAM")]
    stream: StreamRef,

    /// File to write
    #[arg(long, value_name = "FILE")]
    to: PathBuf,

    /// Where to begin: latest, trim-horizon, a time (2026-11-23T09:00:00Z) or how long ago (15m) [default: latest]
    #[arg(long, value_name = "START", value_parser = times::start, conflicts_with = "resume")]
    from: Option<Start>,

    /// Go on with a file that there is, after its last record of each shard; a last line that is cut is written anew
    #[arg(long)]
    resume: bool,

    /// End when all that is there was captured
    #[arg(long)]
    no_follow: bool,

    /// End after so many records
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    count: Option<u64>,

    /// End after this time
    #[arg(long, value_name = "TIME", value_parser = times::span)]
    duration: Option<Duration>,
}

pub(super) async fn run(connection: &Connection, arguments: CaptureArguments) -> Result<ExitCode> {
    let interrupted = interrupt::token()?;
    let now = SystemClock::new().now();
    let (stream, path) = (arguments.stream, arguments.to);
    let known = if arguments.resume { Known::read(&path)? } else { Known::default() };
    let (start, header) = if let Some(header) = &known.header {
        let held = &header.stream_name;
        ensure!(*held == stream.to_string(), "{} holds the stream {held}, not {stream}", path.display());
        (from_text(&header.from)?, None)
    } else {
        let start = arguments.from.unwrap_or(Start::Latest).settled(now);
        let header = Header { capture: VERSION, stream_name: stream.to_string(), from: to_text(start, now) };
        (start, Some(header))
    };
    let (mut chunks, task) = begin(Follow {
        connection: connection.clone(),
        stream: stream.clone(),
        start,
        after: known.after,
        consumer: None,
        until_caught_up: arguments.no_follow,
    })
    .await?;
    let mut capture = Capture {
        out: Out::open(&path, known.length)?,
        left: arguments.count.unwrap_or(u64::MAX),
        shards: BTreeMap::new(),
        bytes: 0,
        progress: Progress::records("capturing"),
    };
    if let Some(header) = header {
        capture.out.line(&header)?;
    }
    let end = tokio::time::sleep(arguments.duration.unwrap_or(Duration::from_hours(24 * 365 * 10)));
    tokio::pin!(end);
    let mut flush = tokio::time::interval(FLUSH_EVERY);
    let result = loop {
        let chunk = tokio::select! {
            chunk = chunks.recv() => chunk,
            () = interrupted.cancelled() => break Ok(()),
            () = &mut end => break Ok(()),
            _ = flush.tick() => {
                capture.out.flush()?;
                continue;
            }
        };
        let Some(chunk) = chunk else { break task.await.context("the reading failed")? };
        if !capture.take(&chunk)? {
            break Ok(());
        }
    };
    // What was read is worth keeping, whatever ended the reading.
    capture.finish(connection, &stream, &path)?;
    result.map(|()| ExitCode::SUCCESS)
}

/// What is written as the place from which on the records are there.
fn to_text(start: Start, now: Timestamp) -> String {
    match start {
        Start::TrimHorizon => "TRIM_HORIZON".to_owned(),
        Start::At(at) => at.to_string(),
        Start::Latest | Start::Ago(_) => now.to_string(),
    }
}

fn from_text(text: &str) -> Result<Start> {
    match text {
        "TRIM_HORIZON" => Ok(Start::TrimHorizon),
        time => times::instant(time).map(Start::At).map_err(anyhow::Error::msg),
    }
}

/// What a file holds that is gone on with.
#[derive(Debug, Default)]
struct Known {
    header: Option<Header>,
    after: HashMap<String, String>,
    /// Bytes of whole lines.
    length: Option<u64>,
}

impl Known {
    fn read(path: &Path) -> Result<Self> {
        let shown = path.display();
        ensure!(
            !is_gzip(path),
            "{shown} is compressed: a capture can be gone on with only where it is not. Capture into a second file"
        );
        let file = fs::open(path).with_context(|| format!("cannot read {shown}"))?;
        let (mut reader, mut line) = (BufReader::with_capacity(1 << 16, file), Vec::new());
        let (mut known, mut length, mut number) = (Self::default(), 0, 0_u64);
        loop {
            number += 1;
            match read_line(&mut reader, &mut line, caps::CAPTURE_LINE_BYTES)? {
                Next::Line { whole: true } => length += u64::try_from(line.len())? + 1,
                Next::End | Next::Line { whole: false } => break,
                Next::TooLong => bail!("{shown}: line {number} is too long"),
            }
            match parse(&line).with_context(|| format!("{shown}: line {number}"))? {
                Line::Header(header) => known.header = Some(header),
                Line::Record(record) => drop(known.after.insert(record.shard_id, record.sequence_number)),
            }
        }
        ensure!(known.header.is_some(), "{shown} is no capture: it does not begin with the head of one");
        known.length = Some(length);
        Ok(known)
    }
}

pub(super) fn is_gzip(path: &Path) -> bool {
    path.extension().is_some_and(|extension| extension == "gz")
}

#[derive(Debug)]
struct Capture {
    out: Out,
    left: u64,
    shards: BTreeMap<String, u64>,
    bytes: u64,
    progress: Progress,
}

impl Capture {
    /// Write records down; false once it is enough.
    fn take(&mut self, chunk: &Chunk) -> Result<bool> {
        let enough = usize::try_from(self.left).unwrap_or(usize::MAX);
        for record in chunk.records.iter().take(enough) {
            self.out.line(&RecordLine::new(record, &chunk.lane))?;
            self.left -= 1;
            self.bytes += u64::try_from(record.data.as_ref().len())?;
            *self.shards.entry(chunk.lane.shard_id.clone()).or_default() += 1;
            self.progress.advance(1);
        }
        Ok(self.left > 0)
    }

    fn finish(self, connection: &Connection, stream: &StreamRef, path: &Path) -> Result<()> {
        self.out.finish().with_context(|| format!("cannot write {}", path.display()))?;
        drop(self.progress);
        let records: u64 = self.shards.values().sum();
        let json = json!({
            "StreamName": stream.to_string(), "File": path, "Records": records, "Bytes": self.bytes,
            "RecordsByShard": self.shards,
        });
        if connection.output == crate::commands::connection::Output::Json {
            return table::print(connection.output, &json, String::new);
        }
        note(format_args!(
            "{} of {} captured from {stream} into {}, {} of data",
            table::count(records, "record"),
            table::count(self.shards.len(), "shard"),
            path.display(),
            table::count(self.bytes, "byte")
        ));
        Ok(())
    }
}

/// The file that is written.
#[derive(Debug)]
enum Out {
    Plain(BufWriter<File>),
    Gzip(Box<BufWriter<GzEncoder<File>>>),
}

impl Out {
    /// A new file, or one that there is from its first `length` bytes on.
    fn open(path: &Path, length: Option<u64>) -> Result<Self> {
        let shown = path.display();
        let file = match length {
            Some(length) => {
                let mut file = fs::open_for_writing(path).with_context(|| format!("cannot write {shown}"))?;
                file.set_len(length).and_then(|()| file.seek(SeekFrom::End(0)))?;
                file
            }
            None => fs::create_new(path).with_context(|| {
                format!("cannot make {shown} (--resume goes on with a capture that there is)")
            })?,
        };
        Ok(if is_gzip(path) {
            let out = GzEncoder::new(file, Compression::default());
            Self::Gzip(Box::new(BufWriter::with_capacity(1 << 16, out)))
        } else {
            Self::Plain(BufWriter::with_capacity(1 << 16, file))
        })
    }

    fn line(&mut self, line: &impl serde::Serialize) -> Result<()> {
        let mut text = serde_json::to_vec(line).context("a line of the capture")?;
        text.push(b'\n');
        match self {
            Self::Plain(out) => out.write_all(&text),
            Self::Gzip(out) => out.write_all(&text),
        }
        .context("cannot write the capture")
    }

    fn flush(&mut self) -> Result<()> {
        match self {
            Self::Plain(out) => out.flush(),
            Self::Gzip(out) => out.flush(),
        }
        .context("cannot write the capture")
    }

    fn finish(self) -> Result<()> {
        let file = match self {
            Self::Plain(out) => out.into_inner().map_err(std::io::IntoInnerError::into_error)?,
            Self::Gzip(out) => out.into_inner().map_err(std::io::IntoInnerError::into_error)?.finish()?,
        };
        Ok(file.sync_all()?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn known(text: &str) -> Result<Known> {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("capture.jsonl");
        fs::write(&path, text.as_bytes()).unwrap();
        Known::read(&path)
    }

    const HEAD: &str = "{\"Capture\":1,\"StreamName\":\"a\",\"From\":\"TRIM_HORIZON\"}\n";

    #[test]
    fn a_cut_line_is_left_out_and_the_rest_is_known() {
        let records = "{\"ShardId\":\"s0\",\"SequenceNumber\":\"1\",\"PartitionKey\":\"k\",\"Data\":\"\"}\n\
            {\"ShardId\":\"s0\",\"SequenceNumber\":\"2\",\"PartitionKey\":\"k\",\"Data\":\"\"}\n";
        let whole = format!("{HEAD}{records}");
        let read = known(&format!("{whole}{{\"ShardId\":\"s0\",\"Seq")).unwrap();
        assert_eq!(read.length, Some(u64::try_from(whole.len()).unwrap()));
        assert_eq!(read.after, HashMap::from([("s0".to_owned(), "2".to_owned())]));
    }

    #[test]
    fn what_is_no_capture_is_not_gone_on_with() {
        assert!(known("").unwrap_err().to_string().contains("no capture"));
        assert!(format!("{:#}", known("hello\n").unwrap_err()).contains("line 1"));
        assert!(Known::read(Path::new("x.jsonl.gz")).unwrap_err().to_string().contains("compressed"));
    }

    #[test]
    fn a_start_comes_back_as_it_was_written() {
        let now = Timestamp::from_millis(1_700_000_000_123);
        for (start, expected) in [
            (Start::TrimHorizon, Start::TrimHorizon),
            (Start::At(now), Start::At(now)),
            (Start::Latest, Start::At(now)),
        ] {
            assert_eq!(from_text(&to_text(start, now)).unwrap(), expected);
        }
    }
}
