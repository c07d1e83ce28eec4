//! A batch to its function, again and again until it is processed, given up or expired.

use super::backoff::{Backoff, part_of};
use super::batch::Work;
use super::give_up::{Condition, Tried};
use super::item::{Item, Place};
use super::judge::{Failed, Terms, Verdict, judge};
use super::window::Seen;
use super::{Lane, News};
use crate::board::Block;
use crate::plan::{Order, Target};
use crate::{Invoker, caps};
use millstream_functions::Invocation;
use millstream_host::entropy;
use millstream_types::{Position, SequenceNumber, Timestamp};
use std::time::Duration;
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::{Instant, sleep_until};

/// What the lane does next.
#[derive(Debug)]
pub(super) enum Delivered {
    GoOn,
    Stop,
}

/// What is remembered between the attempts at a batch.
#[derive(Debug, Default)]
pub(super) struct Memory {
    pub(super) backoff: Backoff,
    /// Of the last invocation.
    pub(super) request_id: Option<String>,
    pub(super) failed: Option<Failed>,
}

impl<I: Invoker> Lane<I> {
    pub(super) async fn deliver(&mut self, records: Vec<Item>) -> Delivered {
        let mut work = Work::new(records);
        let mut memory = Memory::default();
        // Where the batch ends, while its records are let go of.
        let mut let_go: Option<Place> = None;
        loop {
            match self.follow() {
                News::Stop => return Delivered::Stop,
                News::Forming => {
                    self.form_anew(work.records);
                    self.board.unblocked();
                    return Delivered::GoOn;
                }
                News::Target => memory.backoff.reset(),
                News::Nothing => {}
            }
            if let Some(end) = let_go {
                let Some(records) = self.again(end).await else { continue };
                (work.records, let_go) = (records, None);
            }
            self.drop_expired(&mut work);
            if !self.give_up_the_old(&mut work, &memory).await {
                continue;
            }
            if work.front().is_none() {
                self.board.unblocked();
                return Delivered::GoOn;
            }
            self.board.oldest(work.records.first().map(|record| record.arrival));
            let Some(verdict) = self.attempt(&mut work, &mut memory).await else { continue };
            let pause = match verdict {
                Verdict::Succeeded => {
                    let records = work.take_front();
                    self.processed(&records, &mut memory);
                    continue;
                }
                Verdict::Partly(place) => {
                    let records = work.take_before(place);
                    self.processed(&records, &mut memory);
                    continue;
                }
                failure => match self.failed(failure, &mut work, &mut memory).await {
                    Some(pause) => pause,
                    None => continue,
                },
            };
            if pause > caps::HELD_PAUSE {
                let_go = self.let_go(&mut work);
            }
            self.pause(pause).await;
        }
    }

    /// Hold nothing but where the batch begins, which is where reading goes on, and where it ends.
    fn let_go(&mut self, work: &mut Work) -> Option<Place> {
        let (begin, end) = (work.records.first()?.place(), work.end()?);
        work.records = Vec::new();
        self.reading.rewind(begin);
        Some(end)
    }

    /// Read the batch again that was let go of. `None` after a pause if it cannot be read.
    async fn again(&mut self, end: Place) -> Option<Vec<Item>> {
        let begin = self.reading.next();
        // What came after the shard was closed is void.
        let end = self.plan.shard.closed_at.map_or(end, |closed| end.min(Place::of(closed)));
        let read = self.reading.again(&self.context.engine, &self.plan, &self.selection, end);
        let again = match read.await {
            Ok(again) => again,
            Err(problem) => {
                self.read_failed(&problem).await;
                return None;
            }
        };
        self.expired(begin, again.kept_from.unwrap_or(end.position), None);
        Some(again.records)
    }

    /// Try the piece in turn once. `None` if other orders came while it waited for its turn.
    async fn attempt(&mut self, work: &mut Work, memory: &mut Memory) -> Option<Verdict> {
        let spec = match &self.plan.target {
            Target::Unavailable(why) => return Some(Verdict::NotRun(why.clone())),
            Target::Ready(spec) => spec.clone(),
        };
        let turn = self.turn().await?;
        let tail = self.tail(false);
        // The function's role, or a window's state, may have become longer since the batch was formed.
        let fits = self.envelope.fit(work.front()?.1, tail.len());
        self.reading.put_back(work.shorten(fits).into_iter());
        let (piece, records) = work.front()?;
        piece.invocations = piece.invocations.saturating_add(1);
        let report = self.plan.mapping.settings.delivery.report_failures.then_some(records);
        let terms = Terms { report, state: self.window.is_some() };
        // Encoded for each attempt, so that a batch that waits holds no event.
        let call = Invocation {
            request_id: entropy::uuid(),
            payload: self.envelope.encode(records, &tail),
            client_context: None,
            trace_id: None,
        };
        memory.request_id = Some(call.request_id.clone());
        self.board.invoked();
        let result = self.context.invoker.invoke(spec, call).await;
        drop(turn);
        let (verdict, state) = judge(&result, terms);
        if matches!(verdict, Verdict::NotRun(_) | Verdict::Throttled(_)) {
            piece.invocations = piece.invocations.saturating_sub(1);
        }
        if let (Some(window), Some(state)) = (&mut self.window, state) {
            window.state = state;
        }
        Some(verdict)
    }

    /// Wait until another invocation can run. Lanes come in the order in which they asked, so none starves.
    pub(super) async fn turn(&mut self) -> Option<OwnedSemaphorePermit> {
        let turns = self.context.turns.clone();
        tokio::select! {
            biased;
            // Seen here and not lost: `follow` compares plans, and comes next.
            _ = self.orders.changed() => None,
            turn = turns.acquire_owned() => turn.ok(),
        }
    }

    fn processed(&mut self, records: &[Item], memory: &mut Memory) {
        *memory = Memory::default();
        if let Some(window) = &mut self.window {
            window.had(records);
        }
        if let Some(last) = records.last() {
            self.advance(last.done());
            self.board.processed(records.len() as u64);
            self.board.oldest(self.reading.oldest(last.arrival));
        }
    }

    /// The piece in turn failed. Returns how long to wait before it is tried again; nothing when the next step is not to
    /// wait: it was given up, or other orders came.
    async fn failed(&mut self, verdict: Verdict, work: &mut Work, memory: &mut Memory) -> Option<Duration> {
        let delivery = self.plan.mapping.settings.delivery.clone();
        let (piece, records) = work.front()?;
        let seen = Seen::of(records)?;
        let mut splits = false;
        let given_up = match &verdict {
            Verdict::Failed(failed) => {
                memory.failed = Some(failed.clone());
                splits = delivery.bisect && !failed.reported && records.len() > 1;
                // Splitting a batch does not count towards the attempts.
                if !splits {
                    piece.failures = piece.failures.saturating_add(1);
                }
                !splits && delivery.max_retries.is_some_and(|most| piece.failures > most)
            }
            // No attempt can go better. Without a limit or a destination it stays, as all that fails.
            Verdict::TooLarge(error) => {
                memory.failed = Some(Failed {
                    error: error.clone(),
                    function_error: None,
                    version: "$LATEST".into(),
                    reported: false,
                });
                delivery.max_retries.is_some() || delivery.on_failure.is_some()
            }
            _ => false,
        };
        let (failures, invocations) = (piece.failures, piece.invocations);
        let pause = self.show(&verdict, seen, failures, memory);
        if given_up {
            let tried = memory.tried(Condition::RetryAttemptsExhausted, invocations);
            let records = work.front()?.1;
            if self.told(seen, records, &tried).await {
                let records = work.take_front();
                self.passed_by(&records);
                *memory = Memory::default();
            }
            return None;
        }
        if splits {
            work.bisect();
        }
        Some(pause)
    }

    /// Show and log a failure. Returns how long to wait.
    pub(super) fn show(
        &mut self,
        verdict: &Verdict,
        seen: Seen,
        attempt: u32,
        memory: &mut Memory,
    ) -> Duration {
        let (error, ran, pause) = match verdict {
            Verdict::Succeeded | Verdict::Partly(_) => return Duration::ZERO,
            Verdict::Failed(failed) => {
                self.board.problem("Function call failed");
                (&failed.error, true, memory.backoff.next())
            }
            Verdict::NotRun(error) | Verdict::TooLarge(error) => {
                self.board.problem(error);
                (error, false, memory.backoff.next())
            }
            Verdict::Throttled(error) => {
                self.board.problem(error);
                (error, false, part_of(caps::THROTTLED_PAUSE))
            }
        };
        let now = self.engine().now();
        let (first, last) = (seen.first.0, seen.last.0);
        self.board.blocked(&Block { now, attempt, first, error, ran });
        let (mapping, shard) = (&self.plan.mapping.uuid, self.plan.shard.id);
        if matches!(verdict, Verdict::Throttled(_)) {
            tracing::debug!(mapping, %shard, %first, error, retry_in = ?pause, "a batch waits for a worker");
        } else {
            let (function, stream) = (&self.plan.mapping.settings.function, &self.plan.stream.name);
            tracing::warn!(
                function, stream, %shard, %first, %last, mapping, attempt, error, retry_in = ?pause,
                "a batch was not processed; what the function prints says more"
            );
        }
        // As soon as records are too old for another attempt they make room.
        match self.oldest_wanted() {
            Some(oldest) if oldest <= seen.first.1 => {
                pause.min(Duration::from_millis(seen.first.1.millis_since(oldest) + 1))
            }
            _ => pause,
        }
    }

    /// Wait, but not when there is a reason to believe that it goes better now: another function or other settings.
    pub(super) async fn pause(&mut self, pause: Duration) {
        let ends = Instant::now() + pause;
        loop {
            let waiting = match &*self.orders.borrow_and_update() {
                Order::Stop => false,
                Order::Run(plan) => plan.forms_as(&self.plan) && plan.runs_as(&self.plan),
            };
            if !waiting {
                return;
            }
            tokio::select! {
                () = sleep_until(ends) => return,
                changed = self.orders.changed() => {
                    if changed.is_err() {
                        return;
                    }
                }
            }
        }
    }

    /// Give up the records that the stream no longer keeps, as AWS does: they are lost to this mapping.
    fn drop_expired(&mut self, work: &mut Work) {
        let now = self.engine().retention_now();
        let expired = work.take(work.older_than(self.plan.stream.oldest_kept(now)));
        if let (Some(first), Some(last)) = (expired.first(), expired.last()) {
            self.expired(first.position, last.position.next(), self.reading.oldest(last.arrival));
        }
    }

    /// The time from before which the mapping wants no records, if it has a limit.
    fn oldest_wanted(&self) -> Option<Timestamp> {
        let secs = self.plan.mapping.settings.delivery.max_age_secs?;
        Some(self.engine().retention_now().minus_millis(u64::from(secs) * 1_000))
    }

    /// Give up the records that are older than the mapping's limit. False if other orders came before that was told.
    async fn give_up_the_old(&mut self, work: &mut Work, memory: &Memory) -> bool {
        let Some(oldest) = self.oldest_wanted() else { return true };
        let count = work.older_than(oldest);
        let Some(seen) = Seen::of(&work.records[..count]) else { return true };
        let invocations = work.front().map_or(0, |(piece, _)| piece.invocations);
        let tried = memory.tried(Condition::RecordAgeExceeded, invocations);
        if !self.told(seen, &work.records[..count], &tried).await {
            return false;
        }
        let records = work.take(count);
        self.passed_by(&records);
        true
    }

    /// Records that were given up are behind the lane.
    fn passed_by(&mut self, records: &[Item]) {
        if let Some(window) = &mut self.window {
            window.had(records);
        }
        if let Some(last) = records.last() {
            self.advance(last.done());
            self.board.unblocked();
            self.board.oldest(self.reading.oldest(last.arrival));
        }
    }

    /// Go on behind the records from `begin` to before `end`, which expired. `oldest` is the arrival of what comes next.
    fn expired(&mut self, begin: Position, end: Position, oldest: Option<Timestamp>) {
        if begin >= end {
            return;
        }
        let records = end.0 - begin.0;
        let (mapping, shard) = (&self.plan.mapping.uuid, self.plan.shard.id);
        let first = SequenceNumber::of_record(shard, begin);
        let last = SequenceNumber::of_record(shard, Position(end.0 - 1));
        tracing::warn!(mapping, %shard, %first, %last, records, "records expired before they were processed");
        self.advance(end);
        self.board.expired(records);
        self.board.unblocked();
        self.board.oldest(oldest);
    }
}

impl Memory {
    pub(super) fn tried(&self, condition: Condition, invocations: u32) -> Tried {
        let (request_id, failed) = (self.request_id.clone(), self.failed.clone());
        Tried { condition, invocations, request_id, failed }
    }
}
