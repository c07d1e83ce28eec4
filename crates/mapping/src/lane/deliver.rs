//! A batch to its function, again and again until it is processed or expired.

use super::backoff::{Backoff, part_of};
use super::batch::Batch;
use super::judge::{Verdict, judge};
use super::{Lane, News};
use crate::board::Block;
use crate::plan::{Order, Target};
use crate::{Invoker, caps};
use millstream_engine::Record;
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

/// The failures of the batch in hand.
#[derive(Debug, Default)]
struct Failures {
    /// Invocations that failed. A batch that did not reach the function has not been tried.
    attempts: u32,
    backoff: Backoff,
}

impl<I: Invoker> Lane<I> {
    pub(super) async fn deliver(&mut self, mut batch: Batch) -> Delivered {
        let mut failures = Failures::default();
        // Where the batch ends, while its records are let go of.
        let mut let_go: Option<Position> = None;
        loop {
            match self.follow() {
                News::Stop => return Delivered::Stop,
                News::Forming => {
                    // Its records go into batches of the new kind.
                    self.reading.put_back(batch.records.into_iter());
                    self.board.unblocked();
                    return Delivered::GoOn;
                }
                News::Target => failures.backoff.reset(),
                News::Nothing => {}
            }
            if let Some(end) = let_go {
                let Some(records) = self.again(end).await else { continue };
                (batch.records, let_go) = (records, None);
            }
            self.drop_expired(&mut batch);
            let Some(first) = batch.records.first() else {
                self.board.unblocked();
                return Delivered::GoOn;
            };
            let (first, arrival) = (first.sequence_number, first.arrival);
            self.board.oldest(Some(arrival));

            let verdict = match self.attempt(&mut batch).await {
                Some(Verdict::Succeeded) => {
                    self.processed(&batch);
                    return Delivered::GoOn;
                }
                Some(verdict) => verdict,
                None => continue,
            };
            let pause = self.failed(&verdict, &batch, first, &mut failures);
            if pause > caps::HELD_PAUSE {
                let_go = self.let_go(&mut batch);
            }
            self.pause(pause).await;
        }
    }

    /// Hold nothing but where the batch begins, which is where reading goes on, and where it ends.
    fn let_go(&mut self, batch: &mut Batch) -> Option<Position> {
        let (begin, end) = (batch.records.first()?.position, batch.end()?);
        batch.records = Vec::new();
        self.reading.rewind(begin);
        Some(end)
    }

    /// Read the batch again that was let go of. `None` after a pause if it cannot be read.
    async fn again(&mut self, end: Position) -> Option<Vec<Record>> {
        let begin = self.reading.next();
        // What came after the shard was closed is void.
        let end = self.plan.shard.closed_at.map_or(end, |closed| end.min(closed));
        let records = match self.reading.again(&self.context.engine, &self.plan, end).await {
            Ok(records) => records,
            Err(problem) => {
                self.read_failed(&problem).await;
                return None;
            }
        };
        let kept = records.first().map_or(end, |record| record.position);
        self.expired(begin, kept, None);
        Some(records)
    }

    /// Try once. `None` if other orders came while it waited for its turn.
    async fn attempt(&mut self, batch: &mut Batch) -> Option<Verdict> {
        let spec = match &self.plan.target {
            Target::Unavailable(why) => return Some(Verdict::NotRun(why.clone())),
            Target::Ready(spec) => spec.clone(),
        };
        let turn = self.turn().await?;
        // The function's role may have become longer since the batch was formed.
        let fits = self.envelope.fit(&batch.records);
        self.reading.put_back(batch.records.drain(fits..));
        // Encoded for each attempt, so that a batch that waits holds no event.
        let call = Invocation {
            request_id: entropy::uuid(),
            payload: self.envelope.encode(&batch.records),
            client_context: None,
            trace_id: None,
        };
        self.board.invoked();
        let result = self.context.invoker.invoke(spec, call).await;
        drop(turn);
        Some(judge(&result))
    }

    /// Wait until another invocation can run. Lanes come in the order in which they asked, so none starves.
    async fn turn(&mut self) -> Option<OwnedSemaphorePermit> {
        let turns = self.context.turns.clone();
        tokio::select! {
            biased;
            // Seen here and not lost: `follow` compares plans, and comes next.
            _ = self.orders.changed() => None,
            turn = turns.acquire_owned() => turn.ok(),
        }
    }

    fn processed(&mut self, batch: &Batch) {
        if let (Some(end), Some(last)) = (batch.end(), batch.records.last()) {
            self.checkpoint.advance(end);
            self.board.processed(batch.records.len() as u64);
            self.board.oldest(self.reading.oldest(last.arrival));
        }
    }

    /// Show and log a failure. Returns how long to wait.
    fn failed(
        &mut self,
        verdict: &Verdict,
        batch: &Batch,
        first: SequenceNumber,
        failures: &mut Failures,
    ) -> Duration {
        let (error, ran, pause) = match verdict {
            Verdict::Succeeded => return Duration::ZERO,
            Verdict::Failed(error) => {
                failures.attempts = failures.attempts.saturating_add(1);
                self.board.problem("Function call failed");
                (error, true, failures.backoff.next())
            }
            Verdict::NotRun(error) => {
                self.board.problem(error);
                (error, false, failures.backoff.next())
            }
            Verdict::Throttled(error) => {
                self.board.problem(error);
                (error, false, part_of(caps::THROTTLED_PAUSE))
            }
        };
        let now = self.engine().now();
        self.board.blocked(&Block { now, attempt: failures.attempts, first, error, ran });
        let (mapping, shard) = (&self.plan.mapping.uuid, self.plan.shard.id);
        let last = batch.records.last().map_or(first, |record| record.sequence_number);
        if matches!(verdict, Verdict::Throttled(_)) {
            tracing::debug!(mapping, %shard, %first, error, retry_in = ?pause, "a batch waits for a worker");
        } else {
            let (function, stream) = (&self.plan.mapping.settings.function, &self.plan.stream.name);
            tracing::warn!(
                function, stream, %shard, %first, %last, mapping, attempt = failures.attempts, error,
                retry_in = ?pause,
                "a batch was not processed and is tried again; what the function prints says more"
            );
        }
        pause
    }

    /// Wait, but not when there is a reason to believe that it goes better now: another function or other settings.
    async fn pause(&mut self, pause: Duration) {
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
    fn drop_expired(&mut self, batch: &mut Batch) {
        let now = self.engine().retention_now();
        let expired = batch.drop_expired(self.plan.stream.oldest_kept(now));
        if let (Some(first), Some(last)) = (expired.first(), expired.last()) {
            self.expired(first.position, last.position.next(), self.reading.oldest(last.arrival));
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
        self.checkpoint.advance(end);
        self.board.expired(records);
        self.board.unblocked();
        self.board.oldest(oldest);
    }
}
