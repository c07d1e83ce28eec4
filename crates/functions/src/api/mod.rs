//! The Lambda Runtime API of one worker: its state. `http` speaks it.
//!
//! ```text
//! Starting ─ first next ─▶ Idle ─ an invocation is fetched ─▶ Running ─ response or error ─▶ Idle
//!     └ init/error ─▶ Failed              └ a streamed response begins ─▶ Streaming ─ its end ─▶ Idle
//! ```

mod body;
mod diag;
mod http;
#[cfg(test)]
mod http_tests;
mod owner;
mod stream;

pub(crate) use http::serve;

use crate::streaming::Sink;
use bytes::Bytes;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::oneshot;

/// An invocation as the runtime gets it.
#[derive(Clone, Debug)]
pub(crate) struct Next {
    pub request_id: String,
    /// Milliseconds since the epoch.
    pub deadline_ms: u64,
    pub arn: String,
    pub trace_id: Option<String>,
    pub client_context: Option<String>,
    pub payload: Bytes,
}

/// How a runtime answers an invocation.
#[derive(Clone, Debug)]
pub(crate) enum Answer {
    Response(Bytes),
    Error(Bytes),
    /// A response over the limit.
    TooLarge,
    /// A response whose pieces were all handed on.
    Streamed,
    /// As that, but it was longer than one may be. Its runtime may still be writing.
    StreamTooLarge,
    /// A response that broke off.
    Truncated,
}

/// How a runtime starts.
#[derive(Clone, Debug)]
pub(crate) enum Started {
    /// It asked for its first invocation.
    Ready,
    /// It posted this error.
    InitError(Bytes),
}

/// A call that does not fit the state.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Refusal {
    WrongRequestId,
    WrongState { from: &'static str, to: &'static str },
}

/// The state of one worker's Runtime API.
#[derive(Debug)]
pub(crate) struct Api {
    state: Mutex<State>,
    /// Held while the body of an answer is read that is not streamed, so that a worker has one in memory whatever its
    /// connections bring.
    reading: tokio::sync::Mutex<()>,
    /// What `extension/register` tells.
    pub function: FunctionNames,
}

#[derive(Clone, Debug)]
pub(crate) struct FunctionNames {
    pub name: String,
    pub version: String,
    pub handler: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    Starting,
    Idle,
    Running,
    /// The response has begun to come in.
    Streaming,
    Failed,
}

impl Phase {
    /// The name as the state machine of AWS writes it.
    fn name(self) -> &'static str {
        match self {
            Self::Starting => "RuntimeStarted",
            Self::Idle => "Ready",
            Self::Running => "Running",
            Self::Streaming => "InvocationResponse",
            Self::Failed => "RuntimeInitError",
        }
    }
}

#[derive(Debug)]
struct State {
    phase: Phase,
    started: Option<oneshot::Sender<Started>>,
    /// The runtime is waiting in `next`.
    waiter: Option<oneshot::Sender<Next>>,
    /// Handed over while the runtime was not waiting.
    pending: Option<Next>,
    current: Option<Current>,
}

/// The invocation at hand and who waits for its answer.
#[derive(Debug)]
struct Current {
    id: String,
    answer: oneshot::Sender<Answer>,
    /// For who wants the response as it comes.
    sink: Option<Arc<Sink>>,
}

impl Api {
    /// A new state, and what tells of the start.
    pub(crate) fn new(function: FunctionNames) -> (Self, oneshot::Receiver<Started>) {
        let (started, on_start) = oneshot::channel();
        let state = State {
            phase: Phase::Starting,
            started: Some(started),
            waiter: None,
            pending: None,
            current: None,
        };
        (Self { state: Mutex::new(state), reading: tokio::sync::Mutex::default(), function }, on_start)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Give the runtime an invocation, now or when it asks. The worker has no other one at hand.
    pub(crate) fn hand(&self, next: Next, sink: Option<Arc<Sink>>) -> oneshot::Receiver<Answer> {
        let (answer, on_answer) = oneshot::channel();
        let mut state = self.state();
        state.current = Some(Current { id: next.request_id.clone(), answer, sink });
        let unsent = match state.waiter.take() {
            Some(waiter) => waiter.send(next).err(),
            None => Some(next),
        };
        if unsent.is_none() {
            state.phase = Phase::Running;
        }
        state.pending = unsent;
        on_answer
    }

    /// Whether the runtime has fetched the invocation handed to it last.
    pub(crate) fn was_fetched(&self) -> bool {
        self.state().pending.is_none()
    }

    /// Whether a streamed response is coming in.
    pub(crate) fn is_streaming(&self) -> bool {
        self.state().phase == Phase::Streaming
    }

    /// The runtime asks for its next invocation: either it is here, or it comes through the receiver.
    fn next(&self) -> Result<Result<Next, oneshot::Receiver<Next>>, Refusal> {
        let mut state = self.state();
        match state.phase {
            Phase::Starting => {
                state.phase = Phase::Idle;
                if let Some(started) = state.started.take() {
                    // Nobody waits for the start any more: the worker is being ended.
                    drop(started.send(Started::Ready));
                }
            }
            Phase::Idle => {}
            from @ (Phase::Running | Phase::Streaming | Phase::Failed) => {
                return Err(Refusal::WrongState { from: from.name(), to: Phase::Idle.name() });
            }
        }
        if let Some(next) = state.pending.take() {
            state.phase = Phase::Running;
            return Ok(Ok(next));
        }
        let (waiter, on_next) = oneshot::channel();
        state.waiter = Some(waiter);
        Ok(Err(on_next))
    }

    /// Whether an answer for `request_id` fits now. Asked before its body is read.
    fn may_answer(&self, request_id: &str, to: &'static str) -> Result<(), Refusal> {
        self.state().expect(Phase::Running, request_id, to).map(drop)
    }

    fn answer(&self, request_id: &str, to: &'static str, answer: Answer) -> Result<(), Refusal> {
        self.state().end(Phase::Running, (request_id, to), answer)
    }

    /// A streamed response begins: nothing else answers the invocation any more. Returns where its pieces go, if
    /// someone waits for them.
    fn begin_stream(&self, request_id: &str) -> Result<Option<Arc<Sink>>, Refusal> {
        let mut state = self.state();
        let sink = state.expect(Phase::Running, request_id, STREAMING)?.sink.clone();
        state.phase = Phase::Streaming;
        Ok(sink)
    }

    /// The streamed response is over.
    fn end_stream(&self, request_id: &str, answer: Answer) -> Result<(), Refusal> {
        self.state().end(Phase::Streaming, (request_id, STREAMING), answer)
    }

    /// Whether the start may still fail. Asked before the body of the error is read.
    fn may_fail(&self) -> Result<(), Refusal> {
        match self.state().phase {
            Phase::Starting => Ok(()),
            from => Err(Refusal::WrongState { from: from.name(), to: Phase::Failed.name() }),
        }
    }

    fn init_error(&self, body: Bytes) -> Result<(), Refusal> {
        let mut state = self.state();
        if state.phase != Phase::Starting {
            return Err(Refusal::WrongState { from: state.phase.name(), to: Phase::Failed.name() });
        }
        state.phase = Phase::Failed;
        if let Some(started) = state.started.take() {
            drop(started.send(Started::InitError(body)));
        }
        Ok(())
    }
}

/// The state of AWS's machine that a streamed response leads to.
const STREAMING: &str = "InvocationResponse";

impl State {
    /// The invocation at hand, if it is this one and in this phase.
    fn expect(&self, phase: Phase, request_id: &str, to: &'static str) -> Result<&Current, Refusal> {
        match &self.current {
            Some(current) if current.id != request_id => Err(Refusal::WrongRequestId),
            Some(current) if self.phase == phase => Ok(current),
            Some(_) => Err(Refusal::WrongState { from: self.phase.name(), to }),
            None => Err(Refusal::WrongRequestId),
        }
    }

    fn end(&mut self, phase: Phase, (id, to): (&str, &'static str), answer: Answer) -> Result<(), Refusal> {
        self.expect(phase, id, to)?;
        self.phase = Phase::Idle;
        if let Some(current) = self.current.take() {
            // The invocation has timed out meanwhile if nobody listens.
            drop(current.answer.send(answer));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::{Answer, Api, FunctionNames, Next, Refusal, Started};
    use bytes::Bytes;

    fn api() -> (Api, tokio::sync::oneshot::Receiver<Started>) {
        let names =
            FunctionNames { name: "f".to_owned(), version: "$LATEST".to_owned(), handler: "h.h".to_owned() };
        Api::new(names)
    }

    fn next(id: &str) -> Next {
        Next {
            request_id: id.to_owned(),
            deadline_ms: 0,
            arn: String::new(),
            trace_id: None,
            client_context: None,
            payload: Bytes::from_static(b"{}"),
        }
    }

    #[test]
    fn an_invocation_goes_to_a_waiting_runtime_and_back() {
        let (api, mut started) = api();
        let mut waiting = api.next().unwrap().unwrap_err();
        assert!(matches!(started.try_recv(), Ok(Started::Ready)));
        let mut answer = api.hand(next("1"), None);
        assert!(api.was_fetched());
        assert_eq!(waiting.try_recv().unwrap().request_id, "1");
        assert!(matches!(api.next(), Err(Refusal::WrongState { .. })), "the first is not answered");
        assert_eq!(api.answer("2", "x", Answer::TooLarge), Err(Refusal::WrongRequestId));
        api.answer("1", "x", Answer::Response(Bytes::from_static(b"1"))).unwrap();
        assert!(matches!(answer.try_recv(), Ok(Answer::Response(body)) if body == "1"));
        assert_eq!(api.answer("1", "x", Answer::TooLarge), Err(Refusal::WrongRequestId), "answered already");
    }

    #[test]
    fn an_invocation_waits_for_the_runtime_to_come_back() {
        let (api, _started) = api();
        drop(api.next().unwrap().unwrap_err());
        let _answer = api.hand(next("1"), None);
        assert!(!api.was_fetched(), "the connection that waited is gone");
        assert!(matches!(api.may_answer("1", "x"), Err(Refusal::WrongState { .. })), "not fetched yet");
        assert_eq!(api.next().unwrap().unwrap().request_id, "1");
        assert!(api.was_fetched());
    }

    #[test]
    fn a_start_fails_once() {
        let (api, mut started) = api();
        api.init_error(Bytes::from_static(b"{}")).unwrap();
        assert!(matches!(started.try_recv(), Ok(Started::InitError(_))));
        assert!(api.init_error(Bytes::new()).is_err());
        assert!(api.next().is_err());
    }
}
