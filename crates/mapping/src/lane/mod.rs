//! One lane: the records of one shard, in order, to one function.

mod backoff;
mod batch;
mod checkpoint;
mod deliver;
mod event;
mod judge;
mod read;
#[cfg(test)]
mod tests;

use crate::Invoker;
use crate::board::LaneBoard;
use crate::plan::{Order, Plan};
use crate::supervisor::Context;
use batch::{Batch, Forming};
use checkpoint::Checkpointer;
use deliver::Delivered;
use event::Envelope;
use millstream_engine::Engine;
use millstream_types::Position;
use read::{ReadProblem, Reading};
use std::fmt;
use std::future::pending;
use std::sync::Arc;
use tokio::sync::watch;
use tokio::time::{Instant, sleep, sleep_until};

pub(crate) struct Lane<I> {
    context: Arc<Context<I>>,
    orders: watch::Receiver<Order>,
    plan: Arc<Plan>,
    envelope: Envelope,
    reading: Reading,
    checkpoint: Checkpointer,
    board: LaneBoard,
}

impl<I> fmt::Debug for Lane<I> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Lane").field("plan", &self.plan).finish_non_exhaustive()
    }
}

/// What is new in the lane's orders, the weightiest of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum News {
    Nothing,
    /// Another version of the function, or none.
    Target,
    /// Batches are formed in another way.
    Forming,
    Stop,
}

enum Collected {
    Batch(Batch),
    /// The closed shard has been processed to its end.
    ShardEnd,
    Stop,
}

/// Why the lane is over.
#[derive(Clone, Copy, Debug)]
enum End {
    Stopped,
    ShardEnd,
}

impl<I: Invoker> Lane<I> {
    /// A lane that starts at `from`. Call within a Tokio runtime.
    pub(crate) fn new(
        context: Arc<Context<I>>,
        orders: watch::Receiver<Order>,
        plan: Arc<Plan>,
        from: Position,
    ) -> Self {
        let control = context.engine.control().clone();
        Self {
            envelope: Envelope::new(&plan),
            reading: Reading::new(&plan, from),
            checkpoint: Checkpointer::start(control, plan.mapping.uuid.clone(), plan.shard.log, from),
            board: context.board.lane(&plan),
            context,
            orders,
            plan,
        }
    }

    pub(crate) async fn run(mut self) {
        let (mapping, shard) = (self.plan.mapping.uuid.clone(), self.plan.shard.id);
        let stream = self.plan.stream.name.clone();
        tracing::info!(mapping, stream, %shard, from = %self.reading.next(), "event source mapping reads the shard");
        let end = self.work().await;
        self.checkpoint.finish().await;
        tracing::info!(mapping, stream, %shard, ?end, "event source mapping has stopped reading the shard");
    }

    async fn work(&mut self) -> End {
        loop {
            match self.collect().await {
                Collected::Batch(batch) => match self.deliver(batch).await {
                    Delivered::GoOn => {}
                    Delivered::Stop => return End::Stopped,
                },
                Collected::ShardEnd => {
                    self.checkpoint.advance(self.reading.next());
                    return End::ShardEnd;
                }
                Collected::Stop => return End::Stopped,
            }
        }
    }

    /// Wait for the next batch.
    async fn collect(&mut self) -> Collected {
        let mut forming = Forming::new(&self.plan.mapping.settings);
        loop {
            match self.follow() {
                News::Stop => return Collected::Stop,
                News::Forming => {
                    self.reading.put_back(forming.finish().records.into_iter());
                    forming = Forming::new(&self.plan.mapping.settings);
                }
                News::Target | News::Nothing => {}
            }
            forming.take(&mut self.reading, &self.envelope);
            if forming.is_ready(&self.reading) {
                return Collected::Batch(forming.finish());
            }
            if forming.is_empty() && self.reading.ended() {
                return Collected::ShardEnd;
            }
            if let Some(oldest) = forming.oldest() {
                self.board.oldest(Some(oldest));
            }
            let read = self.reading.fill(&self.context.engine, &self.plan, forming.room());
            let problem = tokio::select! {
                biased;
                changed = self.orders.changed() => {
                    if changed.is_err() {
                        return Collected::Stop;
                    }
                    None
                }
                () = window(forming.ends()) => return Collected::Batch(forming.finish()),
                read = read => read.err(),
            };
            self.count_expired();
            match problem {
                // What was read before is good, and the problem will be met again.
                Some(_) if !forming.is_empty() => return Collected::Batch(forming.finish()),
                Some(problem) => self.read_failed(&problem).await,
                None => {}
            }
        }
    }

    fn count_expired(&mut self) {
        let records = self.reading.take_expired();
        if records > 0 {
            let (mapping, shard) = (&self.plan.mapping.uuid, self.plan.shard.id);
            let before = self.reading.next();
            tracing::warn!(mapping, %shard, records, %before, "records expired before they were read");
            self.board.expired(records);
        }
    }

    async fn read_failed(&mut self, problem: &ReadProblem) {
        let (mapping, shard) = (&self.plan.mapping.uuid, self.plan.shard.id);
        let pause = problem.pause();
        tracing::warn!(mapping, %shard, error = %problem, retry_in = ?pause, "reading a shard failed");
        self.board.problem(&problem.to_string());
        tokio::select! {
            () = sleep(pause) => {}
            // The caller follows the orders next; an error shows there as well.
            _ = self.orders.changed() => {}
        }
    }

    /// Take up the newest plan.
    fn follow(&mut self) -> News {
        if self.orders.has_changed().is_err() {
            return News::Stop;
        }
        let plan = match &*self.orders.borrow_and_update() {
            Order::Stop => return News::Stop,
            Order::Run(plan) if Arc::ptr_eq(plan, &self.plan) => return News::Nothing,
            Order::Run(plan) => plan.clone(),
        };
        let news = if !plan.forms_as(&self.plan) {
            News::Forming
        } else if !plan.runs_as(&self.plan) {
            News::Target
        } else {
            News::Nothing
        };
        self.plan = plan;
        if news != News::Nothing {
            self.envelope = Envelope::new(&self.plan);
            self.board.function(&self.plan.mapping.settings.function);
        }
        news
    }

    fn engine(&self) -> &Engine {
        &self.context.engine
    }
}

async fn window(ends: Option<Instant>) {
    match ends {
        Some(ends) => sleep_until(ends).await,
        None => pending().await,
    }
}
