use crate::{Engine, EngineError, Page, PageLimit, caps};
use millstream_control::{ConsumerStatus, Shard, Stream};
use millstream_log::TailWatch;
use millstream_types::{LogShard, Position};
use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::watch;
use tokio::time::{Instant, sleep, sleep_until};

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
    /// Dropped when another subscription takes over.
    _alive: watch::Sender<()>,
}

impl Registry {
    fn lock(&self) -> MutexGuard<'_, HashMap<Key, Slot>> {
        // Each critical section is one map operation, so a panic elsewhere leaves the map whole.
        self.slots.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Take the slot. A live subscription younger than five seconds keeps it.
    fn take(&self, key: &Key, now: Duration) -> Option<(u64, watch::Receiver<()>)> {
        let mut slots = self.lock();
        if is_held(&slots, key, now) {
            return None;
        }
        let id = self.last_id.fetch_add(1, Ordering::Relaxed);
        let (alive, watch) = watch::channel(());
        slots.insert(key.clone(), Slot { id, since: now, _alive: alive });
        Some((id, watch))
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
#[derive(Clone, Debug)]
pub struct Event {
    pub page: Page,
    /// The stream as it was at the event (its child shards, at the end of a shard).
    pub stream: Arc<Stream>,
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
    taken_over: watch::Receiver<()>,
    next: Position,
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
        let (id, taken_over) = self
            .subscriptions
            .take(&key, self.clock.monotonic())
            .ok_or_else(|| SubscribeError::InUse { consumer: consumer_arn.to_owned() })?;
        Ok(Subscription {
            engine: self.clone(),
            key,
            id,
            stream: stream.name.clone(),
            shard: shard.clone(),
            consumer_arn: consumer_arn.to_owned(),
            tail,
            taken_over,
            next: from,
            ends: Instant::now() + caps::SUBSCRIPTION_LIFE,
            limit: PageLimit { records: caps::EVENT_RECORDS, bytes: caps::EVENT_BYTES },
            ended: false,
        })
    }
}

impl Subscription {
    /// Cap the size of the events to come.
    #[must_use]
    pub fn with_limit(mut self, limit: PageLimit) -> Self {
        self.limit = limit;
        self
    }

    /// The next event: records as soon as there are some, else an empty one after a few seconds.
    pub async fn next(&mut self) -> Result<Event, SubscriptionEnd> {
        let idle = sleep(caps::SUBSCRIPTION_IDLE);
        tokio::pin!(idle);
        let mut control = self.engine.control.watch();
        // Its end (the log stopped) is no reason to look again and again: what is durable is still to be had.
        let mut control_lives = true;
        loop {
            control.mark_unchanged();
            let stream = self.current_stream()?;
            if self.ended {
                return Err(SubscriptionEnd::ShardEnd);
            }
            let page = self.engine.read(&stream, &self.shard, self.next, self.limit).await?;
            self.next = page.next;
            self.ended = page.at_end;
            if page.at_end {
                // It may have been closed since the stream was looked up, and its children are to be told.
                let stream = self.engine.current(&stream).map_err(|_gone| SubscriptionEnd::Gone)?;
                return Ok(Event { page, stream });
            }
            if !page.records.is_empty() {
                return Ok(Event { page, stream });
            }
            loop {
                tokio::select! {
                    biased;
                    _ = self.taken_over.changed() => return Err(SubscriptionEnd::TakenOver),
                    moved = self.tail.beyond(self.next) => {
                        if moved.is_none() {
                            return Err(SubscriptionEnd::Gone);
                        }
                        break;
                    }
                    changed = control.changed(), if control_lives => {
                        control_lives = changed.is_ok();
                        // Most changes (checkpoints above all) are about something else.
                        let now = control.borrow_and_update();
                        let same = now.streams.get(&self.stream).is_some_and(|now| Arc::ptr_eq(now, &stream));
                        if !same {
                            break;
                        }
                    }
                    () = sleep_until(self.ends) => return Err(SubscriptionEnd::Expired),
                    () = &mut idle => return Ok(Event { page, stream }),
                }
            }
        }
    }

    /// The stream and this shard as they are now; an error when they, the consumer or the slot are gone.
    fn current_stream(&mut self) -> Result<Arc<Stream>, SubscriptionEnd> {
        if self.taken_over.has_changed().is_err() {
            return Err(SubscriptionEnd::TakenOver);
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
