//! What a lane does with tumbling windows.

use super::deliver::{Delivered, Memory};
use super::give_up::Condition;
use super::judge::{Terms, Verdict, judge};
use super::window::Window;
use super::{Lane, News};
use crate::Invoker;
use crate::plan::Target;
use millstream_functions::Invocation;
use millstream_host::entropy;
use tokio::time::Instant;

impl<I: Invoker> Lane<I> {
    /// Open the window of the next record, if windows are wanted and none is open.
    pub(super) fn open_window(&mut self) {
        let secs = self.plan.mapping.settings.delivery.tumbling_secs;
        if secs > 0
            && self.window.is_none()
            && let Some(record) = self.reading.first_pending()
        {
            self.window = Some(Window::of(record, secs));
        }
    }

    /// Whether the open window has had all its records, given that none that is pending is its own.
    pub(super) fn window_is_due(&self) -> bool {
        let caught_up = !self.reading.has_more() && !self.reading.is_behind();
        self.window.as_ref().is_some_and(|window| {
            window.is_overfull()
                || self.reading.has_pending()
                || self.reading.ended()
                || (caught_up && window.is_over(self.engine().now()))
        })
    }

    /// When it is worth looking whether it is.
    pub(super) fn window_closes(&self) -> Option<Instant> {
        self.window.as_ref().map(|window| Instant::now() + window.left(self.engine().now()))
    }

    /// What an event has behind its records.
    pub(super) fn tail(&self, is_final: bool) -> String {
        self.window.as_ref().map(|window| window.tail(&self.plan, is_final)).unwrap_or_default()
    }

    /// Tell the function that its window is over, again and again until it has understood; then the window counts as
    /// processed.
    pub(super) async fn close_window(&mut self) -> Delivered {
        let mut memory = Memory::default();
        let mut attempts = 0_u32;
        loop {
            match self.follow() {
                News::Stop => return Delivered::Stop,
                News::Forming => {
                    self.form_anew(Vec::new());
                    self.board.unblocked();
                    return Delivered::GoOn;
                }
                News::Target => memory.backoff.reset(),
                News::Nothing => {}
            }
            let Some(verdict) = self.last_call(&mut memory).await else { continue };
            let Some(seen) = self.window.as_ref().map(|window| window.seen) else { return Delivered::GoOn };
            match &verdict {
                Verdict::Succeeded | Verdict::Partly(_) => {
                    self.board.processed(0);
                    self.forget_window();
                    return Delivered::GoOn;
                }
                Verdict::Failed(failed) => {
                    attempts = attempts.saturating_add(1);
                    memory.failed = Some(failed.clone());
                }
                Verdict::NotRun(_) | Verdict::Throttled(_) | Verdict::TooLarge(_) => {}
            }
            let pause = self.show(&verdict, seen, attempts, &mut memory);
            let most = self.plan.mapping.settings.delivery.max_retries;
            if most.is_some_and(|most| attempts > most) {
                let tried = memory.tried(Condition::RetryAttemptsExhausted, attempts);
                if self.told(seen, &[], &tried).await {
                    self.board.unblocked();
                    self.forget_window();
                    return Delivered::GoOn;
                }
                continue;
            }
            self.pause(pause).await;
        }
    }

    /// One invocation without records, the window's last. `None` if other orders came while it waited for its turn.
    async fn last_call(&mut self, memory: &mut Memory) -> Option<Verdict> {
        let spec = match &self.plan.target {
            Target::Unavailable(why) => return Some(Verdict::NotRun(why.clone())),
            Target::Ready(spec) => spec.clone(),
        };
        let turn = self.turn().await?;
        let call = Invocation {
            request_id: entropy::uuid(),
            payload: self.envelope.encode(&[], &self.tail(true)),
            client_context: None,
            trace_id: None,
        };
        memory.request_id = Some(call.request_id.clone());
        self.board.invoked();
        let result = self.context.invoker.invoke(spec, call).await;
        drop(turn);
        // What it returns is of no use to anybody any more.
        Some(judge(&result, Terms::default()).0)
    }

    fn forget_window(&mut self) {
        if let Some(window) = self.window.take() {
            self.progress.advance(window.reached);
        }
    }
}
