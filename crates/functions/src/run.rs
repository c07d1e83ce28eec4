//! One invocation from beginning to end.

use crate::api::Next;
use crate::caps;
use crate::elsewhere::{ElsewhereError, Errand, Returned, Sent};
use crate::launcher::Launcher;
use crate::meter::{Meters, Running};
use crate::outcome::{Exit, Outcome};
use crate::output::Output;
use crate::platform::{self, Ended};
use crate::pool::{Admitted, Pool, Start, Taken};
use crate::report::Report;
use crate::runtimes::Runtime;
use crate::spec::{FunctionSpec, Invocation, InvokeError, InvokeReply};
use crate::streaming::Sink;
use crate::worker::Worker;
use bytes::Bytes;
use millstream_host::clock::Clock;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Semaphore;

/// Warm workers that may turn out to have ended before one invocation gives up.
const STALE_WORKERS: usize = 16;

/// What an invocation needs.
#[derive(Debug)]
pub(crate) struct House {
    pub launcher: Arc<Launcher>,
    pub pool: Pool,
    /// Places for invocations that run elsewhere.
    pub handed_on: Semaphore,
    pub meters: Arc<Meters>,
    /// Turns of starting workers.
    pub starts: Semaphore,
}

/// An invocation that has a worker.
struct Attempt {
    worker: Box<Worker>,
    /// Set for a new worker.
    init: Option<Duration>,
    /// When the function's time began, on the monotonic clock.
    began: Duration,
    /// Set if the start itself was the end.
    failed: Option<Outcome>,
}

impl House {
    pub(crate) fn clock(&self) -> &dyn Clock {
        &*self.launcher.options.clock
    }

    /// Run `call` on a warm worker or a new one. With a sink, a response that is streamed goes there as it comes; any
    /// other is in the reply.
    pub(crate) async fn run(
        self: &Arc<Self>,
        spec: Arc<FunctionSpec>,
        call: Invocation,
        sink: Option<Arc<Sink>>,
        running: &Running,
    ) -> Result<InvokeReply, InvokeError> {
        let Admitted { place: _place, provisioned, spilled } = self.pool.admit(&spec)?;
        if spilled {
            running.spilled();
        }
        if let Some(uri) = &spec.elsewhere {
            return self.hand_on(&spec, uri, &call).await;
        }
        if spec.runtime == Runtime::ProvidedWasm {
            return self.run_component(&spec, &call).await;
        }
        let mut provisioned = provisioned;
        for _ in 0..STALE_WORKERS {
            let mut attempt = match provisioned.take() {
                Some(worker) => {
                    running.provisioned();
                    self.attempt(Start { worker, init: None, began: None, failed: None }, &call)
                }
                None => self.obtain(&spec, &call).await?,
            };
            let cold = attempt.init.is_some();
            self.tell_start(&attempt.worker.output, &spec, &call);
            let outcome = match attempt.failed.take() {
                Some(outcome) => Some(outcome),
                None => self.invoke(&mut attempt, &spec, &call, sink.clone()).await,
            };
            match outcome {
                Some(outcome) => return self.conclude(attempt, outcome, &call).await,
                // It ended after its last answer; this invocation never reached it.
                None if !cold => {}
                None => return self.conclude(attempt, Outcome::Exited(Exit::Ended), &call).await,
            }
        }
        Err(InvokeError::Spawn { why: "every worker of this function ends after one invocation".to_owned() })
    }

    /// A worker that is idle or the first that comes: one that was started, or one that another invocation gave back.
    async fn obtain(
        self: &Arc<Self>,
        spec: &Arc<FunctionSpec>,
        call: &Invocation,
    ) -> Result<Attempt, InvokeError> {
        let start = match self.pool.take(spec)? {
            Taken::Warm(worker) => Start { worker, init: None, began: None, failed: None },
            Taken::Start { handed, starts } => {
                for turn in starts {
                    self.start_soon(spec, turn);
                }
                // Nobody hands anything out any more only when all ends.
                handed.await.map_err(|_closed| InvokeError::ShuttingDown)??
            }
        };
        Ok(self.attempt(start, call))
    }

    fn attempt(&self, start: Start, call: &Invocation) -> Attempt {
        let Start { worker, init, began, failed } = start;
        worker.output.begin(&call.request_id, init.is_some());
        Attempt { worker, init, began: began.unwrap_or_else(|| self.clock().monotonic()), failed }
    }

    async fn invoke(
        &self,
        attempt: &mut Attempt,
        spec: &FunctionSpec,
        call: &Invocation,
        sink: Option<Arc<Sink>>,
    ) -> Option<Outcome> {
        let limit = Duration::from_secs(spec.timeout_secs.into());
        let left = limit.saturating_sub(self.clock().monotonic().saturating_sub(attempt.began));
        let left_ms = u64::try_from(left.as_millis()).unwrap_or(u64::MAX);
        let next = Next {
            request_id: call.request_id.clone(),
            deadline_ms: self.clock().now().plus_millis(left_ms).millis(),
            arn: spec.arn.clone(),
            trace_id: call.trace_id.clone(),
            client_context: call.client_context.clone(),
            payload: call.payload.clone(),
        };
        attempt.worker.invoke(next, sink, left).await
    }

    /// Write the end of the log, tell the outcome, and keep or end the worker.
    async fn conclude(
        &self,
        attempt: Attempt,
        outcome: Outcome,
        call: &Invocation,
    ) -> Result<InvokeReply, InvokeError> {
        let Attempt { worker, init, began, .. } = attempt;
        let duration = self.clock().monotonic().saturating_sub(began);
        if matches!(outcome, Outcome::Exited(_)) && self.pool.is_closed() {
            return Err(InvokeError::Lost);
        }
        let spec = Arc::clone(&worker.spec);
        let max_memory_mb = match outcome {
            Outcome::OutOfMemory => spec.memory_mb,
            _ => worker.max_memory_mb().await.min(spec.memory_mb),
        };
        let keep = outcome.leaves_worker_usable() && worker.is_alive();
        let output = Arc::clone(&worker.output);
        output.drain();
        let spent = Spent { duration, init, max_memory_mb };
        let reply = self.close(&output, outcome, (&spec, call), spent);
        if keep {
            worker.rest();
            self.pool.put(worker);
        }
        Ok(reply)
    }

    /// Run a component in this process.
    async fn run_component(
        &self,
        spec: &Arc<FunctionSpec>,
        call: &Invocation,
    ) -> Result<InvokeReply, InvokeError> {
        let _room = self.pool.room_for_one()?;
        let program = self.launcher.compile(spec).await?;
        let lost = |error: std::io::Error| InvokeError::Spawn { why: error.to_string() };
        let (log_stream, output) = self.launcher.shared_output(spec).map_err(lost)?;
        output.begin(&call.request_id, true);
        self.tell_start(&output, spec, call);
        let began = self.clock().monotonic();
        let done = self.launcher.call_component(spec, program, call, (&log_stream, &output)).await?;
        let duration = self.clock().monotonic().saturating_sub(began);
        let spent = Spent { duration, init: None, max_memory_mb: done.peak_mb };
        Ok(self.close(&output, done.outcome, (spec, call), spent))
    }

    /// Let another place run the function.
    async fn hand_on(
        &self,
        spec: &Arc<FunctionSpec>,
        uri: &str,
        call: &Invocation,
    ) -> Result<InvokeReply, InvokeError> {
        if self.pool.is_closed() {
            return Err(InvokeError::ShuttingDown);
        }
        let limit = caps::MAX_ELSEWHERE;
        let _room = self.handed_on.try_acquire().map_err(|_none_left| InvokeError::Throttled { limit })?;
        let timeout = Duration::from_secs(spec.timeout_secs.into());
        let errand = Errand {
            uri: uri.to_owned(),
            request_id: call.request_id.clone(),
            payload: call.payload.clone(),
            client_context: call.client_context.clone(),
            trace_id: call.trace_id.clone(),
            timeout,
            answer_limit: caps::MAX_PAYLOAD_BYTES,
        };
        let began = self.clock().monotonic();
        let elsewhere = &self.launcher.options.elsewhere;
        let within = timeout + caps::ELSEWHERE_GRACE;
        let returned = match tokio::time::timeout(within, elsewhere.invoke(errand)).await {
            Ok(Ok(returned)) => returned,
            Ok(Err(error)) => return Err(failed_at(uri, error)),
            Err(_elapsed) => Returned { sent: Sent::TimedOut, log: Bytes::new() },
        };
        let duration = self.clock().monotonic().saturating_sub(began);
        let lost = |error: std::io::Error| InvokeError::Spawn { why: error.to_string() };
        let (_, output) = self.launcher.shared_output(spec).map_err(lost)?;
        output.begin(&call.request_id, true);
        let outcome = match returned.sent {
            Sent::Response(payload) => Outcome::Response(payload),
            Sent::Error(payload) => Outcome::Error(payload),
            Sent::TimedOut => Outcome::TimedOut,
            Sent::TooLarge => Outcome::TooLarge,
        };
        if returned.log.is_empty() {
            self.tell_start(&output, spec, call);
            let spent = Spent { duration, init: None, max_memory_mb: 0 };
            return Ok(self.close(&output, outcome, (spec, call), spent));
        }
        // Its platform has written the lines that begin and end an invocation.
        output.write(&returned.log);
        output.close_lines();
        let told = outcome.tell(&call.request_id, spec.timeout_secs);
        Ok(InvokeReply {
            payload: told.payload,
            function_error: told.error,
            log_tail: output.finish(),
            executed_version: spec.version.clone(),
            init: None,
            duration,
            max_memory_mb: 0,
        })
    }

    /// Write what an invocation's log begins with.
    fn tell_start(&self, output: &Output, spec: &FunctionSpec, call: &Invocation) {
        if let Some(start) = platform::start(spec, &call.request_id, self.clock().now()) {
            output.add(&start);
        }
    }

    /// Write the end of the log and tell the outcome.
    fn close(
        &self,
        output: &Output,
        outcome: Outcome,
        (spec, call): (&FunctionSpec, &Invocation),
        spent: Spent,
    ) -> InvokeReply {
        let Spent { duration, init, max_memory_mb } = spent;
        let timed_out = matches!(outcome, Outcome::TimedOut);
        let told = outcome.tell(&call.request_id, spec.timeout_secs);
        output.close_lines();
        let report = Report {
            request_id: &call.request_id,
            duration,
            memory_mb: spec.memory_mb,
            max_memory_mb,
            init,
            status: told.status.as_deref(),
            trace: call.trace_id.as_deref(),
        };
        let failure = told.log.as_ref().map(|(message, kind)| (message.as_str(), *kind));
        let ended = Ended { report, failure, timed_out, failed: told.error.is_some() };
        for said in platform::ended(spec, &ended, self.clock().now()) {
            output.add(&said);
        }
        let log_tail = output.finish();
        InvokeReply {
            payload: told.payload,
            function_error: told.error,
            log_tail,
            executed_version: spec.version.clone(),
            init,
            duration,
            max_memory_mb,
        }
    }
}

/// What an invocation took.
#[derive(Clone, Copy)]
struct Spent {
    duration: Duration,
    init: Option<Duration>,
    max_memory_mb: u32,
}

fn failed_at(uri: &str, error: ElsewhereError) -> InvokeError {
    let at = uri.to_owned();
    match error {
        ElsewhereError::Busy(why) => InvokeError::ElsewhereBusy { at, why },
        ElsewhereError::Failed { why, reached } => InvokeError::ElsewhereFailed { at, why, reached },
    }
}
