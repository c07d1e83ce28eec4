//! Records that are given up, and who is told.

use super::Lane;
use super::backoff::Backoff;
use super::item::Item;
use super::judge::Failed;
use super::window::Seen;
use crate::Invoker;
use crate::destination::Letter;
use bytes::Bytes;
use millstream_engine::NewRecord;
use millstream_host::entropy;
use millstream_types::Timestamp;
use serde::Serialize;

/// Why records are given up, as AWS names it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Condition {
    RetryAttemptsExhausted,
    RecordAgeExceeded,
}

/// What was tried with them.
#[derive(Clone, Debug)]
pub(super) struct Tried {
    pub(super) condition: Condition,
    pub(super) invocations: u32,
    /// Of the last invocation, if there was one.
    pub(super) request_id: Option<String>,
    pub(super) failed: Option<Failed>,
}

/// What AWS sends, member by member in its order.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Told<'a> {
    request_context: RequestContext<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    response_context: Option<ResponseContext<'a>>,
    version: &'a str,
    timestamp: String,
    #[serde(rename = "KinesisBatchInfo")]
    batch: BatchInfo<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    payload: Option<&'a str>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct RequestContext<'a> {
    request_id: &'a str,
    function_arn: &'a str,
    condition: &'a str,
    approximate_invoke_count: u32,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct ResponseContext<'a> {
    status_code: u16,
    executed_version: &'a str,
    function_error: Option<&'a str>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct BatchInfo<'a> {
    shard_id: String,
    start_sequence_number: String,
    end_sequence_number: String,
    approximate_arrival_of_first_record: String,
    approximate_arrival_of_last_record: String,
    batch_size: usize,
    stream_arn: &'a str,
}

impl<I: Invoker> Lane<I> {
    /// Tell the mapping's destination that these records are given up, and wait until it has taken that: what it was not
    /// told is not given up. False if other orders came before.
    pub(super) async fn told(&mut self, seen: Seen, records: &[Item], tried: &Tried) -> bool {
        let (mapping, shard) = (self.plan.mapping.uuid.clone(), self.plan.shard.id);
        let (first, last, count) = (seen.first.0, seen.last.0, seen.count);
        let condition = tried.condition.name();
        let settings = &self.plan.mapping.settings;
        let Some(arn) = settings.delivery.on_failure.clone() else {
            tracing::warn!(mapping, %shard, %first, %last, count, condition, "records are given up; nobody is told");
            self.board.given_up(count as u64);
            return true;
        };
        let payload = (arn.split(':').nth(2) == Some("s3")).then(|| self.envelope.encode(records, ""));
        let body = self.letter(seen, payload.as_ref(), tried);
        let key = self.key(self.engine().now());
        let letter = Letter { arn, body, key, ..Letter::default() };
        let mut backoff = Backoff::default();
        loop {
            let Err(error) = self.send(&letter).await else {
                let destination = letter.arn;
                tracing::warn!(mapping, %shard, %first, %last, count, condition, destination, "records are given up");
                self.board.given_up(count as u64);
                return true;
            };
            let pause = backoff.next();
            let destination = &letter.arn;
            tracing::warn!(mapping, %shard, destination, error, retry_in = ?pause, "a failure could not be told");
            self.board.problem(&format!("Failure destination {destination}: {error}"));
            self.board.destination_failed();
            self.pause(pause).await;
            if self.has_other_orders() {
                return false;
            }
        }
    }

    fn letter(&self, seen: Seen, payload: Option<&Bytes>, tried: &Tried) -> Bytes {
        let other_id = entropy::uuid();
        let payload = payload.map(|payload| String::from_utf8_lossy(payload));
        let failed = tried.failed.as_ref().filter(|_| tried.condition != Condition::RecordAgeExceeded);
        let told = Told {
            request_context: RequestContext {
                request_id: tried.request_id.as_deref().unwrap_or(&other_id),
                function_arn: &self.plan.mapping.settings.function_arn,
                condition: tried.condition.name(),
                // Seen on AWS: what was never tried counts as tried once.
                approximate_invoke_count: tried.invocations.max(1),
            },
            response_context: failed.map(|failed| ResponseContext {
                status_code: 200,
                executed_version: &failed.version,
                function_error: failed.function_error,
            }),
            version: "1.0",
            timestamp: self.engine().now().to_string(),
            batch: BatchInfo {
                shard_id: self.plan.shard.id.to_string(),
                start_sequence_number: seen.first.0.to_string(),
                end_sequence_number: seen.last.0.to_string(),
                approximate_arrival_of_first_record: seen.first.1.to_string(),
                approximate_arrival_of_last_record: seen.last.1.to_string(),
                batch_size: seen.count,
                stream_arn: &self.plan.mapping.source.stream_arn,
            },
            payload: payload.as_deref(),
        };
        serde_json::to_vec(&told).unwrap_or_default().into()
    }

    /// `aws/lambda/UUID/SHARD/2019/11/14/2019-11-14T00.38.06-…`
    fn key(&self, now: Timestamp) -> String {
        let (year, month, day, hour, minute, second, _) = now.civil();
        let (mapping, shard) = (&self.plan.mapping.uuid, self.plan.shard.id);
        let id = entropy::uuid();
        format!(
            "aws/lambda/{mapping}/{shard}/{year:04}/{month:02}/{day:02}/\
             {year:04}-{month:02}-{day:02}T{hour:02}.{minute:02}.{second:02}-{id}"
        )
    }

    async fn send(&self, letter: &Letter) -> Result<(), String> {
        if letter.arn.split(':').nth(2) != Some("kinesis") {
            return self.context.destinations.send(letter).await;
        }
        // A stream of this server, which is our own addition. All of a shard's letters go to one shard, in order.
        let state = self.engine().control().state();
        let stream = state.streams.values().find(|stream| stream.arn == letter.arn);
        let stream = stream.ok_or("there is no such stream")?;
        let record = NewRecord {
            partition_key: self.plan.shard.id.to_string(),
            explicit_hash_key: None,
            data: letter.body.clone(),
        };
        self.engine().append(stream, &[record]).await.map(drop).map_err(|error| error.to_string())
    }
}

impl Condition {
    fn name(self) -> &'static str {
        match self {
            Self::RetryAttemptsExhausted => "RetryAttemptsExhausted",
            Self::RecordAgeExceeded => "RecordAgeExceeded",
        }
    }
}
