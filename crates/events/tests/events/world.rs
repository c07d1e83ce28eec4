//! A server without an edge.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on should stop")]

use crate::mortal_log::MortalLog;
use async_trait::async_trait;
use bytes::Bytes;
use millstream_control::{
    Code, ControlCommand, CreateFunction, FinishFunctionUpdate, FunctionSettings, PutEventInvokeConfig,
};
use millstream_engine::Engine;
use millstream_events::{Events, Measures, NewEvent, Options, Refused};
use millstream_functions::{FunctionError, FunctionSpec, Invocation, InvokeError, InvokeReply};
use millstream_host::Clock;
use millstream_mapping::{Destinations, Invoker, Letter};
use millstream_types::{Home, Timestamp};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep};

pub(crate) const NOW: Timestamp = Timestamp::from_millis(1_700_000_000_000);
pub(crate) const QUEUE: &str = "arn:aws:sqs:us-east-1:000000000000:q";
pub(crate) const TOPIC: &str = "arn:aws:sns:us-east-1:000000000000:t";
pub(crate) const DEAD: &str = "arn:aws:sqs:us-east-1:000000000000:dead";

/// Goes as Tokio's time goes, which a test stops and moves.
#[derive(Clone, Copy, Debug)]
pub(crate) struct TokioClock(Instant);

impl Clock for TokioClock {
    fn now(&self) -> Timestamp {
        NOW.plus_millis(u64::try_from(self.monotonic().as_millis()).unwrap())
    }

    fn monotonic(&self) -> Duration {
        self.0.elapsed()
    }
}

/// What a function does with a call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Act {
    Succeed,
    /// Return this.
    Answer(String),
    Fail,
    /// All workers are busy.
    Throttle,
    /// The worker cannot be started.
    NotRun,
    /// Succeed after so many seconds.
    Slow(u64),
}

/// A call that reached its function.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Call {
    /// Seconds since the test began.
    pub(crate) at: u64,
    pub(crate) request: String,
    /// The ARN's end, with the qualifier if there is one.
    pub(crate) function: String,
    pub(crate) event: Value,
    pub(crate) trace: Option<String>,
    pub(crate) act: Act,
}

type Rule = Box<dyn FnMut(&Value) -> Act + Send>;

/// Functions, and those who are told. They live through restarts, as the world outside does.
#[derive(Clone)]
pub(crate) struct Outside {
    clock: TokioClock,
    rule: Arc<Mutex<Rule>>,
    calls: Arc<Mutex<Vec<Call>>>,
    letters: Arc<Mutex<Vec<Letter>>>,
    /// How many of the next letters to an ARN are not taken.
    refusals: Arc<Mutex<BTreeMap<String, u32>>>,
    pub(crate) limit: usize,
}

impl std::fmt::Debug for Outside {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Outside").finish_non_exhaustive()
    }
}

impl Invoker for Outside {
    async fn invoke(&self, spec: Arc<FunctionSpec>, call: Invocation) -> Result<InvokeReply, InvokeError> {
        let event: Value = serde_json::from_slice(&call.payload).unwrap();
        if spec.reserved_concurrency == Some(0) {
            return Err(InvokeError::ReservedExhausted { reserved: 0 });
        }
        let act = (self.rule.lock().unwrap())(&event);
        match act {
            Act::Throttle => return Err(InvokeError::Throttled { limit: 1 }),
            Act::NotRun => return Err(InvokeError::Spawn { why: "no memory".into() }),
            _ => {}
        }
        self.calls.lock().unwrap().push(Call {
            at: self.clock.monotonic().as_secs(),
            request: call.request_id.clone(),
            function: spec.arn.split(":function:").nth(1).unwrap().to_owned(),
            event,
            trace: call.trace_id.clone(),
            act: act.clone(),
        });
        let (payload, function_error) = match act {
            Act::Answer(text) => (text, None),
            Act::Fail => (r#"{"errorMessage":"as asked"}"#.to_owned(), Some(FunctionError::Unhandled)),
            Act::Slow(secs) => {
                sleep(Duration::from_secs(secs)).await;
                ("null".to_owned(), None)
            }
            Act::Succeed | Act::Throttle | Act::NotRun => ("null".to_owned(), None),
        };
        Ok(InvokeReply {
            payload: payload.into(),
            function_error,
            log_tail: Bytes::new(),
            executed_version: spec.version.clone(),
            init: None,
            duration: Duration::ZERO,
            max_memory_mb: 1,
        })
    }

    fn limit(&self) -> usize {
        self.limit
    }
}

#[async_trait]
impl Destinations for Outside {
    fn check(&self, _arn: &str) -> Result<(), String> {
        Ok(())
    }

    async fn send(&self, letter: &Letter) -> Result<(), String> {
        if let Some(left) = self.refusals.lock().unwrap().get_mut(&letter.arn)
            && *left > 0
        {
            *left -= 1;
            return Err("not today".into());
        }
        self.letters.lock().unwrap().push(letter.clone());
        Ok(())
    }
}

pub(crate) struct World {
    pub(crate) log: Arc<MortalLog>,
    pub(crate) engine: Engine,
    pub(crate) events: Events,
    pub(crate) outside: Outside,
    clock: TokioClock,
    lifecycle: JoinHandle<()>,
}

impl World {
    pub(crate) async fn new() -> Self {
        Self::with_workers(8).await
    }

    pub(crate) async fn with_workers(limit: usize) -> Self {
        let clock = TokioClock(Instant::now());
        let outside = Outside {
            clock,
            rule: Arc::new(Mutex::new(Box::new(|_| Act::Succeed))),
            calls: Arc::default(),
            letters: Arc::default(),
            refusals: Arc::default(),
            limit,
        };
        Self::on(Arc::<MortalLog>::default(), clock, outside).await
    }

    async fn on(log: Arc<MortalLog>, clock: TokioClock, outside: Outside) -> Self {
        let shared: Arc<dyn Clock> = Arc::new(clock);
        let control = millstream_control_node::open(log.clone(), shared.clone()).await.unwrap();
        let engine = Engine::new(log.clone(), control, shared);
        let lifecycle = tokio::spawn(engine.clone().run_lifecycle(Duration::ZERO));
        let events = Events::start(Options {
            engine: engine.clone(),
            functions: outside.clone(),
            destinations: Arc::new(outside.clone()),
            home: Home::default(),
        });
        Self { log, engine, events, outside, clock, lifecycle }
    }

    /// Stop in order, and start again from what the log holds.
    pub(crate) async fn restart(self) -> Self {
        self.events.shutdown().await;
        self.kill().await
    }

    /// Stop at once, as kill -9 does, and start again.
    pub(crate) async fn kill(self) -> Self {
        let Self { log, engine, events, outside, clock, lifecycle } = self;
        log.kill();
        lifecycle.abort();
        drop((engine, events));
        Self::on(log.successor(), clock, outside).await
    }

    pub(crate) async fn submit<C: ControlCommand>(&self, command: C) -> C::Outcome {
        self.engine.control().submit(command).await.unwrap()
    }

    /// An active function with a dead-letter queue, or none where it is empty.
    pub(crate) async fn function_with(&self, name: &str, dead_letter: &str, publish: bool) {
        let settings = FunctionSettings {
            description: String::new(),
            role: "arn:aws:iam::000000000000:role/r".into(),
            runtime: "provided.al2023".into(),
            handler: "h".into(),
            timeout_secs: 3,
            memory_mb: 128,
            ephemeral_mb: 512,
            environment: BTreeMap::new(),
            layers: Vec::new(),
            tracing_mode: "PassThrough".into(),
            dead_letter: dead_letter.into(),
            logging: millstream_control::LoggingSettings::default(),
        };
        self.submit(CreateFunction {
            name: name.into(),
            arn: Home::default().function_arn(name),
            code: Code { key: "a".repeat(64), sha256: String::new(), size: 1, image_uri: None },
            settings,
            architectures: Vec::new(),
            tags: BTreeMap::new(),
            revision_id: "r1".into(),
            publish,
        })
        .await;
        let finish = FinishFunctionUpdate { name: name.into(), revision_id: "r1".into(), failure: None };
        self.submit(finish).await;
    }

    pub(crate) async fn function(&self, name: &str) {
        self.function_with(name, "", false).await;
    }

    pub(crate) async fn config(&self, name: &str, config: Config) {
        self.submit(PutEventInvokeConfig {
            function: name.into(),
            qualifier: config.qualifier.unwrap_or("$LATEST").into(),
            max_retries: config.retries,
            max_age_secs: config.age_secs,
            on_success: config.on_success.map(str::to_owned),
            on_failure: config.on_failure.map(str::to_owned),
        })
        .await;
    }

    /// The request's id is made of the event.
    pub(crate) async fn accept(&self, name: &str, event: Value) -> Result<(), Refused> {
        self.accept_as(name, None, event).await
    }

    pub(crate) async fn accept_as(
        &self,
        name: &str,
        qualifier: Option<&str>,
        event: Value,
    ) -> Result<(), Refused> {
        self.events
            .accept(NewEvent {
                request_id: format!("r-{event}"),
                function: name.into(),
                arn: Home::default().function_arn(name),
                qualifier: qualifier.map(str::to_owned),
                payload: event.to_string().into(),
                trace_id: Some("Root=1".into()),
            })
            .await
    }

    pub(crate) fn rule(&self, rule: impl FnMut(&Value) -> Act + Send + 'static) {
        *self.outside.rule.lock().unwrap() = Box::new(rule);
    }

    /// Act as the list says, and succeed from then on.
    pub(crate) fn acts(&self, acts: impl IntoIterator<Item = Act, IntoIter: Send + 'static>) {
        let mut acts = acts.into_iter();
        self.rule(move |_| acts.next().unwrap_or(Act::Succeed));
    }

    pub(crate) fn refuse(&self, arn: &str, times: u32) {
        self.outside.refusals.lock().unwrap().insert(arn.into(), times);
    }

    pub(crate) fn calls(&self) -> Vec<Call> {
        self.outside.calls.lock().unwrap().clone()
    }

    /// Seconds at which the function was called.
    pub(crate) fn times(&self) -> Vec<u64> {
        self.calls().iter().map(|call| call.at).collect()
    }

    pub(crate) fn letters(&self) -> Vec<Letter> {
        self.outside.letters.lock().unwrap().clone()
    }

    /// Condition, count and request of the invocation records that were told.
    pub(crate) fn told(&self) -> Vec<(String, String, u64, String)> {
        let letters = self.letters();
        let records = letters.iter().filter(|letter| letter.attributes.is_empty());
        records
            .map(|letter| {
                let record: Value = serde_json::from_slice(&letter.body).unwrap();
                let context = &record["requestContext"];
                let text = |member: &str| context[member].as_str().unwrap().to_owned();
                let count = context["approximateInvokeCount"].as_u64().unwrap();
                (letter.arn.clone(), text("condition"), count, text("requestId"))
            })
            .collect()
    }

    pub(crate) fn measures(&self) -> Measures {
        self.events.measures().into_iter().next().unwrap_or_default()
    }

    pub(crate) fn waiting(&self) -> u64 {
        self.events.waiting().events
    }
}

/// What is set for events.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Config {
    pub(crate) qualifier: Option<&'static str>,
    pub(crate) retries: Option<u32>,
    pub(crate) age_secs: Option<u32>,
    pub(crate) on_success: Option<&'static str>,
    pub(crate) on_failure: Option<&'static str>,
}

pub(crate) async fn secs(secs: u64) {
    sleep(Duration::from_secs(secs)).await;
}

/// An event with a number.
pub(crate) fn numbered(number: u64) -> Value {
    json!({ "n": number })
}
