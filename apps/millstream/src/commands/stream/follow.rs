//! All records of a stream, shard beside shard, across reshards.

use super::reference::{StreamRef, hash_range, shards};
use super::tree::{Child, Tree};
use crate::commands::caps;
use crate::commands::connection::Connection;
use crate::commands::error::CallError;
use crate::commands::times::{Start, to_sdk};
use crate::terminal::note;
use anyhow::{Context, Result, ensure};
use aws_sdk_kinesis::types::{
    ChildShard, Record, ShardFilter, ShardFilterType, ShardIteratorType, StartingPosition,
    SubscribeToShardEventStream,
};
use millstream_types::HashRange;
use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};
use tokio::task::{JoinHandle, JoinSet};

const FIRST_PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(5);
/// After a subscription the service refuses another one of the same consumer for 5 s.
const BUSY_PAUSE: Duration = Duration::from_secs(1);
/// A subscription says something every five seconds. One that does not is broken.
const SILENCE: Duration = Duration::from_secs(15);

/// What to follow, and from where on.
#[derive(Debug)]
pub(super) struct Follow {
    pub(super) connection: Connection,
    pub(super) stream: StreamRef,
    /// Settled: no span of time.
    pub(super) start: Start,
    /// Shards of which the records up to this sequence number are known already.
    pub(super) after: HashMap<String, String>,
    /// A consumer's ARN, for enhanced fan-out.
    pub(super) consumer: Option<String>,
    /// End when all that is there is read.
    pub(super) until_caught_up: bool,
}

/// A shard that is read.
#[derive(Debug)]
pub(super) struct Lane {
    pub(super) shard_id: String,
    pub(super) range: HashRange,
}

/// Records of one shard, in their order.
#[derive(Debug)]
pub(super) struct Chunk {
    pub(super) lane: Arc<Lane>,
    pub(super) records: Vec<Record>,
    /// Room for what is read and not yet written anywhere.
    _room: Option<OwnedSemaphorePermit>,
}

/// Begin. The records come in on the receiver; it ends with the following, whose result then says why.
pub(super) async fn begin(follow: Follow) -> Result<(mpsc::Receiver<Chunk>, JoinHandle<Result<()>>)> {
    let filter = ShardFilter::builder();
    let filter = match follow.start {
        Start::TrimHorizon => filter.r#type(ShardFilterType::AtTrimHorizon),
        Start::At(at) => filter.r#type(ShardFilterType::AtTimestamp).timestamp(to_sdk(at)),
        Start::Latest | Start::Ago(_) => filter.r#type(ShardFilterType::AtLatest),
    };
    let roots = shards(&follow.connection, &follow.stream, Some(filter.build()?)).await?;
    let lanes = roots.iter().map(|shard| {
        let range = hash_range(shard.hash_key_range.as_ref())?;
        Ok(Lane { shard_id: shard.shard_id.clone(), range })
    });
    let lanes = lanes.collect::<Result<Vec<_>>>()?;
    ensure!(!lanes.is_empty(), "{} has no shards yet: it is still being created", follow.stream);
    let (sender, receiver) = mpsc::channel(caps::PAGES);
    let reader = Arc::new(Reader {
        follow,
        sender,
        room: Arc::new(Semaphore::new(caps::PAGES)),
        lanes: AtomicUsize::new(0),
        in_trouble: AtomicBool::new(false),
    });
    Ok((receiver, tokio::spawn(all(reader, lanes))))
}

async fn all(reader: Arc<Reader>, roots: Vec<Lane>) -> Result<()> {
    let mut tree = Tree::new(roots.iter().map(|lane| lane.shard_id.clone()));
    let mut tasks = JoinSet::new();
    let start = |lane: Lane, tasks: &mut JoinSet<_>, position| {
        let (reader, lane) = (Arc::clone(&reader), Arc::new(lane));
        reader.lanes.fetch_add(1, Ordering::Relaxed);
        tasks.spawn(async move {
            let end = reader.lane(&lane, position).await;
            reader.lanes.fetch_sub(1, Ordering::Relaxed);
            end.map(|children| (lane, children))
        });
    };
    for lane in roots {
        let position = reader.first_position(&lane.shard_id);
        start(lane, &mut tasks, position);
    }
    let mut caught_up = false;
    loop {
        let mut begun = match tasks.join_next().await {
            Some(ended) => {
                let (lane, children) = ended.context("a reader failed")??;
                caught_up |= children.is_none();
                children.map(|children| tree.end(&lane.shard_id, children)).unwrap_or_default()
            }
            None => Vec::new(),
        };
        if begun.is_empty() && tasks.is_empty() {
            // A parent that was left when nothing more was in it is not gone.
            begun = if caught_up { Vec::new() } else { tree.release() };
            if begun.is_empty() {
                return Ok(());
            }
        }
        ensure!(tree.len() <= caps::FOLLOWED_SHARDS, "the stream has more shards than can be followed");
        for child in begun {
            let known = reader.follow.after.get(&child.id).cloned();
            let position = known.map_or(Position::Oldest, Position::After);
            start(child.shard, &mut tasks, position);
        }
    }
}

/// Where to go on in a shard.
#[derive(Clone, Debug)]
enum Position {
    Start(Start),
    Oldest,
    After(String),
}

#[derive(Debug)]
struct Reader {
    follow: Follow,
    sender: mpsc::Sender<Chunk>,
    room: Arc<Semaphore>,
    /// Shards that are being read.
    lanes: AtomicUsize,
    /// Whether it was said that the server does not answer.
    in_trouble: AtomicBool,
}

/// Children of a shard that was read to its end; `None` for one that has nothing more for now.
type End = Option<Vec<Child<Lane>>>;

impl Reader {
    fn first_position(&self, shard_id: &str) -> Position {
        let known = self.follow.after.get(shard_id).cloned();
        known.map_or(Position::Start(self.follow.start), Position::After)
    }

    async fn lane(&self, lane: &Arc<Lane>, mut position: Position) -> Result<End> {
        let mut pause = FIRST_PAUSE;
        loop {
            let read = match &self.follow.consumer {
                None => self.poll(lane, &mut position).await,
                Some(consumer) => self.subscribe(consumer, lane, &mut position).await,
            };
            match read {
                Ok(Step::End(end)) => return Ok(end),
                Ok(Step::Again) => pause = FIRST_PAUSE,
                Ok(Step::Busy) => tokio::time::sleep(BUSY_PAUSE).await,
                Err(Trouble::Call(error)) if error.is_passing() => {
                    if !self.in_trouble.swap(true, Ordering::Relaxed) {
                        note(format_args!("millstream: {error}\n  Trying again until it answers"));
                    }
                    tokio::time::sleep(pause).await;
                    pause = (pause * 2).min(LONGEST_PAUSE);
                }
                Err(Trouble::Call(error)) => return Err(error.into()),
                Err(Trouble::Other(error)) => return Err(error),
            }
        }
    }

    fn answered(&self) {
        if self.in_trouble.swap(false, Ordering::Relaxed) {
            note("millstream: it answers again");
        }
    }

    async fn poll(&self, lane: &Arc<Lane>, position: &mut Position) -> Result<Step, Trouble> {
        let mut iterator = self.iterator(lane, position).await?;
        loop {
            let room = Arc::clone(&self.room).acquire_owned().await.context("the reading has ended")?;
            let call = self.follow.connection.kinesis.get_records().shard_iterator(&iterator);
            let call = call.limit(caps::PAGE_RECORDS).set_stream_arn(self.follow.stream.arn());
            let page = match call.send().await {
                Ok(page) => page,
                Err(error) => {
                    let error = self.failed(lane, "read", &error);
                    return match error.code.as_deref() {
                        Some("ExpiredIteratorException") => Ok(Step::Again),
                        _ => Err(error.into()),
                    };
                }
            };
            self.answered();
            let behind = page.millis_behind_latest.unwrap_or_default() > 0;
            let empty = page.records.is_empty();
            self.hand_on(lane, page.records, position, Some(room)).await?;
            let Some(next) = page.next_shard_iterator else {
                return Ok(Step::End(Some(children(page.child_shards.unwrap_or_default())?)));
            };
            if self.follow.until_caught_up && !behind {
                return Ok(Step::End(None));
            }
            iterator = next;
            tokio::time::sleep(self.pause(empty && !behind)).await;
        }
    }

    /// How long to wait before the next call: AWS takes five a second of each shard.
    fn pause(&self, idle: bool) -> Duration {
        let lanes = u32::try_from(self.lanes.load(Ordering::Relaxed)).unwrap_or(u32::MAX);
        match (self.follow.connection.target(crate::commands::error::Service::Kinesis).is_aws(), idle) {
            (true, true) => Duration::from_secs(1),
            (true, false) => Duration::from_millis(200),
            (false, true) => FIRST_PAUSE.max(Duration::from_millis(2).saturating_mul(lanes)),
            (false, false) => Duration::ZERO,
        }
    }

    async fn iterator(&self, lane: &Lane, position: &Position) -> Result<String, Trouble> {
        let call = self.follow.connection.kinesis.get_shard_iterator().shard_id(&lane.shard_id);
        let call = call.set_stream_name(self.follow.stream.name()).set_stream_arn(self.follow.stream.arn());
        let call = match position {
            Position::Start(Start::At(at)) => {
                call.shard_iterator_type(ShardIteratorType::AtTimestamp).timestamp(to_sdk(*at))
            }
            Position::Start(Start::Latest | Start::Ago(_)) => {
                call.shard_iterator_type(ShardIteratorType::Latest)
            }
            Position::Start(Start::TrimHorizon) | Position::Oldest => {
                call.shard_iterator_type(ShardIteratorType::TrimHorizon)
            }
            Position::After(number) => call
                .shard_iterator_type(ShardIteratorType::AfterSequenceNumber)
                .starting_sequence_number(number),
        };
        let answer = call.send().await.map_err(|error| self.failed(lane, "read", &error))?;
        Ok(answer.shard_iterator.context("the answer has no shard iterator")?)
    }

    async fn subscribe(
        &self,
        consumer: &str,
        lane: &Arc<Lane>,
        position: &mut Position,
    ) -> Result<Step, Trouble> {
        let from = StartingPosition::builder();
        let from = match &*position {
            Position::Start(Start::At(at)) => {
                from.r#type(ShardIteratorType::AtTimestamp).timestamp(to_sdk(*at))
            }
            Position::Start(Start::Latest | Start::Ago(_)) => from.r#type(ShardIteratorType::Latest),
            Position::Start(Start::TrimHorizon) | Position::Oldest => {
                from.r#type(ShardIteratorType::TrimHorizon)
            }
            Position::After(number) => {
                from.r#type(ShardIteratorType::AfterSequenceNumber).sequence_number(number)
            }
        };
        let from = from.build().context("a position")?;
        let call = self.follow.connection.subscriber.subscribe_to_shard().consumer_arn(consumer);
        let call = call.shard_id(&lane.shard_id).starting_position(from);
        let mut events = match tokio::time::timeout(SILENCE, call.send()).await {
            Ok(Ok(answer)) => answer.event_stream,
            Ok(Err(error)) => {
                let error = self.failed(lane, "subscribe to", &error);
                return match error.code.as_deref() {
                    Some("ResourceInUseException") => Ok(Step::Busy),
                    _ => Err(error.into()),
                };
            }
            Err(_silent) => return Ok(Step::Busy),
        };
        self.answered();
        loop {
            let event = match tokio::time::timeout(SILENCE, events.recv()).await {
                Ok(Ok(Some(SubscribeToShardEventStream::SubscribeToShardEvent(event)))) => event,
                Ok(Ok(Some(_))) => continue,
                // Its five minutes are over.
                Ok(Ok(None)) => return Ok(Step::Again),
                // It broke. One that breaks each time is not asked for without a pause.
                Ok(Err(_)) | Err(_) => return Ok(Step::Busy),
            };
            self.hand_on(lane, event.records, position, None).await?;
            if let Some(shards) = event.child_shards.filter(|shards| !shards.is_empty()) {
                return Ok(Step::End(Some(children(shards)?)));
            }
            if !event.continuation_sequence_number.is_empty() {
                *position = Position::After(event.continuation_sequence_number);
            }
            if self.follow.until_caught_up && event.millis_behind_latest == 0 {
                return Ok(Step::End(None));
            }
        }
    }

    async fn hand_on(
        &self,
        lane: &Arc<Lane>,
        records: Vec<Record>,
        position: &mut Position,
        room: Option<OwnedSemaphorePermit>,
    ) -> Result<(), Trouble> {
        let Some(last) = records.last() else { return Ok(()) };
        let number = last.sequence_number.clone();
        let chunk = Chunk { lane: Arc::clone(lane), records, _room: room };
        self.sender.send(chunk).await.context("nobody takes the records any more")?;
        *position = Position::After(number);
        Ok(())
    }

    fn failed<E, R>(
        &self,
        lane: &Lane,
        what: &str,
        error: &aws_sdk_kinesis::error::SdkError<E, R>,
    ) -> CallError
    where
        E: aws_sdk_kinesis::error::ProvideErrorMetadata + std::error::Error + 'static,
        R: std::fmt::Debug,
    {
        let doing = format!("{what} {} of {}", lane.shard_id, self.follow.stream);
        self.follow.connection.kinesis_failed(doing, error)
    }
}

/// How a stretch of reading ended.
enum Step {
    End(End),
    /// Go on from where it was.
    Again,
    /// Something else is in the way; it will be over soon.
    Busy,
}

enum Trouble {
    Call(CallError),
    Other(anyhow::Error),
}

impl From<CallError> for Trouble {
    fn from(error: CallError) -> Self {
        Self::Call(error)
    }
}

impl From<anyhow::Error> for Trouble {
    fn from(error: anyhow::Error) -> Self {
        Self::Other(error)
    }
}

fn children(shards: Vec<ChildShard>) -> Result<Vec<Child<Lane>>> {
    let child = |child: ChildShard| {
        let range = hash_range(child.hash_key_range.as_ref())?;
        let lane = Lane { shard_id: child.shard_id.clone(), range };
        Ok(Child { id: child.shard_id, parents: child.parent_shards, shard: lane })
    };
    shards.into_iter().map(child).collect()
}
