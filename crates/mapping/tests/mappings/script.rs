//! Functions that do as a test says.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on should stop")]

use millstream_functions::{FunctionError, FunctionSpec, Invocation, InvokeError, InvokeReply};
use millstream_mapping::Invoker;
use serde_json::Value;
use std::future::pending;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::sync::mpsc;

/// What a function does with a call.
#[derive(Clone, Debug)]
pub(crate) enum Act {
    Succeed,
    /// Return this.
    Answer(String),
    Fail,
    /// All workers are busy.
    Throttle,
    /// The worker cannot be started.
    NotRun,
    /// The event is larger than any may be.
    TooLarge,
    /// Answers when the test says so: see [`Script::release`].
    Wait,
    Hang,
    /// Do it after a while.
    After(Duration, Box<Act>),
    Panic,
}

/// A call as the function saw it.
#[derive(Clone, Debug)]
pub(crate) struct Call {
    pub(crate) spec: Arc<FunctionSpec>,
    pub(crate) request_id: String,
    pub(crate) event: Value,
    pub(crate) bytes: usize,
}

impl Call {
    pub(crate) fn records(&self) -> &Vec<Value> {
        self.event["Records"].as_array().unwrap()
    }

    /// The records' partition keys, which tests use as names.
    pub(crate) fn keys(&self) -> Vec<String> {
        self.records()
            .iter()
            .map(|record| record["kinesis"]["partitionKey"].as_str().unwrap().into())
            .collect()
    }
}

type Rule = Box<dyn FnMut(&Call) -> Act + Send>;

#[derive(Clone)]
pub(crate) struct Script {
    rule: Arc<Mutex<Rule>>,
    calls: mpsc::Sender<Call>,
    released: Arc<tokio::sync::Semaphore>,
    limit: usize,
}

impl Script {
    pub(crate) fn new(limit: usize) -> (Self, mpsc::Receiver<Call>) {
        let (calls, seen) = mpsc::channel(10_000);
        let rule: Rule = Box::new(|_| Act::Succeed);
        let released = Arc::new(tokio::sync::Semaphore::new(0));
        (Self { rule: Arc::new(Mutex::new(rule)), calls, released, limit }, seen)
    }

    pub(crate) fn rule(&self, rule: impl FnMut(&Call) -> Act + Send + 'static) {
        *self.rule.lock().unwrap() = Box::new(rule);
    }

    /// Act as the list says, and succeed from then on.
    pub(crate) fn acts(&self, acts: impl IntoIterator<Item = Act, IntoIter: Send + 'static>) {
        let mut acts = acts.into_iter();
        self.rule(move |_| acts.next().unwrap_or(Act::Succeed));
    }

    /// Let one waiting call succeed.
    pub(crate) fn release(&self) {
        self.released.add_permits(1);
    }
}

impl Invoker for Script {
    async fn invoke(&self, spec: Arc<FunctionSpec>, call: Invocation) -> Result<InvokeReply, InvokeError> {
        let event = serde_json::from_slice(&call.payload).unwrap();
        let call = Call { spec, request_id: call.request_id, event, bytes: call.payload.len() };
        let mut act = (self.rule.lock().unwrap())(&call);
        if self.calls.send(call).await.is_err() {
            // The server was killed, and with it whoever heard of calls.
            return pending().await;
        }
        while let Act::After(pause, then) = act {
            tokio::time::sleep(pause).await;
            act = *then;
        }
        let mut payload = r#"{"errorType":"Scripted"}"#.to_owned();
        let function_error = match act {
            Act::Succeed => {
                payload = "null".into();
                None
            }
            Act::Answer(text) => {
                payload = text;
                None
            }
            Act::Fail => Some(FunctionError::Unhandled),
            Act::Throttle => return Err(InvokeError::Throttled { limit: 1 }),
            Act::NotRun => return Err(InvokeError::Spawn { why: "no memory".into() }),
            Act::TooLarge => return Err(InvokeError::PayloadTooLarge { size: 2, limit: 1 }),
            Act::Wait => {
                self.released.acquire().await.unwrap().forget();
                payload = "null".into();
                None
            }
            Act::Hang | Act::After(..) => pending().await,
            Act::Panic => panic!("as the script says"),
        };
        Ok(InvokeReply {
            payload: payload.into(),
            function_error,
            log_tail: bytes::Bytes::new(),
            executed_version: "$LATEST".into(),
            init: None,
            duration: Duration::ZERO,
            max_memory_mb: 1,
        })
    }

    fn limit(&self) -> usize {
        self.limit
    }
}
