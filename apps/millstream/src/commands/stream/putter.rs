//! Records go out in batches, one batch after the other, and what is refused goes again before anything behind it.

use super::reference::{StreamRef, did_you_mean};
use crate::commands::caps;
use crate::commands::connection::Connection;
use crate::commands::error::CallError;
use crate::commands::progress::Progress;
use anyhow::Result;
use aws_sdk_kinesis::primitives::Blob;
use aws_sdk_kinesis::types::PutRecordsRequestEntry;
use millstream_host::{Clock, SystemClock};
use std::collections::{BTreeMap, HashSet, VecDeque};
use std::time::Duration;
use tokio::sync::{OwnedSemaphorePermit, mpsc};
use tokio_util::sync::CancellationToken;

const FIRST_PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(5);

/// A record to put.
#[derive(Debug)]
pub(super) struct Item {
    pub(super) key: String,
    pub(super) hash_key: Option<String>,
    pub(super) data: Blob,
    /// Bytes of the input that it was made of, for the progress.
    pub(super) input_bytes: u64,
    /// Room for what is read and not yet put; given back with the item.
    pub(super) _room: Option<OwnedSemaphorePermit>,
}

impl Item {
    /// What counts against the limit of a request.
    fn size(&self) -> usize {
        self.data.as_ref().len() + self.key.len()
    }
}

/// What became of the records.
#[derive(Debug, Default)]
pub(super) struct Report {
    pub(super) put: u64,
    pub(super) bytes: u64,
    /// Records that were sent again, each time counted.
    pub(super) again: u64,
    /// Records that were given up, by the service's reason.
    pub(super) lost: BTreeMap<String, u64>,
    /// Records that were read and not sent, because it was interrupted.
    pub(super) left: u64,
    pub(super) took: Duration,
}

impl Report {
    pub(super) fn lost_records(&self) -> u64 {
        self.lost.values().sum()
    }
}

/// Puts what comes.
#[derive(Debug)]
pub(super) struct Putter<'a> {
    pub(super) connection: &'a Connection,
    pub(super) stream: &'a StreamRef,
    /// Never two records of one key in the same request.
    pub(super) ordered: bool,
    /// How long a record is tried before it is given up.
    pub(super) retry_for: Duration,
    pub(super) progress: &'a Progress,
}

/// The state of one run.
struct Run {
    queue: VecDeque<Item>,
    report: Report,
    pause: Duration,
    /// When the records in front of the queue were refused for the first time.
    stuck_since: Option<Duration>,
}

impl Putter<'_> {
    /// Until the input ends or it is interrupted. The error is one that no other record would fare better with; the report
    /// says how far it got.
    pub(super) async fn run(
        &self,
        mut input: mpsc::Receiver<Item>,
        interrupted: &CancellationToken,
    ) -> (Report, Result<()>) {
        let clock = SystemClock::new();
        let mut run =
            Run { queue: VecDeque::new(), report: Report::default(), pause: FIRST_PAUSE, stuck_since: None };
        let result = loop {
            if run.queue.is_empty() {
                let item = tokio::select! {
                    biased;
                    () = interrupted.cancelled() => break Ok(()),
                    item = input.recv() => item,
                };
                let Some(item) = item else { break Ok(()) };
                run.queue.push_back(item);
            }
            if interrupted.is_cancelled() {
                break Ok(());
            }
            // What is there goes at once; what comes meanwhile makes the next batch.
            while run.queue.len() < 2 * caps::PUT_RECORDS
                && let Ok(item) = input.try_recv()
            {
                run.queue.push_back(item);
            }
            let batch = take_batch(&mut run.queue, self.ordered);
            if let Err(error) = self.send(batch, &mut run, &clock, interrupted).await {
                break Err(error);
            }
        };
        let mut left = run.queue.len();
        while input.try_recv().is_ok() {
            left += 1;
        }
        run.report.left = u64::try_from(left).unwrap_or(u64::MAX);
        run.report.took = clock.monotonic();
        (run.report, result)
    }

    async fn send(
        &self,
        batch: Vec<Item>,
        run: &mut Run,
        clock: &SystemClock,
        interrupted: &CancellationToken,
    ) -> Result<()> {
        let entries = batch.iter().map(|item| {
            let entry = PutRecordsRequestEntry::builder().partition_key(&item.key).data(item.data.clone());
            entry.set_explicit_hash_key(item.hash_key.clone()).build()
        });
        let entries = entries.collect::<Result<Vec<_>, _>>()?;
        let call = self.connection.kinesis.put_records().set_records(Some(entries));
        let call = call.set_stream_name(self.stream.name()).set_stream_arn(self.stream.arn());
        let (refused, why) = match call.send().await {
            Ok(answer) => {
                let codes = answer.records.into_iter().map(|record| record.error_code);
                self.sort_out(batch, codes, run)
            }
            Err(error) => {
                let error = self.failed(&error);
                if !error.is_passing() {
                    requeue(&mut run.queue, batch);
                    return Err(did_you_mean(self.connection, self.stream, error).await);
                }
                let why = error.code.clone().unwrap_or_else(|| error.message.clone());
                (batch, Some((why, Some(error))))
            }
        };
        let Some((why, error)) = why else {
            (run.pause, run.stuck_since) = (FIRST_PAUSE, None);
            return Ok(());
        };
        let now = clock.monotonic();
        let since = *run.stuck_since.get_or_insert(now);
        if now.saturating_sub(since) >= self.retry_for {
            return give_up(&refused, why, error, run);
        }
        let number = u64::try_from(refused.len()).unwrap_or(u64::MAX);
        run.report.again += number;
        self.progress.say(format!(", trying {number} again: {why}"));
        requeue(&mut run.queue, refused);
        tokio::select! {
            () = tokio::time::sleep(jittered(run.pause)) => {}
            () = interrupted.cancelled() => {}
        }
        run.pause = (run.pause * 2).min(LONGEST_PAUSE);
        Ok(())
    }

    /// Those that were put are done with; the others come back, with the first one's reason.
    fn sort_out(
        &self,
        batch: Vec<Item>,
        codes: impl Iterator<Item = Option<String>>,
        run: &mut Run,
    ) -> (Vec<Item>, Option<(String, Option<CallError>)>) {
        let (mut refused, mut why) = (Vec::new(), None);
        let size = batch.len();
        for (item, code) in batch.into_iter().zip(codes) {
            let Some(code) = code else {
                run.report.put += 1;
                run.report.bytes += u64::try_from(item.data.as_ref().len()).unwrap_or(u64::MAX);
                self.progress.advance(item.input_bytes);
                continue;
            };
            why.get_or_insert((code, None));
            refused.push(item);
        }
        if refused.len() < size {
            // It goes on: no record waits behind one that is never taken.
            (run.pause, run.stuck_since) = (FIRST_PAUSE, None);
            self.progress.say("");
        }
        (refused, why)
    }

    fn failed<E, R>(&self, error: &aws_sdk_kinesis::error::SdkError<E, R>) -> CallError
    where
        E: aws_sdk_kinesis::error::ProvideErrorMetadata + std::error::Error + 'static,
        R: std::fmt::Debug,
    {
        self.connection.kinesis_failed(format!("put records into {}", self.stream), error)
    }
}

/// These were tried for long enough. Where the service does not answer at all, nothing else will go either.
fn give_up(refused: &[Item], why: String, error: Option<CallError>, run: &mut Run) -> Result<()> {
    *run.report.lost.entry(why).or_default() += u64::try_from(refused.len()).unwrap_or(u64::MAX);
    run.stuck_since = None;
    match error {
        Some(error) => Err(error.into()),
        None => Ok(()),
    }
}

/// Half of it to all of it, so that many that were refused together do not come back together.
fn jittered(pause: Duration) -> Duration {
    let random = u32::try_from(millstream_host::entropy::u64() & 0xFFFF).unwrap_or_default();
    pause / 2 + pause / 2 * random / 0xFFFF
}

/// The front of the queue, as much as a request takes. In order, a request ends before the second record of a key.
fn take_batch(queue: &mut VecDeque<Item>, ordered: bool) -> Vec<Item> {
    let (mut batch, mut bytes, mut keys): (Vec<Item>, usize, HashSet<String>) = Default::default();
    while let Some(item) = queue.front() {
        let full = batch.len() == caps::PUT_RECORDS || bytes + item.size() > caps::PUT_BYTES;
        if !batch.is_empty() && (full || (ordered && keys.contains(&item.key))) {
            break;
        }
        bytes += item.size();
        if ordered {
            keys.insert(item.key.clone());
        }
        batch.extend(queue.pop_front());
    }
    batch
}

/// Put records back to where they were, in their order.
fn requeue(queue: &mut VecDeque<Item>, items: Vec<Item>) {
    for item in items.into_iter().rev() {
        queue.push_front(item);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn item(key: &str, bytes: usize) -> Item {
        Item { key: key.into(), hash_key: None, data: Blob::new(vec![0; bytes]), input_bytes: 0, _room: None }
    }

    fn keys(items: &[Item]) -> Vec<&str> {
        items.iter().map(|item| item.key.as_str()).collect()
    }

    #[test]
    fn a_batch_ends_at_five_hundred_records() {
        let mut queue: VecDeque<_> = (0..1_201).map(|n| item(&n.to_string(), 1)).collect();
        let sizes: Vec<_> =
            std::iter::from_fn(|| Some(take_batch(&mut queue, false).len()).filter(|n| *n > 0)).collect();
        assert_eq!(sizes, [500, 500, 201]);
    }

    #[test]
    fn a_batch_ends_at_its_bytes_and_takes_one_that_is_larger_alone() {
        let half = caps::PUT_BYTES / 2;
        let mut queue: VecDeque<_> = [item("aa", half), item("b", half - 3), item("c", 1)].into();
        assert_eq!(keys(&take_batch(&mut queue, false)), ["aa", "b"]);
        queue.push_back(item("d", 2 * caps::PUT_BYTES));
        queue.push_back(item("e", 1));
        assert_eq!(keys(&take_batch(&mut queue, false)), ["c"]);
        assert_eq!(keys(&take_batch(&mut queue, false)), ["d"]);
        assert_eq!(keys(&take_batch(&mut queue, false)), ["e"]);
        assert!(take_batch(&mut queue, false).is_empty());
    }

    #[test]
    fn in_order_no_request_has_a_key_twice() {
        let mut queue: VecDeque<_> = ["a", "b", "a", "c", "b"].map(|key| item(key, 1)).into();
        assert_eq!(keys(&take_batch(&mut queue, true)), ["a", "b"]);
        assert_eq!(keys(&take_batch(&mut queue, true)), ["a", "c", "b"]);
    }

    #[test]
    fn what_was_refused_goes_before_what_came_later() {
        let mut queue: VecDeque<_> = [item("c", 1)].into();
        requeue(&mut queue, vec![item("a", 1), item("b", 1)]);
        assert_eq!(keys(&take_batch(&mut queue, false)), ["a", "b", "c"]);
    }

    #[test]
    fn a_pause_varies_within_its_half() {
        for _ in 0..100 {
            let pause = jittered(Duration::from_secs(2));
            assert!((Duration::from_secs(1)..=Duration::from_secs(2)).contains(&pause), "{pause:?}");
        }
    }
}
