use super::capture::is_gzip;
use super::lines::{Next, read_line};
use super::put::summarise;
use super::putter::{Item, Putter};
use super::record_line::{Line, RecordLine, parse};
use super::reference::StreamRef;
use crate::commands::connection::Connection;
use crate::commands::progress::Progress;
use crate::commands::times::{self, Speed};
use crate::commands::{caps, input};
use crate::interrupt;
use crate::terminal::note;
use anyhow::{Context, Result, bail};
use aws_sdk_kinesis::primitives::Blob;
use clap::Args;
use flate2::bufread::MultiGzDecoder;
use millstream_host::{Clock, SystemClock, threads};
use millstream_types::Timestamp;
use std::io::{BufRead, BufReader, ErrorKind};
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{Semaphore, mpsc};

#[derive(Debug, Args)]
#[command(
    after_help = "Records keep their partition keys, and their order within each shard. The exit code is 0 if every \
    record was put.\n\nExamples:\n  millstream stream replay signups.jsonl.gz --to signups-copy\n  millstream stream replay \
    signups.jsonl --to signups-copy --speed 10x\n  millstream stream replay signups.jsonl --to signups-copy --speed max"
)]
pub(super) struct ReplayArguments {
    /// File that `millstream stream capture` wrote
    #[arg(value_name = "FILE")]
    file: PathBuf,

    /// Name or ARN of the stream that gets the records
    #[arg(long, value_name = "STREAM")]
    to: StreamRef,

    /// How fast: 1x is as they came, 10x ten times as fast, max as fast as it goes
    #[arg(long, default_value = "1x", value_name = "SPEED", value_parser = times::speed)]
    speed: Speed,

    /// Never have two records of one key in a request
    #[arg(long)]
    ordered: bool,

    /// How long a record that is refused is tried again
    #[arg(long, value_name = "TIME", default_value = "60s", value_parser = times::span)]
    retry_for: Duration,
}

pub(super) async fn run(connection: &Connection, arguments: ReplayArguments) -> Result<ExitCode> {
    let interrupted = interrupt::token()?;
    let (file, length) = input::open(Some(&arguments.file))?;
    let compressed = is_gzip(&arguments.file);
    let reader: Box<dyn BufRead + Send> =
        if compressed { Box::new(BufReader::new(MultiGzDecoder::new(file))) } else { file };
    // Of a compressed file nobody knows how much there is in it.
    let counted = length.filter(|_| !compressed);
    let progress =
        counted.map_or_else(|| Progress::records("replaying"), |length| Progress::bytes("replaying", length));
    let (sender, items) = mpsc::channel(caps::AHEAD_RECORDS);
    let source = Source {
        reader,
        shown: arguments.file.display().to_string(),
        by_bytes: counted.is_some(),
        sender,
        room: Arc::new(Semaphore::new(usize::try_from(caps::AHEAD_KIB).unwrap_or(usize::MAX))),
        pace: Pace { speed: arguments.speed, clock: SystemClock::new(), first: None },
    };
    let runtime = tokio::runtime::Handle::current();
    let reading = threads::spawn("capture", move || runtime.block_on(source.read()))?;
    let stream = &arguments.to;
    let (ordered, retry_for) = (arguments.ordered, arguments.retry_for);
    let putter = Putter { connection, stream, ordered, retry_for, progress: &progress };
    let (report, result) = putter.run(items, &interrupted).await;
    drop(progress);
    summarise(connection.output, stream, "replayed", &report, 0)?;
    result?;
    if interrupted.is_cancelled() {
        return Ok(ExitCode::from(interrupt::EXIT_CODE));
    }
    reading.join().map_err(|_panic| anyhow::anyhow!("the reading failed"))??;
    Ok(if report.lost_records() + report.left == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

struct Source {
    reader: Box<dyn BufRead + Send>,
    shown: String,
    by_bytes: bool,
    sender: mpsc::Sender<Item>,
    room: Arc<Semaphore>,
    pace: Pace,
}

impl Source {
    async fn read(mut self) -> Result<()> {
        let (mut line, mut number) = (Vec::new(), 0_u64);
        loop {
            number += 1;
            let place = || format!("{}: line {number}", self.shown);
            let whole = match read_line(&mut self.reader, &mut line, caps::CAPTURE_LINE_BYTES) {
                Ok(Next::Line { whole }) => whole,
                Ok(Next::End) => return Ok(()),
                Ok(Next::TooLong) => bail!("{} is too long", place()),
                // A compressed file that was cut.
                Err(error) if error.kind() == ErrorKind::UnexpectedEof => {
                    note(format_args!("millstream: {} is cut off: it is left out", place()));
                    return Ok(());
                }
                Err(error) => return Err(error).with_context(place),
            };
            let record = match parse(&line) {
                Ok(Line::Record(record)) => record,
                Ok(Line::Header(_)) => continue,
                Err(_) if !whole => {
                    note(format_args!("millstream: {} is cut off: it is left out", place()));
                    return Ok(());
                }
                Err(error) => return Err(error).with_context(place),
            };
            let bytes = if self.by_bytes { u64::try_from(line.len()).unwrap_or_default() + 1 } else { 1 };
            let (item, arrival) = self.item(&record, bytes).await.with_context(place)?;
            tokio::time::sleep(self.pace.wait(arrival)).await;
            if self.sender.send(item).await.is_err() {
                return Ok(());
            }
        }
    }

    async fn item(&self, record: &RecordLine, input_bytes: u64) -> Result<(Item, Option<Timestamp>)> {
        super::keys::check(&record.partition_key).map_err(anyhow::Error::msg)?;
        let data = record.bytes()?;
        let kib = u32::try_from(data.len() / 1024 + 1).unwrap_or(u32::MAX).min(caps::AHEAD_KIB);
        let room = Arc::clone(&self.room).acquire_many_owned(kib).await.context("the putting has ended")?;
        let item = Item {
            key: record.partition_key.clone(),
            hash_key: record.explicit_hash_key.clone(),
            data: Blob::new(data),
            input_bytes,
            _room: Some(room),
        };
        Ok((item, record.arrival()?))
    }
}

/// When which record is due.
#[derive(Debug)]
struct Pace {
    speed: Speed,
    clock: SystemClock,
    /// When the first record had come, and when it was replayed.
    first: Option<(Timestamp, Duration)>,
}

impl Pace {
    /// How long to wait with a record. One that came before its forerunner, as the shards of a stream are not read in step,
    /// does not wait.
    fn wait(&mut self, arrival: Option<Timestamp>) -> Duration {
        let (Speed::Times(factor), Some(arrival)) = (self.speed, arrival) else { return Duration::ZERO };
        let now = self.clock.monotonic();
        let (first, began) = *self.first.get_or_insert((arrival, now));
        due(arrival.millis_since(first), factor).saturating_sub(now.saturating_sub(began))
    }
}

/// When a record is due that had come so many milliseconds after the first.
fn due(after_millis: u64, factor: f64) -> Duration {
    #[expect(
        clippy::cast_precision_loss,
        reason = "milliseconds of years fit, and waiting is not that exact"
    )]
    let seconds = after_millis as f64 / 1_000.0 / factor;
    Duration::try_from_secs_f64(seconds).unwrap_or(Duration::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_is_due_as_long_after_the_first_as_it_came_or_sooner() {
        assert_eq!(due(5_000, 1.0), Duration::from_secs(5));
        assert_eq!(due(5_000, 10.0), Duration::from_millis(500));
        assert_eq!(due(5_000, 0.5), Duration::from_secs(10));
        assert_eq!(due(u64::MAX, f64::MIN_POSITIVE), Duration::MAX);
    }

    #[test]
    fn without_a_time_or_at_full_speed_nothing_waits() {
        let pace = |speed| Pace { speed, clock: SystemClock::new(), first: None };
        let at = |millis| Some(Timestamp::from_millis(millis));
        let mut fastest = pace(Speed::Max);
        assert_eq!((fastest.wait(at(0)), fastest.wait(at(9_000_000))), (Duration::ZERO, Duration::ZERO));
        let mut as_it_was = pace(Speed::Times(1.0));
        assert_eq!((as_it_was.wait(at(10_000)), as_it_was.wait(None)), (Duration::ZERO, Duration::ZERO));
        assert_eq!(as_it_was.wait(at(3_000)), Duration::ZERO, "one from before does not wait");
        assert!(as_it_was.wait(at(9_000_000)) > Duration::from_hours(1));
    }
}
