//! The lanes of one shard: its records, in order, to one function. Usually it is one lane; with a parallelization factor
//! each takes a part of the partition keys, and they know of each other only how far they have come.

mod backoff;
mod batch;
mod checkpoint;
mod deliver;
mod event;
mod give_up;
mod item;
mod judge;
mod read;
mod selection;
#[cfg(test)]
mod tests;
mod window;
mod windows;

pub use selection::check_filters;

use crate::Invoker;
use crate::board::LaneBoard;
use crate::plan::{Order, Plan};
use crate::supervisor::Context;
use batch::Forming;
use checkpoint::{Checkpointer, Progress};
use deliver::Delivered;
use event::Envelope;
use futures_util::future::join_all;
use item::Item;
use millstream_engine::Engine;
use millstream_types::Position;
use read::{ReadProblem, Reading};
use selection::Selection;
use std::fmt;
use std::future::pending;
use std::sync::Arc;
use tokio::sync::watch;
use tokio::time::{Instant, sleep, sleep_until};
use window::Window;

/// Run a shard's lanes from a position on, until they are told to stop or the closed shard is processed.
pub(crate) async fn run<I: Invoker>(
    context: Arc<Context<I>>,
    orders: watch::Receiver<Order>,
    plan: Arc<Plan>,
    from: Position,
) {
    let (mapping, shard, stream) = (&plan.mapping.uuid, plan.shard.id, &plan.stream.name);
    let lanes = plan.lanes();
    tracing::info!(mapping, stream, %shard, %from, lanes, "event source mapping reads the shard");
    let control = context.engine.control().clone();
    let checkpoint = Checkpointer::start(control, mapping.clone(), plan.shard.log, from, lanes);
    let work = (0..lanes).map(|number| {
        let progress = checkpoint.lane(number);
        Box::pin(Lane::new(context.clone(), orders.clone(), plan.clone(), from, number, progress).run())
    });
    let ends = join_all(work).await;
    checkpoint.finish().await;
    tracing::info!(mapping, stream, %shard, ?ends, "event source mapping has stopped reading the shard");
}

struct Lane<I> {
    context: Arc<Context<I>>,
    orders: watch::Receiver<Order>,
    plan: Arc<Plan>,
    number: u32,
    envelope: Envelope,
    selection: Selection,
    reading: Reading,
    progress: Progress,
    board: LaneBoard,
    /// The tumbling window that is open.
    window: Option<Window>,
}

impl<I> fmt::Debug for Lane<I> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Lane").field("number", &self.number).field("plan", &self.plan).finish_non_exhaustive()
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
    Batch(Vec<Item>),
    /// The tumbling window has had all its records.
    WindowEnd,
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
    fn new(
        context: Arc<Context<I>>,
        orders: watch::Receiver<Order>,
        plan: Arc<Plan>,
        from: Position,
        number: u32,
        progress: Progress,
    ) -> Self {
        Self {
            envelope: Envelope::new(&plan),
            selection: Selection::new(&plan, number),
            reading: Reading::new(&plan, from),
            progress,
            board: context.board.lane(&plan, number),
            window: None,
            number,
            context,
            orders,
            plan,
        }
    }

    async fn run(mut self) -> End {
        loop {
            let delivered = match self.collect().await {
                Collected::Batch(records) => self.deliver(records).await,
                Collected::WindowEnd => self.close_window().await,
                Collected::ShardEnd => return End::ShardEnd,
                Collected::Stop => return End::Stopped,
            };
            match delivered {
                Delivered::GoOn => {}
                Delivered::Stop => return End::Stopped,
            }
        }
    }

    /// Wait for the next batch.
    async fn collect(&mut self) -> Collected {
        let mut forming = self.new_batch();
        loop {
            match self.follow() {
                News::Stop => return Collected::Stop,
                News::Forming => {
                    self.form_anew(forming.finish());
                    forming = self.new_batch();
                }
                News::Target | News::Nothing => {}
            }
            self.open_window();
            let until = self.window.as_ref().map(|window| window.end);
            forming.take(&mut self.reading, (&self.envelope, &self.selection), until);
            let held = self.progress.is_far_ahead(self.reading.next());
            if forming.is_ready(&self.reading, held) {
                return Collected::Batch(forming.finish());
            }
            if forming.is_empty() {
                if self.window_is_due() {
                    return Collected::WindowEnd;
                }
                // What was read and is not in hand was another lane's, or filtered out.
                self.advance(self.reading.next());
                if self.reading.ended() {
                    return Collected::ShardEnd;
                }
            }
            if !forming.is_empty() || !self.reading.is_behind() {
                self.board.oldest(forming.oldest());
            }
            let ends = [forming.ends(), self.window_closes()].into_iter().flatten().min();
            let room = forming.room(self.selection.is_everything());
            let next = self.reading.next();
            let read = async {
                self.progress.room(next).await;
                self.reading.fill(&self.context.engine, &self.plan, &self.selection, room).await
            };
            let problem = tokio::select! {
                biased;
                changed = self.orders.changed() => {
                    if changed.is_err() {
                        return Collected::Stop;
                    }
                    None
                }
                () = until_then(ends) => {
                    if !forming.is_empty() {
                        return Collected::Batch(forming.finish());
                    }
                    None
                }
                read = read => read.err(),
            };
            self.count_passed_over();
            match problem {
                // What was read before is good, and the problem will be met again.
                Some(_) if !forming.is_empty() => return Collected::Batch(forming.finish()),
                Some(problem) => self.read_failed(&problem).await,
                None => {}
            }
        }
    }

    fn new_batch(&self) -> Forming {
        Forming::new(&self.plan.mapping.settings, self.tail(false).len())
    }

    /// The settings have changed: what is in hand goes into batches of the new kind. A window begins again.
    fn form_anew(&mut self, in_hand: Vec<Item>) {
        if let Some(window) = self.window.take() {
            self.reading.rewind(window.begin);
            self.reading.choose_again(&self.plan, &self.selection);
        } else {
            self.reading.put_back(in_hand.into_iter());
            self.reading.choose_again(&self.plan, &self.selection);
        }
    }

    /// Everything before `position` is processed or given up. Within a window that counts when the window is closed.
    fn advance(&mut self, position: Position) {
        match &mut self.window {
            None => self.progress.advance(position),
            Some(window) => window.reached = position.max(window.reached),
        }
    }

    fn count_passed_over(&mut self) {
        let filtered = self.reading.take_filtered();
        if filtered > 0 {
            self.board.filtered(filtered);
        }
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
            self.selection = Selection::new(&self.plan, self.number);
            self.board.function(&self.plan.mapping.settings.function);
        }
        news
    }

    /// Whether `follow` has something to say.
    fn has_other_orders(&self) -> bool {
        if self.orders.has_changed().is_err() {
            return true;
        }
        match &*self.orders.borrow() {
            Order::Stop => true,
            Order::Run(plan) => !(plan.forms_as(&self.plan) && plan.runs_as(&self.plan)),
        }
    }

    fn engine(&self) -> &Engine {
        &self.context.engine
    }
}

async fn until_then(ends: Option<Instant>) {
    match ends {
        Some(ends) => sleep_until(ends).await,
        None => pending().await,
    }
}
