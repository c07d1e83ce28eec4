use crate::{Engine, EngineError, Page, PageLimit, caps};
use millstream_control::{ConsumerStatus, Shard, State, Stream};
use millstream_log::TailWatch;
use millstream_types::{LogShard, Position};
use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio::time::{Instant, sleep_until};

/// Who reads which shard by enhanced fan-out: at most one subscription per consumer and shard.
#[derive(Debug, Default)]
pub(crate) struct Registry {
    slots: Mutex<HashMap<Key, Slot>>,
    last_id: AtomicU64,
}

type Key = (String, LogShard);

#[derive(Debug)]
struct Slot {
    id: u64,
    since: Duration,
    told: watch::Sender<Option<Ending>>,
}

/// What ends a subscription from outside.
#[derive(Clone, Copy, Debug)]
enum Ending {
    /// Another subscription has the slot.
    TakenOver,
    /// The consumer was deregistered. There may be another one of its ARN since, which is exact to the second only.
    Gone,
}

impl Registry {
    fn lock(&self) -> MutexGuard<'_, HashMap<Key, Slot>> {
        // Each critical section is one map operation, so a panic elsewhere leaves the map whole.
        self.slots.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Take the slot. A live subscription younger than five seconds keeps it.
    fn take(&self, key: &Key, now: Duration) -> Option<(u64, watch::Receiver<Option<Ending>>)> {
        let mut slots = self.lock();
        if is_held(&slots, key, now) {
            return None;
        }
        let id = self.last_id.fetch_add(1, Ordering::Relaxed);
        let (told, watch) = watch::channel(None);
        if let Some(before) = slots.insert(key.clone(), Slot { id, since: now, told }) {
            before.told.send_replace(Some(Ending::TakenOver));
        }
        Some((id, watch))
    }

    /// End all subscriptions of a consumer.
    pub(crate) fn end_consumer(&self, arn: &str) {
        self.lock().retain(|(consumer, _), slot| {
            let stays = consumer != arn;
            if !stays {
                slot.told.send_replace(Some(Ending::Gone));
            }
            stays
        });
    }

    /// Whether the slot is held against another subscription.
    fn is_held(&self, key: &Key, now: Duration) -> bool {
        is_held(&self.lock(), key, now)
    }

    fn release(&self, key: &Key, id: u64) {
        let mut slots = self.lock();
        if slots.get(key).is_some_and(|slot| slot.id == id) {
            slots.remove(key);
        }
    }
}

fn is_held(slots: &HashMap<Key, Slot>, key: &Key, now: Duration) -> bool {
    slots.get(key).is_some_and(|slot| now.saturating_sub(slot.since) < caps::SUBSCRIPTION_HOLD)
}

#[derive(Clone, Debug, thiserror::Error)]
pub enum SubscribeError {
    /// Another subscription of the consumer to the shard is less than five seconds old.
    #[error("consumer {consumer} reads the shard already")]
    InUse { consumer: String },
    /// The consumer was deregistered meanwhile.
    #[error("there is no active consumer {consumer}")]
    NoConsumer { consumer: String },
    #[error(transparent)]
    Engine(#[from] EngineError),
}

/// Why a subscription is over.
#[derive(Clone, Debug, thiserror::Error)]
pub enum SubscriptionEnd {
    /// Its five minutes are over: subscribe again.
    #[error("the subscription's time is over")]
    Expired,
    /// All of a closed shard was delivered.
    #[error("the shard has ended")]
    ShardEnd,
    #[error("another subscription of the same consumer took over")]
    TakenOver,
    /// The stream or the consumer was deleted.
    #[error("the stream or consumer is gone")]
    Gone,
    #[error(transparent)]
    Failed(#[from] EngineError),
}

/// What a subscription delivers; a page without records says that it is alive and how far behind it is.
#[derive(Debug)]
pub struct Event {
    pub page: Page,
    /// The stream as it was at the event (its child shards, at the end of a shard).
    pub stream: Arc<Stream>,
    pub room: Room,
}

/// The memory that an event and what is made of it may take. It is given back when this is dropped.
#[derive(Debug, Default)]
pub struct Room(Option<OwnedSemaphorePermit>);

impl Room {
    /// Keep only what so many bytes need.
    pub fn shrink(&mut self, bytes: usize) {
        if let Some(permit) = &mut self.0 {
            let more = permit.num_permits().saturating_sub(bytes.div_ceil(1_024));
            drop(permit.split(more));
        }
    }
}

/// The memory for the events of all subscriptions ([`caps::EVENTS_KIB`]).
#[derive(Clone, Debug)]
pub(crate) struct Rooms(Arc<Semaphore>);

impl Default for Rooms {
    fn default() -> Self {
        Self::of_kib(caps::EVENTS_KIB)
    }
}

impl Rooms {
    pub(crate) fn of_kib(kib: usize) -> Self {
        Self(Arc::new(Semaphore::new(kib)))
    }

    /// Room for whatever an event of the stream can be: base64 needs four bytes for three.
    async fn take(&self, stream: &Stream, limit: PageLimit) -> Room {
        let record = usize::try_from(stream.max_record_kib).unwrap_or(usize::MAX).saturating_mul(1_024);
        let bytes = limit.bytes.max(record).saturating_mul(4).div_ceil(3);
        let bytes = bytes.saturating_add(limit.records.saturating_mul(caps::EVENT_RECORD_OVERHEAD));
        let kib = u32::try_from(bytes.div_ceil(1_024).min(caps::EVENTS_KIB)).unwrap_or(u32::MAX);
        Room(self.0.clone().acquire_many_owned(kib).await.ok())
    }
}

/// One consumer's reading of one shard, woken by the shard's durable tail.
#[derive(Debug)]
pub struct Subscription {
    engine: Engine,
    key: Key,
    id: u64,
    stream: String,
    shard: Shard,
    consumer_arn: String,
    tail: TailWatch,
    told: watch::Receiver<Option<Ending>>,
    next: Position,
    /// Until then the consumer gets no records.
    held_until: Instant,
    ends: Instant,
    limit: PageLimit,
    /// The shard's end was delivered.
    ended: bool,
}

impl Engine {
    /// Whether a subscription of the consumer to the shard would be refused because of another one.
    pub fn is_subscribed(&self, consumer_arn: &str, shard: &Shard) -> bool {
        self.subscriptions.is_held(&(consumer_arn.to_owned(), shard.log), self.clock.monotonic())
    }

    /// Subscribe a consumer to a shard from a position. The caller has checked that the consumer is active.
    pub fn subscribe(
        &self,
        stream: &Stream,
        consumer_arn: &str,
        shard: &Shard,
        from: Position,
    ) -> Result<Subscription, SubscribeError> {
        let tail = self.tail(stream, shard.log)?;
        let key = (consumer_arn.to_owned(), shard.log);
        let (id, told) = self
            .subscriptions
            .take(&key, self.clock.monotonic())
            .ok_or_else(|| SubscribeError::InUse { consumer: consumer_arn.to_owned() })?;
        let now = Instant::now();
        let subscription = Subscription {
            engine: self.clone(),
            key,
            id,
            stream: stream.name.clone(),
            shard: shard.clone(),
            consumer_arn: consumer_arn.to_owned(),
            tail,
            told,
            next: from,
            held_until: now,
            ends: now + caps::SUBSCRIPTION_LIFE,
            limit: PageLimit { records: caps::EVENT_RECORDS, bytes: caps::EVENT_BYTES },
            ended: false,
        };
        // Only now: whoever takes a consumer away first says so in the state, and then ends the subscriptions that it finds.
        let state = self.control.state();
        let consumer =
            state.streams.get(&stream.name).and_then(|stream| stream.consumer_by_arn(consumer_arn));
        if consumer.is_some_and(|consumer| consumer.status == ConsumerStatus::Active) {
            Ok(subscription)
        } else {
            Err(SubscribeError::NoConsumer { consumer: consumer_arn.to_owned() })
        }
    }
}

impl Subscription {
    /// Cap the size of the events to come.
    #[must_use]
    pub fn with_limit(mut self, limit: PageLimit) -> Self {
        self.limit = limit;
        self
    }

    /// Deliver no records for so long. Empty events come as ever, and so does the end.
    pub fn hold(&mut self, pause: Duration) {
        self.held_until = Instant::now() + pause;
    }

    /// The next event: records as soon as there are some, else an empty one after a few seconds.
    pub async fn next(&mut self) -> Result<Event, SubscriptionEnd> {
        // Whatever has become of the stream meanwhile: its reader has had all of the shard.
        if self.ended {
            return Err(SubscriptionEnd::ShardEnd);
        }
        let idle = Instant::now() + caps::SUBSCRIPTION_IDLE;
        let mut control = self.engine.control.watch();
        loop {
            control.mark_unchanged();
            let stream = self.current_stream()?;
            let held = Instant::now() < self.held_until;
            if !held || Instant::now() >= idle {
                let room = if held { None } else { self.room(&stream, idle).await? };
                let stream = self.current_stream()?;
                let page = match &room {
                    Some(_) => self.engine.read(&stream, &self.shard, self.next, self.limit).await?,
                    None => self.standing(&stream).await?,
                };
                self.next = page.next;
                self.ended = page.at_end;
                let room = room.unwrap_or_default();
                if page.at_end {
                    // It may have been closed since the stream was looked up, and its children are to be told.
                    let stream = self.engine.current(&stream).map_err(|_gone| SubscriptionEnd::Gone)?;
                    return Ok(Event { page, stream, room });
                }
                // A shard that is being closed may have records that nobody can be given yet, for longer than a client
                // bears silence.
                if !page.records.is_empty() || Instant::now() >= idle {
                    return Ok(Event { page, stream, room });
                }
            }
            self.wait(&stream, &mut control, idle, held).await?;
        }
    }

    /// Room for an event, or nothing if there is none until it is time for an empty one.
    async fn room(&mut self, stream: &Stream, idle: Instant) -> Result<Option<Room>, SubscriptionEnd> {
        tokio::select! {
            biased;
            room = self.engine.rooms.take(stream, self.limit) => Ok(Some(room)),
            _ = self.told.changed() => Err(self.ending().unwrap_or(SubscriptionEnd::TakenOver)),
            () = sleep_until(self.ends) => Err(SubscriptionEnd::Expired),
            () = sleep_until(idle) => Ok(None),
        }
    }

    /// How far behind the consumer is, and no records, which it may not have yet.
    async fn standing(&self, stream: &Stream) -> Result<Page, EngineError> {
        let one = PageLimit { records: 1, bytes: 1 };
        let page = self.engine.read(stream, &self.shard, self.next, one).await?;
        let behind = if page.records.is_empty() { page.behind_millis } else { page.behind_millis.max(1) };
        Ok(Page { records: Vec::new(), next: self.next, behind_millis: behind, at_end: false })
    }

    /// Until there is a reason to look again; an error when the subscription is over.
    async fn wait(
        &mut self,
        stream: &Arc<Stream>,
        control: &mut watch::Receiver<Arc<State>>,
        idle: Instant,
        held: bool,
    ) -> Result<(), SubscriptionEnd> {
        // Its end (the log stopped) is no reason to look again and again: what is durable is still to be had.
        let mut control_lives = true;
        loop {
            tokio::select! {
                biased;
                _ = self.told.changed() => return Err(self.ending().unwrap_or(SubscriptionEnd::TakenOver)),
                moved = self.tail.beyond(self.next), if !held => {
                    return moved.map(drop).ok_or(SubscriptionEnd::Gone);
                }
                changed = control.changed(), if control_lives => {
                    control_lives = changed.is_ok();
                    // Most changes (checkpoints above all) are about something else.
                    let now = control.borrow_and_update();
                    let same = now.streams.get(&self.stream).is_some_and(|now| Arc::ptr_eq(now, stream));
                    if !same {
                        return Ok(());
                    }
                }
                () = sleep_until(self.ends) => return Err(SubscriptionEnd::Expired),
                () = sleep_until(idle) => return Ok(()),
                () = sleep_until(self.held_until), if held => return Ok(()),
            }
        }
    }

    fn ending(&self) -> Option<SubscriptionEnd> {
        self.told.borrow().map(|ending| match ending {
            Ending::TakenOver => SubscriptionEnd::TakenOver,
            Ending::Gone => SubscriptionEnd::Gone,
        })
    }

    /// The stream and this shard as they are now; an error when they, the consumer or the slot are gone.
    fn current_stream(&mut self) -> Result<Arc<Stream>, SubscriptionEnd> {
        if let Some(ending) = self.ending() {
            return Err(ending);
        }
        if Instant::now() >= self.ends {
            return Err(SubscriptionEnd::Expired);
        }
        let state = self.engine.control.state();
        let stream = state.streams.get(&self.stream).ok_or(SubscriptionEnd::Gone)?;
        let consumer = stream.consumer_by_arn(&self.consumer_arn).ok_or(SubscriptionEnd::Gone)?;
        let shard = stream.shard(self.shard.id).filter(|shard| shard.log == self.shard.log);
        match shard {
            Some(shard) if consumer.status == ConsumerStatus::Active => self.shard = shard.clone(),
            _ => return Err(SubscriptionEnd::Gone),
        }
        Ok(stream.clone())
    }
}

impl Drop for Subscription {
    fn drop(&mut self) {
        self.engine.subscriptions.release(&self.key, self.id);
    }
}
