//! One queue at work. It takes its requests one after another, so that no record goes to two, and makes the changes of all
//! that wait durable together.

use crate::caps;
use crate::change::Change;
use crate::delivery::{Deliveries, Delivery, Place};
use crate::journal::Journal;
use crate::measure::{Counts, Measured};
use crate::receipt::{Kind, Receipt};
use crate::service::{Delivered, QueueError, Receive, SettleError, Settlement, What};
use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use millstream_control::{Queue, Shard, State, Stream};
use millstream_engine::{Engine, EngineError, PageLimit, Record, Start};
use millstream_log::Outcome;
use millstream_types::{Position, ShardId, Timestamp};
use std::collections::{BTreeSet, VecDeque};
use std::ops::ControlFlow;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{mpsc, oneshot};
use tokio::time::{Instant, sleep_until};

pub(crate) type ReceiveReply = oneshot::Sender<Result<Vec<Delivered>, QueueError>>;
pub(crate) type SettleReply = oneshot::Sender<Result<Vec<Result<(), SettleError>>, QueueError>>;

#[derive(Debug)]
pub(crate) enum Job {
    Receive(Receive, ReceiveReply),
    Settle(Kind, Vec<Settlement>, SettleReply),
    Measure(oneshot::Sender<Measured>),
}

/// Somebody who waits for a record.
#[derive(Debug)]
struct Waiting {
    receive: Receive,
    until: Instant,
    reply: ReceiveReply,
}

/// An answer that waits for the changes behind it to be durable.
enum Answer {
    Received(ReceiveReply, Vec<Delivered>),
    Settled(SettleReply, Vec<Result<(), SettleError>>),
}

pub(crate) struct Actor {
    id: String,
    pub(crate) engine: Engine,
    journal: Journal,
    pub(crate) state: Deliveries,
    pub(crate) counts: Counts,
    jobs: mpsc::Receiver<Job>,
    waiting: VecDeque<Waiting>,
    /// What the queue was last seen to allow.
    max_receives: Option<u32>,
    /// The shard that was read last: the next receive begins after it.
    last_read: Option<ShardId>,
    /// Changes applied and not yet durable, and what undoes them.
    changes: Vec<Change>,
    undo: Vec<Change>,
    /// What they come to.
    uncounted: Counts,
    answers: Vec<Answer>,
}

/// The queue and its stream as they are now.
pub(crate) struct View {
    queue: Arc<Queue>,
    pub(crate) stream: Arc<Stream>,
}

impl Actor {
    pub(crate) fn new(
        id: String,
        engine: Engine,
        journal: Journal,
        state: Deliveries,
        jobs: mpsc::Receiver<Job>,
    ) -> Self {
        Self {
            id,
            engine,
            journal,
            state,
            counts: Counts::default(),
            jobs,
            waiting: VecDeque::new(),
            max_receives: None,
            last_read: None,
            changes: Vec::new(),
            undo: Vec::new(),
            uncounted: Counts::default(),
            answers: Vec::new(),
        }
    }

    pub(crate) async fn run(mut self) {
        let mut control = self.engine.control().watch();
        let mut group = Vec::with_capacity(caps::GROUP);
        loop {
            let Some(view) = self.view(&control.borrow_and_update().clone()) else { return };
            self.follow(&view);
            self.serve_waiting(&view).await;
            for job in group.drain(..) {
                self.take(job, &view).await;
            }
            if self.finish().await.is_break() {
                return;
            }
            let wake = self.wake(&view);
            tokio::select! {
                biased;
                count = self.jobs.recv_many(&mut group, caps::GROUP) => {
                    if count == 0 {
                        return;
                    }
                }
                changed = control.changed() => {
                    if changed.is_err() {
                        return;
                    }
                }
                () = wake => {}
            }
        }
    }

    fn view(&self, state: &State) -> Option<View> {
        let queue = state.queues.get(&self.id)?.clone();
        let stream = state.streams.get(&queue.stream)?.clone();
        Some(View { queue, stream })
    }

    /// Lanes for shards that are new, none for those that have expired.
    fn follow(&mut self, view: &View) {
        let gone: Vec<ShardId> =
            self.state.lanes.keys().filter(|shard| view.stream.shard(**shard).is_none()).copied().collect();
        for shard in gone {
            self.counts.expired += self.state.forget(shard) as u64;
        }
        for shard in &view.stream.shards {
            // Where it begins is in the control state, so it need not be in the journal.
            let began = view.queue.began.as_ref().and_then(|began| began.positions.get(&shard.id));
            self.state.lanes.entry(shard.id).or_insert_with(|| crate::delivery::Lane {
                next: began.copied().unwrap_or_default(),
                ..crate::delivery::Lane::default()
            });
        }
        if self.max_receives != view.queue.settings.max_receives {
            self.max_receives = view.queue.settings.max_receives;
            self.bury(view);
        }
    }

    /// What was received as often as the queue allows now is a dead letter, although it was not when it was received.
    fn bury(&mut self, view: &View) {
        let over = |delivery: &Delivery| !delivery.dead && is_last(delivery.count, view);
        let lanes = self.state.lanes.iter();
        let all = lanes.flat_map(|(id, lane)| lane.outstanding.iter().map(|(at, of)| (*id, *at, *of)));
        for (shard, position, delivery) in all.filter(|(.., of)| over(of)).collect::<Vec<_>>() {
            self.uncounted.died += 1;
            self.change(Change::Set(shard, position, Delivery { dead: true, ..delivery }));
        }
    }

    async fn take(&mut self, job: Job, view: &View) {
        match job {
            Job::Measure(reply) => drop(reply.send(self.measure(view).await)),
            Job::Settle(kind, settlements, reply) => {
                let secret = view.queue.secret.as_bytes().to_vec();
                let results =
                    settlements.iter().map(|settlement| self.settle(kind, settlement, &secret)).collect();
                self.answers.push(Answer::Settled(reply, results));
            }
            Job::Receive(receive, reply) => match self.receive(&receive, view).await {
                Err(error) => drop(reply.send(Err(error))),
                Ok(records) if records.is_empty() && self.waiting.len() >= caps::WAITING => {
                    drop(reply.send(Err(QueueError::Busy(caps::WAITING))));
                }
                Ok(records) if records.is_empty() => {
                    self.waiting.push_back(Waiting { receive, until: Instant::now() + receive.wait, reply });
                }
                Ok(records) => self.answers.push(Answer::Received(reply, records)),
            },
        }
    }

    /// Give those who wait what has come meanwhile, in the order of their coming.
    async fn serve_waiting(&mut self, view: &View) {
        let now = Instant::now();
        let (mut none, mut none_dead) = (false, false);
        for _ in 0..self.waiting.len() {
            let Some(waiting) = self.waiting.pop_front() else { return };
            // Who has gone away must not use up a receive.
            if waiting.reply.is_closed() {
                continue;
            }
            let empty = match waiting.receive.kind {
                Kind::Record => &mut none,
                Kind::DeadLetter => &mut none_dead,
            };
            let found = if *empty { Ok(Vec::new()) } else { self.receive(&waiting.receive, view).await };
            match found {
                Err(error) => drop(waiting.reply.send(Err(error))),
                Ok(records) if !records.is_empty() => {
                    self.answers.push(Answer::Received(waiting.reply, records));
                }
                Ok(_) => {
                    match waiting.receive.kind {
                        Kind::Record => none = true,
                        Kind::DeadLetter => none_dead = true,
                    }
                    if waiting.until <= now {
                        drop(waiting.reply.send(Ok(Vec::new())));
                    } else {
                        self.waiting.push_back(waiting);
                    }
                }
            }
        }
    }

    fn settle(&mut self, kind: Kind, settlement: &Settlement, secret: &[u8]) -> Result<(), SettleError> {
        let receipt = Receipt::open(secret, &settlement.handle);
        let receipt = receipt.filter(|receipt| receipt.is_of(kind)).ok_or(SettleError::Forged)?;
        let place = (receipt.shard, receipt.position);
        let delivery = *self.state.get(place).ok_or(SettleError::Gone)?;
        // A receipt of a dead letter ends with its being one: what was restored waits for a receiver.
        let restored = kind == Kind::DeadLetter && !delivery.dead;
        if restored || delivery.number != receipt.number {
            return Err(SettleError::Stale);
        }
        let now = self.engine.now();
        let (shard, position) = place;
        let counts = &mut self.uncounted;
        match (settlement.what, kind) {
            (What::Acknowledge, Kind::Record) => counts.acknowledged += 1,
            (What::Acknowledge, Kind::DeadLetter) => counts.dead_acknowledged += 1,
            (What::Restore, _) => counts.restored += 1,
            (What::Hide { .. }, _) => {}
        }
        self.change(match settlement.what {
            What::Acknowledge => Change::Remove(shard, position),
            What::Hide { secs } => {
                Change::Set(shard, position, Delivery { visible_at: later(now, secs), ..delivery })
            }
            What::Restore => {
                let restored = Delivery { count: 0, dead: false, visible_at: now, ..delivery };
                Change::Set(shard, position, restored)
            }
        });
        Ok(())
    }

    /// Records for one request, hidden from others as of now. If some cannot be read, none was received: what was found
    /// before them would be hidden, and perhaps a dead letter, without anybody having seen it.
    async fn receive(&mut self, receive: &Receive, view: &View) -> Result<Vec<Delivered>, QueueError> {
        let (changes, counts, last_read) = (self.changes.len(), self.uncounted, self.last_read);
        let found = self.find(receive, view).await;
        if found.is_err() {
            self.changes.truncate(changes);
            for change in self.undo.split_off(changes).into_iter().rev() {
                self.state.apply(change);
            }
            (self.uncounted, self.last_read) = (counts, last_read);
        }
        found
    }

    async fn find(&mut self, receive: &Receive, view: &View) -> Result<Vec<Delivered>, QueueError> {
        let now = self.engine.now();
        let mut out =
            Received { records: Vec::new(), places: BTreeSet::new(), bytes: 0, limit: receive.limit };
        self.redeliver(receive, view, now, &mut out).await?;
        if receive.kind == Kind::Record && !out.is_full() {
            self.deliver_new(receive, view, now, &mut out).await?;
        }
        Ok(out.records)
    }

    /// What was received before and is visible again.
    async fn redeliver(
        &mut self,
        receive: &Receive,
        view: &View,
        now: Timestamp,
        out: &mut Received,
    ) -> Result<(), QueueError> {
        let dead = receive.kind == Kind::DeadLetter;
        while !out.is_full()
            && let Some(place) = self.state.visible(dead, now, &out.places)
        {
            let (shard, position) = place;
            let Some(delivery) = self.state.get(place).copied() else { return Ok(()) };
            let Some(of) = view.stream.shard(shard) else { return Ok(()) };
            // The queue was set to fewer receives since.
            if !delivery.dead && is_last(delivery.count, view) {
                self.uncounted.died += 1;
                self.change(Change::Set(shard, position, Delivery { dead: true, ..delivery }));
                continue;
            }
            match self.record(&view.stream, of, position).await? {
                None => self.expired(shard, position),
                Some(record) => {
                    let next = Delivery {
                        count: delivery.count.saturating_add(1),
                        number: delivery.number.saturating_add(1),
                        visible_at: later(now, secs(receive, view)),
                        ..delivery
                    };
                    self.deliver(receive.kind, view, place, next, record, out);
                }
            }
        }
        Ok(())
    }

    /// Records that nobody has received yet, from one shard after the other.
    async fn deliver_new(
        &mut self,
        receive: &Receive,
        view: &View,
        now: Timestamp,
        out: &mut Received,
    ) -> Result<(), QueueError> {
        let all: Vec<ShardId> = view.stream.shards.iter().map(|shard| shard.id).collect();
        let after = all.partition_point(|shard| self.last_read.is_some_and(|last| *shard <= last));
        for id in all[after..].iter().chain(&all[..after]).copied() {
            if out.is_full() {
                return Ok(());
            }
            let Some(shard) = view.stream.shard(id) else { continue };
            let next = self.state.lanes.get(&id).map_or(Position(0), |lane| lane.next);
            let is_there = self.engine.log().tail(shard.log).is_ok_and(|tail| tail.current() > next);
            if !is_there {
                continue;
            }
            if self.state.outstanding() >= caps::OUTSTANDING {
                self.expire(view).await?;
            }
            if self.state.outstanding() >= caps::OUTSTANDING {
                let full = Err(QueueError::TooManyOutstanding(caps::OUTSTANDING));
                return if out.records.is_empty() { full } else { Ok(()) };
            }
            let limit = PageLimit {
                records: out.limit - out.records.len(),
                bytes: caps::ANSWER_BYTES.saturating_sub(out.bytes).max(1),
            };
            let page = self.engine.read(&view.stream, shard, next, limit).await?;
            self.last_read = Some(id);
            // All that was there has expired unreceived: who waits must not be woken for it again and again.
            if page.records.is_empty() && page.next > next {
                self.change(Change::Next(id, page.next));
            }
            for record in page.records {
                // The first comes however large it is; others only if they fit.
                if out.bytes > 0 && out.bytes + record.size() > caps::ANSWER_BYTES {
                    return Ok(());
                }
                let place = (id, record.position);
                let delivery = Delivery {
                    count: 1,
                    number: 1,
                    visible_at: later(now, secs(receive, view)),
                    first: now,
                    dead: false,
                };
                self.change(Change::Next(id, record.position.next()));
                self.deliver(receive.kind, view, place, delivery, record, out);
            }
        }
        Ok(())
    }

    /// Forget what the stream has forgotten. Dead letters that nobody receives must not fill the queue for ever.
    async fn expire(&mut self, view: &View) -> Result<(), QueueError> {
        for shard in &view.stream.shards {
            let first = self.engine.position(&view.stream, shard, Start::TrimHorizon).await?;
            let lane = self.state.lanes.get(&shard.id);
            let gone: Vec<Position> =
                lane.iter().flat_map(|lane| lane.outstanding.range(..first).map(|(at, _)| *at)).collect();
            for position in gone {
                self.expired(shard.id, position);
            }
        }
        Ok(())
    }

    /// The stream has forgotten a record.
    fn expired(&mut self, shard: ShardId, position: Position) {
        self.uncounted.expired += 1;
        self.change(Change::Remove(shard, position));
    }

    fn deliver(
        &mut self,
        kind: Kind,
        view: &View,
        place: Place,
        delivery: Delivery,
        record: Record,
        out: &mut Received,
    ) {
        let (shard, position) = place;
        // From when it is visible again. Until then its receiver may acknowledge it as any other.
        let dies = !delivery.dead && is_last(delivery.count, view);
        match kind {
            Kind::Record => self.uncounted.received += 1,
            Kind::DeadLetter => self.uncounted.dead_received += 1,
        }
        self.uncounted.died += u64::from(dies);
        let delivery = Delivery { dead: delivery.dead || dies, ..delivery };
        self.change(Change::Set(shard, position, delivery));
        let receipt = Receipt { kind, shard, position, number: delivery.number };
        out.places.insert(place);
        out.bytes += record.size();
        out.records.push(Delivered {
            handle: receipt.seal(view.queue.secret.as_bytes()),
            sequence_number: record.sequence_number,
            partition_key: record.partition_key,
            data: record.data,
            arrival: record.arrival,
            first_received: delivery.first,
            receive_count: delivery.count,
        });
    }

    /// One record; `None` if the stream does not keep it any more.
    async fn record(
        &self,
        stream: &Stream,
        shard: &Shard,
        position: Position,
    ) -> Result<Option<Record>, EngineError> {
        let one = PageLimit { records: 1, bytes: caps::ANSWER_BYTES };
        let page = self.engine.read(stream, shard, position, one).await?;
        Ok(page.records.into_iter().next().filter(|record| record.position == position))
    }

    fn change(&mut self, change: Change) {
        self.undo.push(self.state.apply(change));
        self.changes.push(change);
    }

    /// Make the changes durable, then answer.
    async fn finish(&mut self) -> ControlFlow<()> {
        let changes = std::mem::take(&mut self.changes);
        let undo = std::mem::take(&mut self.undo);
        let answers = std::mem::take(&mut self.answers);
        let counts = std::mem::take(&mut self.uncounted);
        let written =
            if changes.is_empty() { Ok(()) } else { self.journal.write(changes, self.engine.now()).await };
        let Err(error) = written else {
            self.counts.add(counts);
            for answer in answers {
                match answer {
                    Answer::Received(reply, records) => drop(reply.send(Ok(records))),
                    Answer::Settled(reply, results) => drop(reply.send(Ok(results))),
                }
            }
            return self.snapshot().await;
        };
        for change in undo.into_iter().rev() {
            self.state.apply(change);
        }
        for answer in answers {
            match answer {
                Answer::Received(reply, _) => drop(reply.send(Err(error.clone().into()))),
                Answer::Settled(reply, _) => drop(reply.send(Err(error.clone().into()))),
            }
        }
        go_on(&error, &self.id)
    }

    async fn snapshot(&mut self) -> ControlFlow<()> {
        if !self.journal.is_snapshot_due(&self.state) {
            return ControlFlow::Continue(());
        }
        match self.journal.snapshot(&self.state, self.engine.now()).await {
            Ok(()) => ControlFlow::Continue(()),
            Err(error) => go_on(&error, &self.id),
        }
    }

    /// When to look again: a record comes or becomes visible, or somebody has waited long enough. For ever if nobody waits.
    fn wake(&self, view: &View) -> impl Future<Output = ()> + use<> {
        let kinds = |kind| self.waiting.iter().any(|waiting| waiting.receive.kind == kind);
        let mut at = self.waiting.iter().map(|waiting| waiting.until).min();
        let now = self.engine.now();
        let mut visible = |time: Option<Timestamp>| {
            if let Some(time) = time {
                let wanted = Instant::now() + Duration::from_millis(time.millis_since(now));
                at = Some(at.map_or(wanted, |at| at.min(wanted)));
            }
        };
        // Only for those who can have it: one who waits for dead letters would be woken for a record again and again.
        if kinds(Kind::Record) {
            visible(self.state.next_visible(false));
        }
        if kinds(Kind::DeadLetter) {
            visible(self.state.next_visible(true));
        }
        let tails = FuturesUnordered::new();
        if kinds(Kind::Record) && self.state.outstanding() < caps::OUTSTANDING {
            for shard in &view.stream.shards {
                let next = self.state.lanes.get(&shard.id).map_or(Position(0), |lane| lane.next);
                let finished = shard.closed_at.is_some_and(|end| next >= end);
                if let (false, Ok(mut tail)) = (finished, self.engine.log().tail(shard.log)) {
                    tails.push(async move {
                        if tail.beyond(next).await.is_none() {
                            std::future::pending::<()>().await;
                        }
                    });
                }
            }
        }
        async move {
            let mut tails = tails;
            let timer = async {
                match at {
                    Some(at) => sleep_until(at).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                () = timer => {}
                Some(()) = tails.next() => {}
            }
        }
    }
}

/// What one request gets.
struct Received {
    records: Vec<Delivered>,
    places: BTreeSet<Place>,
    bytes: usize,
    limit: usize,
}

impl Received {
    fn is_full(&self) -> bool {
        self.records.len() >= self.limit || self.bytes >= caps::ANSWER_BYTES
    }
}

fn secs(receive: &Receive, view: &View) -> u32 {
    receive.visibility_secs.unwrap_or(view.queue.settings.visibility_secs)
}

/// Whether a record that was received so often is not received again.
fn is_last(count: u32, view: &View) -> bool {
    view.queue.settings.max_receives.is_some_and(|most| count >= most)
}

fn later(now: Timestamp, secs: u32) -> Timestamp {
    now.plus_millis(u64::from(secs) * 1_000)
}

/// A change whose fate is unknown may be in the journal after all. A state without it would contradict it.
fn go_on(error: &millstream_log::AppendError, id: &str) -> ControlFlow<()> {
    if error.outcome() == Outcome::NotDone {
        return ControlFlow::Continue(());
    }
    tracing::error!(%error, queue = id, "a queue's changes may not be durable; it delivers nothing until its journal is read again");
    ControlFlow::Break(())
}
