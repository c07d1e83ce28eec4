//! What is outside of the server and lives through its crashes: its functions, and those who are told what became of
//! events. A function here is a roll of the dice; what counts is when it was called, and what it answered.

use crate::clock::SimClock;
use crate::random::Random;
use crate::trace::Trace;
use async_trait::async_trait;
use millstream_control::{
    Code, CreateFunction, FinishFunctionUpdate, FunctionSettings, FunctionStatus, PutEventInvokeConfig,
};
use millstream_control_node::{ControlHandle, SubmitError};
use millstream_functions::{FunctionError, FunctionSpec, Invocation, InvokeError, InvokeReply};
use millstream_mapping::{Destinations, Invoker, Letter};
use millstream_types::Home;
use serde_json::Value;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::time::sleep;

pub(crate) const ON_FAILURE: &str = "arn:aws:sqs:us-east-1:000000000000:failures";
pub(crate) const ON_SUCCESS: &str = "arn:aws:sns:us-east-1:000000000000:successes";
pub(crate) const DEAD_LETTERS: &str = "arn:aws:sqs:us-east-1:000000000000:dead-letters";

/// A function, and what is set for its events.
#[derive(Debug)]
pub(crate) struct Terms {
    pub name: &'static str,
    pub retries: Option<u32>,
    pub age_secs: Option<u32>,
    pub on_success: bool,
    pub on_failure: bool,
    pub dead_letters: bool,
}

const PLAIN: Terms = Terms {
    name: "plain",
    retries: None,
    age_secs: None,
    on_success: false,
    on_failure: false,
    dead_letters: false,
};

pub(crate) const FUNCTIONS: [Terms; 6] = [
    PLAIN,
    Terms { name: "told", on_success: true, on_failure: true, ..PLAIN },
    Terms { name: "once", retries: Some(0), on_failure: true, ..PLAIN },
    Terms { name: "dead", retries: Some(1), on_failure: true, dead_letters: true, ..PLAIN },
    Terms { name: "short", age_secs: Some(60), on_failure: true, ..PLAIN },
    Terms { name: "longer", age_secs: Some(200), on_failure: true, dead_letters: true, ..PLAIN },
];

/// Always succeeds. Nobody asks what became of its events: they only let time be looked at anew.
pub(crate) const NUDGE: Terms = Terms { name: "nudge", ..PLAIN };

impl Terms {
    /// The most attempts without a crash.
    pub(crate) fn attempts(&self) -> u32 {
        1 + self.retries.unwrap_or(2)
    }

    pub(crate) fn age_millis(&self) -> u64 {
        u64::from(self.age_secs.unwrap_or(21_600)) * 1_000
    }
}

/// One time that a function was given an event.
#[derive(Clone, Debug)]
pub(crate) struct Call {
    /// The place in the order of all that happened outside.
    pub order: u64,
    pub event: usize,
    pub request: String,
    /// Which of the server's processes it came from.
    pub process: u64,
    /// By the wall clock, in milliseconds.
    pub began: u64,
    /// When it answered, and whether well. Never, if the server died before.
    pub ended: Option<(u64, bool)>,
}

/// One time that somebody was told of an event.
#[derive(Clone, Debug)]
pub(crate) struct Told {
    pub order: u64,
    pub event: usize,
    pub to: String,
    pub process: u64,
    pub at: u64,
    /// Of the invocation record; none of a dead letter.
    pub record: Option<Record>,
    /// The server knows that it was taken.
    pub confirmed: bool,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Record {
    pub condition: String,
    pub count: u64,
    pub request: String,
    pub function_error: Option<String>,
}

#[derive(Debug)]
pub(crate) struct Book {
    random: Random,
    process: u64,
    order: u64,
    /// Nothing is refused any more.
    calm: bool,
    pub calls: Vec<Call>,
    pub told: Vec<Told>,
    /// What came that nobody should have sent.
    pub strange: Vec<String>,
}

/// Cheap to clone; clones are one.
#[derive(Clone, Debug)]
pub(crate) struct Outside {
    book: Arc<Mutex<Book>>,
    clock: Arc<SimClock>,
    trace: Trace,
}

impl Outside {
    pub(crate) fn new(clock: Arc<SimClock>, trace: Trace, random: Random) -> Self {
        let book = Book {
            random,
            process: 0,
            order: 0,
            calm: false,
            calls: Vec::new(),
            told: Vec::new(),
            strange: Vec::new(),
        };
        Self { book: Arc::new(Mutex::new(book)), clock, trace }
    }

    pub(crate) fn book(&self) -> MutexGuard<'_, Book> {
        self.book.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A process of the server begins.
    pub(crate) fn begin_process(&self) {
        self.book().process += 1;
    }

    pub(crate) fn calm_down(&self) {
        self.book().calm = true;
    }

    /// The functions are there, whatever an earlier process came to.
    pub(crate) async fn make_functions(&self, control: &ControlHandle) -> Result<(), SubmitError> {
        for terms in FUNCTIONS.iter().chain([&NUDGE]) {
            let name = terms.name.to_owned();
            let found = control.state().functions.get(&name).cloned();
            if found.is_none() {
                control.submit(create(terms)).await?;
            }
            let told = |yes: bool, arn: &str| yes.then(|| arn.to_owned());
            let config = PutEventInvokeConfig {
                function: name.clone(),
                qualifier: "$LATEST".to_owned(),
                max_retries: terms.retries,
                max_age_secs: terms.age_secs,
                on_success: told(terms.on_success, ON_SUCCESS),
                on_failure: told(terms.on_failure, ON_FAILURE),
            };
            control.submit(config).await?;
            // Last, so that no event comes before what is set for events.
            if found.is_none_or(|found| found.status == FunctionStatus::Pending) {
                let revision_id = "1".to_owned();
                control.submit(FinishFunctionUpdate { name, revision_id, failure: None }).await?;
            }
        }
        Ok(())
    }
}

fn create(terms: &Terms) -> CreateFunction {
    let dead_letter = if terms.dead_letters { DEAD_LETTERS } else { "" };
    let settings = FunctionSettings {
        description: String::new(),
        role: "arn:aws:iam::000000000000:role/r".to_owned(),
        runtime: "provided.al2023".to_owned(),
        handler: "h".to_owned(),
        timeout_secs: 3,
        memory_mb: 128,
        ephemeral_mb: 512,
        environment: BTreeMap::new(),
        layers: Vec::new(),
        tracing_mode: "PassThrough".to_owned(),
        dead_letter: dead_letter.to_owned(),
        logging: millstream_control::LoggingSettings::default(),
    };
    CreateFunction {
        name: terms.name.to_owned(),
        arn: Home::default().function_arn(terms.name),
        code: Code { key: "a".repeat(64), sha256: String::new(), size: 1, image_uri: None },
        settings,
        architectures: Vec::new(),
        tags: BTreeMap::new(),
        revision_id: "1".to_owned(),
        publish: false,
    }
}

impl Book {
    fn next(&mut self) -> u64 {
        self.order += 1;
        self.order
    }
}

fn number(event: &Value) -> Option<usize> {
    usize::try_from(event["n"].as_u64()?).ok()
}

impl Invoker for Outside {
    async fn invoke(&self, spec: Arc<FunctionSpec>, call: Invocation) -> Result<InvokeReply, InvokeError> {
        let event: Value = serde_json::from_slice(&call.payload).unwrap_or_default();
        let (index, fails, length) = {
            let mut book = self.book();
            let spared = book.calm;
            if spec.name == NUDGE.name {
                return Ok(reply(&spec, false));
            }
            if !spared && book.random.chance(12) {
                return Err(InvokeError::Throttled { limit: 1 });
            }
            if !spared && book.random.chance(4) {
                return Err(InvokeError::Spawn { why: "as the dice fell".to_owned() });
            }
            let Some(number) = number(&event) else {
                book.strange.push(format!("{} was given {event}", spec.name));
                return Ok(reply(&spec, false));
            };
            let (order, process, began) = (book.next(), book.process, self.clock.wall());
            let request = call.request_id.clone();
            book.calls.push(Call { order, event: number, request, process, began, ended: None });
            self.trace.line("function", format_args!("{} is given {event}", spec.name));
            (book.calls.len() - 1, book.random.chance(50), book.random.below(200))
        };
        sleep(Duration::from_millis(length)).await;
        self.book().calls[index].ended = Some((self.clock.wall(), !fails));
        self.trace.line("function", format_args!("{} is done with {event}, well: {}", spec.name, !fails));
        Ok(reply(&spec, fails))
    }

    fn limit(&self) -> usize {
        8
    }
}

fn reply(spec: &FunctionSpec, fails: bool) -> InvokeReply {
    let payload: &'static str = if fails { r#"{"errorMessage":"as the dice fell"}"# } else { "null" };
    InvokeReply {
        payload: payload.into(),
        function_error: fails.then_some(FunctionError::Unhandled),
        log_tail: bytes::Bytes::new(),
        executed_version: spec.version.clone(),
        init: None,
        duration: Duration::ZERO,
        max_memory_mb: 1,
    }
}

#[async_trait]
impl Destinations for Outside {
    fn check(&self, _arn: &str) -> Result<(), String> {
        Ok(())
    }

    async fn send(&self, letter: &Letter) -> Result<(), String> {
        let body: Value = serde_json::from_slice(&letter.body).unwrap_or_default();
        let length = self.book().random.below(60);
        sleep(Duration::from_millis(length)).await;
        let mut book = self.book();
        if !book.calm && book.random.chance(15) {
            return Err("not today".to_owned());
        }
        let is_record = letter.arn != DEAD_LETTERS;
        let Some(event) = number(if is_record { &body["requestPayload"] } else { &body }) else {
            book.strange.push(format!("{} was told {body}", letter.arn));
            return Ok(());
        };
        let context = &body["requestContext"];
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let record = is_record.then(|| Record {
            condition: text(&context["condition"]),
            count: context["approximateInvokeCount"].as_u64().unwrap_or(u64::MAX),
            request: text(&context["requestId"]),
            function_error: body["responseContext"]["functionError"].as_str().map(str::to_owned),
        });
        // It may have been taken although the server hears otherwise.
        let confirmed = book.calm || !book.random.chance(10);
        let (order, process, at) = (book.next(), book.process, self.clock.wall());
        self.trace.line("told", format_args!("{} of event {event}: {record:?}, {confirmed}", letter.arn));
        book.told.push(Told { order, event, to: letter.arn.clone(), process, at, record, confirmed });
        if confirmed { Ok(()) } else { Err("the answer was lost".to_owned()) }
    }
}
