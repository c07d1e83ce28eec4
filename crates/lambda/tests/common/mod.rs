//! A Lambda API with everything under it, in memory.

#![expect(dead_code, reason = "each test program uses some of it")]

/// Of the crate that runs these tests.
pub(crate) mod transport {
    include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/support/lambda.rs"));
}

use bytes::Bytes;
use millstream_control::State;
use millstream_control_node::ControlHandle;
use millstream_engine::Engine;
use millstream_events::Events;
use millstream_functions::{CodeStore, Functions};
use millstream_host::clock::ManualClock;
use millstream_lambda::{Lambda, Options};
use millstream_log::{Log, MemoryLog};
use millstream_mapping::{Destinations, Letter, Mappings};
use millstream_types::{Home, Timestamp};
use serde_json::{Value, json};
use std::io::{Cursor, Write};
use std::sync::Arc;
use std::time::Duration;
use zip::write::SimpleFileOptions;

pub(crate) const NOW: Timestamp = Timestamp::from_millis(1_700_000_000_123);
pub(crate) const NOW_TEXT: &str = "2023-11-14T22:13:20.123+0000";
pub(crate) const ROLE: &str = "arn:aws:iam::000000000000:role/lambda";
pub(crate) const FUNCTION_ARN: &str = "arn:aws:lambda:us-east-1:000000000000:function";

pub(crate) struct World {
    pub(crate) lambda: Lambda,
    pub(crate) control: ControlHandle,
    pub(crate) engine: Engine,
    pub(crate) functions: Functions,
    pub(crate) mappings: Mappings,
    pub(crate) events: Events,
    pub(crate) clock: Arc<ManualClock>,
}

/// Knows every destination but those of the region nowhere-1.
#[derive(Debug)]
struct AnyDestination;

#[async_trait::async_trait]
impl Destinations for AnyDestination {
    fn check(&self, arn: &str) -> Result<(), String> {
        if arn.contains("nowhere") { Err(format!("This server can send nothing to {arn}.")) } else { Ok(()) }
    }

    async fn send(&self, _letter: &Letter) -> Result<(), String> {
        Ok(())
    }
}

/// An answer with its body read.
#[derive(Debug)]
pub(crate) struct Reply {
    pub(crate) status: u16,
    pub(crate) headers: Vec<(String, String)>,
    /// The body as it came.
    pub(crate) bytes: Bytes,
    /// The body, if it is JSON.
    pub(crate) body: Value,
}

impl Reply {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let mut headers = self.headers.iter();
        headers.find(|(header, _)| header.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
    }

    pub(crate) fn request_id(&self) -> &str {
        self.header("x-amzn-requestid").unwrap()
    }

    /// The frames of a stream: each event and its payload.
    pub(crate) fn frames(&self) -> Vec<(String, Bytes)> {
        let mut rest = self.bytes.clone();
        let mut frames = Vec::new();
        while let Some((frame, size)) = millstream_wire::event_stream::decode(&rest).unwrap() {
            let event = frame.header(":event-type").or_else(|| frame.header(":error-code")).unwrap();
            frames.push((event.to_owned(), frame.payload.clone()));
            rest = rest.slice(size..);
        }
        assert!(rest.is_empty(), "a frame is cut short");
        frames
    }

    /// The error's code and text.
    pub(crate) fn error(&self) -> (u16, String, String) {
        let code = self.header("x-amzn-errortype").unwrap_or_default().to_owned();
        let text = ["message", "Message"].iter().find_map(|member| self.body[member].as_str());
        (self.status, code, text.unwrap_or_default().to_owned())
    }
}

/// Everything runs, as in the server.
pub(crate) async fn world() -> World {
    let world = still_world(millstream_functions::Options::default()).await;
    tokio::spawn(world.lambda.clone().run_lifecycle());
    world
}

/// A world in which functions stay as their operations leave them.
pub(crate) async fn still_world(options: millstream_functions::Options) -> World {
    let log: Arc<dyn Log> = Arc::new(MemoryLog::new());
    let clock = ManualClock::at(NOW);
    let control = millstream_control_node::open(log.clone(), clock.clone()).await.unwrap();
    let engine = Engine::new(log, control.clone(), clock.clone());
    tokio::spawn(engine.clone().run_lifecycle(Duration::ZERO));
    let functions = Functions::start(CodeStore::temporary().unwrap(), options).await.unwrap();
    let mappings = Mappings::start(millstream_mapping::Options {
        engine: engine.clone(),
        functions: functions.clone(),
        destinations: Arc::new(AnyDestination),
    });
    let events = Events::start(millstream_events::Options {
        engine: engine.clone(),
        functions: functions.clone(),
        destinations: Arc::new(AnyDestination),
        home: Home::default(),
    });
    let lambda = start(&control, &engine, &functions, &mappings, &events).await;
    World { lambda, control, engine, functions, mappings, events, clock }
}

async fn start(
    control: &ControlHandle,
    engine: &Engine,
    functions: &Functions,
    mappings: &Mappings,
    events: &Events,
) -> Lambda {
    Lambda::start(Options {
        control: control.clone(),
        engine: engine.clone(),
        functions: functions.clone(),
        mappings: mappings.clone(),
        events: events.clone(),
        home: Home::default(),
        endpoint: "http://127.0.0.1:4567".into(),
    })
    .await
}

impl World {
    /// Lambda as it is after a restart.
    pub(crate) async fn restarted(&self) -> Lambda {
        start(&self.control, &self.engine, &self.functions, &self.mappings, &self.events).await
    }

    pub(crate) async fn call(&self, method: &str, target: &str, body: Value) -> Reply {
        let body = if body.is_null() { Bytes::new() } else { Bytes::from(body.to_string()) };
        self.call_raw(method, target, Vec::new(), body).await
    }

    pub(crate) async fn call_raw(
        &self,
        method: &str,
        target: &str,
        headers: Vec<(&str, &str)>,
        body: Bytes,
    ) -> Reply {
        let (path, query) = target.split_once('?').unwrap_or((target, ""));
        let sent = transport::call(self, (method, path, query), headers, body).await;
        let transport::Sent { status, headers, body: bytes } = sent;
        let streams = headers.iter().any(|(_, value)| value == millstream_wire::event_stream::CONTENT_TYPE);
        let body =
            if bytes.is_empty() || streams { Value::Null } else { serde_json::from_slice(&bytes).unwrap() };
        Reply { status, headers, bytes, body }
    }

    /// Create a function and wait until it is active.
    pub(crate) async fn function(&self, name: &str) -> Value {
        let made = self.call("POST", "/2015-03-31/functions", create(name)).await;
        assert_eq!(made.status, 201, "{:?}", made.body);
        self.settled(name).await;
        made.body
    }

    /// Wait until a function has no work waiting.
    pub(crate) async fn settled(&self, name: &str) {
        use millstream_control::{FunctionStatus, UpdateStatus};
        self.until(|state| {
            state.functions.get(name).is_some_and(|function| {
                function.status != FunctionStatus::Pending && function.update != UpdateStatus::InProgress
            })
        })
        .await;
    }

    pub(crate) async fn until(&self, reached: impl FnMut(&State) -> bool) {
        let mut reached = reached;
        self.control.watch().wait_for(|state| reached(state)).await.unwrap();
    }

    /// An active stream with one shard, and its ARN.
    pub(crate) async fn stream(&self, name: &str) -> String {
        use millstream_control::{CreateStream, StreamMode, StreamStatus};
        let arn = Home::default().stream_arn(name);
        let command = CreateStream {
            name: name.into(),
            arn: arn.clone(),
            shards: 1,
            mode: StreamMode::Provisioned,
            max_record_kib: 1_024,
            tags: std::collections::BTreeMap::new(),
        };
        self.control.submit(command).await.unwrap();
        self.until(|state| state.stream(name).is_ok_and(|stream| stream.status == StreamStatus::Active))
            .await;
        arn
    }
}

pub(crate) fn create(name: &str) -> Value {
    json!({
        "FunctionName": name,
        "Runtime": "provided.al2023",
        "Handler": "main.handle",
        "Role": ROLE,
        "Code": { "ZipFile": zip_of(&[("bootstrap", "#!/bin/sh\n")]) },
    })
}

/// `create`, with members changed or added.
pub(crate) fn create_with(name: &str, members: Value) -> Value {
    let mut body = create(name);
    let Value::Object(members) = members else { panic!("not an object") };
    for (member, value) in members {
        body[member] = value;
    }
    body
}

pub(crate) fn zip_bytes(files: &[(&str, &str)]) -> Vec<u8> {
    let mut zip = zip::ZipWriter::new(Cursor::new(Vec::new()));
    for (name, text) in files {
        zip.start_file(*name, SimpleFileOptions::default().unix_permissions(0o755)).unwrap();
        zip.write_all(text.as_bytes()).unwrap();
    }
    zip.finish().unwrap().into_inner()
}

/// A zip in base64, as `ZipFile` holds it.
pub(crate) fn zip_of(files: &[(&str, &str)]) -> String {
    base64_simd::STANDARD.encode_to_string(zip_bytes(files))
}

/// `value` without the members that differ from run to run, which must be there.
pub(crate) fn without(mut value: Value, members: &[&str]) -> Value {
    for member in members {
        assert!(value.as_object_mut().unwrap().remove(*member).is_some(), "no {member} in {value}");
    }
    value
}
