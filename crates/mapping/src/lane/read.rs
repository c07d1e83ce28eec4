//! Where a lane's records come from.

use super::item::{Apart, Item, Place};
use super::selection::{Choice, Selection};
use crate::caps;
use crate::plan::Plan;
use millstream_engine::{
    Engine, EngineError, Page, PageLimit, Record, SubscribeError, Subscription, SubscriptionEnd,
};
use millstream_log::TailWatch;
use millstream_types::{Position, Timestamp};
use std::collections::VecDeque;
use std::time::Duration;

/// Reading failed: why, and when to try again.
#[derive(Debug, thiserror::Error)]
pub(super) enum ReadProblem {
    #[error(transparent)]
    Engine(#[from] EngineError),
    #[error(transparent)]
    Subscribe(#[from] SubscribeError),
    #[error(transparent)]
    Subscription(#[from] SubscriptionEnd),
    #[error("a filter cannot be read by this version of Millstream: {0}")]
    Filter(String),
}

impl ReadProblem {
    pub(super) fn pause(&self) -> Duration {
        match self {
            Self::Subscription(SubscriptionEnd::TakenOver) => caps::TAKEN_OVER_PAUSE,
            _ => caps::READ_PAUSE,
        }
    }
}

#[derive(Debug)]
enum Reader {
    /// Pages read when the durable tail moves. The watch is made when it is first needed.
    Standard(Option<TailWatch>),
    /// A subscription of enhanced fan-out, with its consumer's ARN.
    FanOut(String, Option<Box<Subscription>>),
}

/// A batch that was read again.
#[derive(Debug)]
pub(super) struct Again {
    pub(super) records: Vec<Item>,
    /// Where the first record is that has not expired, whose ever it is.
    pub(super) kept_from: Option<Position>,
}

/// The records of one shard, in order, from a position on. Holds at most one page that no batch has taken yet, and asks
/// for no more before that is used up: a slow function slows its own reading.
#[derive(Debug)]
pub(super) struct Reading {
    reader: Reader,
    pending: VecDeque<Item>,
    /// Records behind `pending` of which some may be aggregated: they are taken apart when their turn comes, so that what
    /// a small record holds of user records is never all in memory at once.
    unopened: VecDeque<Record>,
    apart: Apart,
    /// Whether aggregated records are taken apart.
    takes_apart: bool,
    next: Position,
    /// What is before it was had already: it is in the midst of an aggregated record.
    begin: Place,
    ended: bool,
    /// When the last page was read, the shard had more.
    behind: bool,
    /// Records that had expired before they could be read, since somebody asked.
    expired: u64,
    /// Records that no filter let pass, since somebody asked.
    filtered: u64,
}

impl Reading {
    pub(super) fn new(plan: &Plan, from: Position) -> Self {
        let reader = match &plan.mapping.source.consumer_arn {
            // A consumer has one subscription to a shard, which several lanes cannot share: they read the log themselves,
            // which is where a subscription gets its records too.
            Some(arn) if plan.lanes() == 1 => Reader::FanOut(arn.clone(), None),
            Some(_) | None => Reader::Standard(None),
        };
        Self {
            reader,
            pending: VecDeque::new(),
            unopened: VecDeque::new(),
            apart: Apart::default(),
            takes_apart: plan.takes_apart(),
            next: from,
            begin: Place::START,
            ended: false,
            behind: false,
            expired: 0,
            filtered: 0,
        }
    }

    /// Where the shard is read on.
    pub(super) fn next(&self) -> Position {
        self.next
    }

    /// The closed shard has nothing more to give, but what is pending.
    pub(super) fn ended(&self) -> bool {
        self.ended
    }

    /// Take the first pending record if `fits` says so. `None` if it does not, or there is none.
    pub(super) fn take(&mut self, selection: &Selection, fits: impl FnOnce(&Item) -> bool) -> Option<Item> {
        let taken = self.pending.pop_front_if(|item| fits(item));
        self.settle(selection);
        taken
    }

    pub(super) fn first_pending(&self) -> Option<&Item> {
        self.pending.front()
    }

    /// Choose anew from what is pending: the settings have changed.
    pub(super) fn choose_again(&mut self, plan: &Plan, selection: &Selection) {
        if self.takes_apart != plan.takes_apart() {
            self.takes_apart = plan.takes_apart();
            // From the whole of the record that is first.
            let first = self.pending.front().map_or(self.next, |item| item.position);
            self.rewind(Place::of(first));
        } else if selection.problem().is_none() {
            let before = self.pending.len();
            self.pending.retain(|item| selection.choose(item) == Choice::Take);
            self.filtered += (before - self.pending.len()) as u64;
            self.settle(selection);
        }
    }

    /// See to it that something is pending, if anything is there.
    fn settle(&mut self, selection: &Selection) {
        while self.pending.is_empty() {
            let (filtered, begin) = (&mut self.filtered, self.begin);
            let chosen = |record: &Record| choose(selection, record, filtered);
            let item = if let Some(item) = self.apart.next(chosen) {
                item
            } else {
                let Some(record) = self.unopened.pop_front() else { return };
                match self.apart.open(record) {
                    Some(whole) if choose(selection, &whole, &mut self.filtered) => whole,
                    Some(_) | None => continue,
                }
            };
            if item.place() >= begin {
                self.pending.push_back(item);
            }
        }
    }

    pub(super) fn has_pending(&self) -> bool {
        !self.pending.is_empty()
    }

    /// Put records back that were taken last, in their order.
    pub(super) fn put_back(&mut self, records: impl DoubleEndedIterator<Item = Item>) {
        for record in records.rev() {
            self.pending.push_front(record);
        }
    }

    /// Let go of what is pending: reading goes on at `from`, which was read before.
    pub(super) fn rewind(&mut self, from: Place) {
        self.pending = VecDeque::new();
        self.unopened = VecDeque::new();
        self.apart = Apart::default();
        self.next = from.position;
        self.begin = from;
        self.ended = false;
        // It is past there, and cannot go back.
        if let Reader::FanOut(_, subscription) = &mut self.reader {
            *subscription = None;
        }
    }

    /// The lane's records from where reading goes on up to `end`, which were read before and are not pending. Those that
    /// expired meanwhile are missing, and not counted.
    pub(super) async fn again(
        &mut self,
        engine: &Engine,
        plan: &Plan,
        selection: &Selection,
        end: Place,
    ) -> Result<Again, ReadProblem> {
        let mut again = Again { records: Vec::new(), kept_from: None };
        let mut at = self.next;
        let covering = end.covering();
        while at < covering {
            let left = usize::try_from(covering.0 - at.0).unwrap_or(usize::MAX);
            let limit = PageLimit { records: left, bytes: caps::READ_BYTES };
            let page = engine.read(&plan.stream, &plan.shard, at, limit).await?;
            if page.next <= at {
                // What was durable is there as long as its stream is.
                return Err(EngineError::Gone(plan.stream.name.clone()).into());
            }
            at = page.next;
            self.behind = page.behind_millis > 0;
            for record in page.records.into_iter().filter(|record| record.position < covering) {
                again.kept_from.get_or_insert(record.position);
                self.again_of(record, selection, end, &mut again.records);
            }
        }
        self.next = self.next.max(end.position);
        self.begin = self.begin.max(end);
        Ok(again)
    }

    /// What of a record was in the batch that ends at `end`.
    fn again_of(&self, record: Record, selection: &Selection, end: Place, out: &mut Vec<Item>) {
        let mine = |record: &Record| selection.choose(record) == Choice::Take;
        let mut apart = Apart::default();
        let whole = if self.takes_apart { apart.open(record) } else { Some(record.into()) };
        let items = whole.filter(|whole| mine(whole)).into_iter();
        let items = items.chain(std::iter::from_fn(|| apart.next(mine)));
        let had = |item: &Item| item.place() >= self.begin && item.place() < end;
        // What follows in the record is not made only to be dropped.
        out.extend(items.take_while(|item| item.place() < end).filter(had));
    }

    /// How many records no filter let pass, since the last question.
    pub(super) fn take_filtered(&mut self) -> u64 {
        std::mem::take(&mut self.filtered)
    }

    /// How many records had expired before they could be read, since the last question.
    pub(super) fn take_expired(&mut self) -> u64 {
        std::mem::take(&mut self.expired)
    }

    /// The arrival of the oldest record not taken, as far as known; `last` is the newest one taken.
    pub(super) fn oldest(&self, last: Timestamp) -> Option<Timestamp> {
        self.pending.front().map(|record| record.arrival).or_else(|| self.behind.then_some(last))
    }

    /// Whether the shard had more when it was last read.
    pub(super) fn is_behind(&self) -> bool {
        self.behind
    }

    /// Whether more can be read at once. A subscription does not say.
    pub(super) fn has_more(&self) -> bool {
        match &self.reader {
            Reader::Standard(Some(tail)) => !self.ended && tail.current() > self.next,
            Reader::Standard(None) | Reader::FanOut(..) => false,
        }
    }

    /// Wait until something more of the shard is read, or it has ended. May be dropped at any time without losing a record.
    pub(super) async fn fill(
        &mut self,
        engine: &Engine,
        plan: &Plan,
        selection: &Selection,
        limit: PageLimit,
    ) -> Result<(), ReadProblem> {
        if let Some(problem) = selection.problem() {
            return Err(ReadProblem::Filter(problem.to_owned()));
        }
        // One page, of which perhaps nothing is the lane's own: the caller notes how far it has come.
        if self.pending.is_empty() && !self.ended {
            let page = match &mut self.reader {
                Reader::Standard(tail) => standard(engine, plan, tail, self.next, limit).await,
                Reader::FanOut(consumer, subscription) => {
                    fan_out(engine, plan, consumer, subscription, self.next).await
                }
            }?;
            // Positions are dense, so a gap is what retention took.
            let first = page.records.first().map_or(page.next, |record| record.position);
            if selection.counts_expired() {
                self.expired += first.0.saturating_sub(self.next.0);
            }
            self.next = page.next;
            self.ended = page.at_end;
            self.behind = page.behind_millis > 0;
            if self.takes_apart {
                self.unopened.extend(page.records);
                self.settle(selection);
            } else if selection.is_everything() {
                self.pending.extend(page.records.into_iter().map(Item::from));
            } else {
                for record in page.records {
                    if choose(selection, &record, &mut self.filtered) {
                        self.pending.push_back(record.into());
                    }
                }
            }
        }
        Ok(())
    }
}

/// Whether a record is the lane's own; one that no filter lets pass is counted.
fn choose(selection: &Selection, record: &Record, filtered: &mut u64) -> bool {
    let choice = selection.choose(record);
    *filtered += u64::from(choice == Choice::FilteredOut);
    choice == Choice::Take
}

/// The next page, or one without records that only moves on.
async fn standard(
    engine: &Engine,
    plan: &Plan,
    tail: &mut Option<TailWatch>,
    next: Position,
    limit: PageLimit,
) -> Result<Page, ReadProblem> {
    let watch = match tail {
        Some(watch) => watch,
        None => tail.insert(engine.tail(&plan.stream, plan.shard.log)?),
    };
    let page = engine.read(&plan.stream, &plan.shard, next, limit).await?;
    let is_news = !page.records.is_empty() || page.at_end || page.next > next;
    if !is_news && watch.beyond(next).await.is_none() {
        *tail = None;
        return Err(EngineError::Gone(plan.stream.name.clone()).into());
    }
    Ok(page)
}

async fn fan_out(
    engine: &Engine,
    plan: &Plan,
    consumer: &str,
    held: &mut Option<Box<Subscription>>,
    next: Position,
) -> Result<Page, ReadProblem> {
    let subscription = if let Some(subscription) = held {
        subscription
    } else {
        let new = engine.subscribe(&plan.stream, consumer, &plan.shard, next)?;
        held.insert(Box::new(new))
    };
    match subscription.next().await {
        Ok(event) => Ok(event.page),
        Err(end) => {
            *held = None;
            let nothing = Page { next, ..Page::default() };
            match end {
                // Its five minutes are over: the next turn subscribes again.
                SubscriptionEnd::Expired => Ok(nothing),
                SubscriptionEnd::ShardEnd => Ok(Page { at_end: true, ..nothing }),
                SubscriptionEnd::TakenOver | SubscriptionEnd::Gone | SubscriptionEnd::Failed(_) => {
                    Err(end.into())
                }
            }
        }
    }
}
