//! Reads the offers by enhanced fan-out: one SubscribeToShard per shard, opened again whenever it ends.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use aws_sdk_kinesis::primitives::DateTime;
use aws_sdk_kinesis::types::builders::StartingPositionBuilder;
use aws_sdk_kinesis::types::{
    ShardIteratorType, StartingPosition, SubscribeToShardEvent, SubscribeToShardEventStream,
};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::caps::{MAX_FOLLOWED_SHARDS, MAX_SILENCE};
use crate::clients::Clients;
use crate::error::Error;
use crate::offer::Offer;
use crate::tracker::{Source, Tracker};

const FIRST_PAUSE: Duration = Duration::from_millis(200);
const LONGEST_PAUSE: Duration = Duration::from_secs(5);
/// After a subscription the service refuses another one of the same consumer for 5 s.
const BUSY_PAUSE: Duration = Duration::from_secs(1);

/// What a reader of one shard needs.
#[derive(Clone)]
struct Reader {
    clients: Arc<Clients>,
    tracker: Arc<Tracker>,
    consumer_arn: String,
    /// Counts the subscriptions that were opened for the first time.
    opened: watch::Sender<usize>,
}

/// A running set of readers.
pub(crate) struct Reading {
    shards: usize,
    opened: watch::Receiver<usize>,
    stop: CancellationToken,
    task: tokio::task::JoinHandle<()>,
}

impl Reading {
    /// Starts to read every shard of the offers stream from this instant on (ms since 1970).
    pub(crate) async fn start(
        clients: Arc<Clients>,
        tracker: Arc<Tracker>,
        offers_arn: &str,
        consumer_arn: &str,
        from_ms: u64,
    ) -> Result<Self, Error> {
        let shards = list_shards(&clients, offers_arn).await?;
        let from = DateTime::from_millis(i64::try_from(from_ms).unwrap_or(i64::MAX));
        let start =
            position(StartingPosition::builder().r#type(ShardIteratorType::AtTimestamp).timestamp(from));
        let (opened, receiver) = watch::channel(0);
        let reader = Reader { clients, tracker, consumer_arn: consumer_arn.to_owned(), opened };
        let stop = CancellationToken::new();
        let count = shards.len();
        let task = tokio::spawn(follow_all(reader, shards, start, stop.clone()));
        Ok(Self { shards: count, opened: receiver, stop, task })
    }

    /// Waits until every shard is subscribed to, or until the limit. Offers of before are read too; it only keeps
    /// the time that the subscriptions take out of the first latencies.
    pub(crate) async fn until_subscribed(&mut self, limit: Duration) -> bool {
        let shards = self.shards;
        let all = self.opened.wait_for(|opened| *opened >= shards);
        matches!(tokio::time::timeout(limit, all).await, Ok(Ok(_)))
    }

    /// Ends all subscriptions.
    pub(crate) async fn stop(self) {
        self.stop.cancel();
        // A reader that panicked has shown itself as missing offers; there is nothing left to stop.
        if let Err(error) = self.task.await {
            debug_assert!(error.is_cancelled(), "a reader failed: {error}");
        }
    }
}

async fn list_shards(clients: &Clients, stream_arn: &str) -> Result<Vec<String>, Error> {
    let mut shards = Vec::new();
    let mut token = None;
    loop {
        // A page's token names the stream: the service refuses both together.
        let call = match token {
            None => clients.kinesis.list_shards().stream_arn(stream_arn),
            Some(token) => clients.kinesis.list_shards().next_token(token),
        };
        let page = call
            .send()
            .await
            .map_err(|error| Error::service("list the shards of the offers stream", &error))?;
        shards.extend(page.shards().iter().map(|shard| shard.shard_id().to_owned()));
        shards.truncate(MAX_FOLLOWED_SHARDS);
        token = page.next_token().map(str::to_owned);
        if token.is_none() || shards.len() == MAX_FOLLOWED_SHARDS {
            return Ok(shards);
        }
    }
}

/// Follows these shards and the children they get when they are split or merged.
async fn follow_all(reader: Reader, shards: Vec<String>, start: StartingPosition, stop: CancellationToken) {
    let mut known: HashSet<String> = shards.iter().cloned().collect();
    let mut readers = JoinSet::new();
    for shard in shards {
        readers.spawn(reader.clone().follow(shard, start.clone()));
    }
    loop {
        let children = tokio::select! {
            () = stop.cancelled() => break,
            finished = readers.join_next() => match finished {
                Some(Ok(children)) => children,
                Some(Err(_)) => continue,
                None => break,
            },
        };
        for child in children {
            if known.len() < MAX_FOLLOWED_SHARDS && known.insert(child.clone()) {
                let oldest = position(StartingPosition::builder().r#type(ShardIteratorType::TrimHorizon));
                readers.spawn(reader.clone().follow(child, oldest));
            }
        }
    }
    readers.shutdown().await;
}

fn position(builder: StartingPositionBuilder) -> StartingPosition {
    builder.build().expect("the type, which is all that a position must have, is set")
}

/// How a subscription ended.
enum End {
    /// The shard is closed and read to its end; these are its children.
    Shard(Vec<String>),
    /// The service's five minutes are over, or the connection broke: go on from where it was.
    Again,
    /// Another subscription is in the way.
    Busy,
    /// Something else.
    Failed(String),
}

impl Reader {
    /// Reads one shard until its end; returns its children.
    async fn follow(self, shard: String, mut next: StartingPosition) -> Vec<String> {
        let mut pause = FIRST_PAUSE;
        let mut first = true;
        loop {
            match self.subscribe(&shard, &mut next, &mut first, &mut pause).await {
                End::Shard(children) => {
                    self.tracker.reader_ended(&shard);
                    return children;
                }
                End::Again => {}
                End::Busy => tokio::time::sleep(BUSY_PAUSE).await,
                End::Failed(why) => {
                    self.tracker.trouble(Source::Read, Some(format!("read offers: {why}")));
                    tokio::time::sleep(pause).await;
                    pause = (pause * 2).min(LONGEST_PAUSE);
                }
            }
        }
    }

    async fn subscribe(
        &self,
        shard: &str,
        next: &mut StartingPosition,
        first: &mut bool,
        pause: &mut Duration,
    ) -> End {
        let call = self.clients.subscriber.subscribe_to_shard().consumer_arn(&self.consumer_arn);
        let subscribed = call.shard_id(shard).starting_position(next.clone()).send();
        let mut events = match tokio::time::timeout(MAX_SILENCE, subscribed).await {
            Ok(Ok(output)) => output.event_stream,
            Ok(Err(error)) => return ended_by(&Error::service("subscribe to a shard", &error)),
            Err(_) => return End::Failed(format!("no answer in {} s", MAX_SILENCE.as_secs())),
        };
        if std::mem::take(first) {
            self.opened.send_modify(|opened| *opened += 1);
        }
        *pause = FIRST_PAUSE;
        self.tracker.trouble(Source::Read, None);
        loop {
            match tokio::time::timeout(MAX_SILENCE, events.recv()).await {
                Ok(Ok(Some(SubscribeToShardEventStream::SubscribeToShardEvent(event)))) => {
                    if let Some(children) = self.take(shard, &event, next) {
                        return End::Shard(children);
                    }
                }
                Ok(Ok(Some(_))) => {}
                Ok(Ok(None)) | Err(_) => return End::Again,
                Ok(Err(error)) => return ended_by(&Error::service("read a shard", &error)),
            }
        }
    }

    /// Takes in one event and moves the position behind it. `Some` at the end of the shard.
    fn take(
        &self,
        shard: &str,
        event: &SubscribeToShardEvent,
        next: &mut StartingPosition,
    ) -> Option<Vec<String>> {
        let now = Instant::now();
        for record in event.records() {
            match serde_json::from_slice::<Offer>(record.data().as_ref()) {
                Ok(offer) => self.tracker.offered(offer, now),
                Err(_) => self.tracker.unreadable(),
            }
        }
        self.tracker.reader_at(shard, event.millis_behind_latest());
        let children: Vec<String> =
            event.child_shards().iter().map(|child| child.shard_id().to_owned()).collect();
        if !children.is_empty() || event.continuation_sequence_number().is_empty() {
            return Some(children);
        }
        let after = StartingPosition::builder().r#type(ShardIteratorType::AfterSequenceNumber);
        *next = position(after.sequence_number(event.continuation_sequence_number()));
        None
    }
}

fn ended_by(error: &Error) -> End {
    match error {
        error if error.has_code("ResourceInUseException") => End::Busy,
        // No code: the connection broke in the middle of the stream.
        Error::Service { code: None, answer, .. } => End::Failed(answer.clone()),
        error => End::Failed(error.to_string()),
    }
}
