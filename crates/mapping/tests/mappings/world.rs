//! A server without an edge: a log in memory, control node, engine, mappings.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on should stop")]

use crate::letters::Letters;
use crate::script::{Act, Call, Script};
use crate::slow_log::SlowLog;
use millstream_control::{
    ChangeMapping, Code, ControlCommand, CreateFunction, CreateMapping, CreateStream, DeleteMapping,
    DeliverySettings, FinishFunctionUpdate, FunctionSettings, MappingSettings, MappingState,
    RegisterConsumer, Source, StartingPosition, State, StreamMode, StreamStatus, UpdateFunction,
};
use millstream_engine::{Engine, NewRecord, Placed};
use millstream_host::clock::ManualClock;
use millstream_mapping::{LaneStatus, Mappings, Options};
use millstream_types::{HashKey, Home, Timestamp};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio::time::timeout;

/// Far longer than any pause. Time is paused in these tests, so it costs none.
const LONG: Duration = Duration::from_secs(1_000);

pub(crate) const NOW: Timestamp = Timestamp::from_millis(1_700_000_000_123);
pub(crate) const ROLE: &str = "arn:aws:iam::000000000000:role/lambda";

pub(crate) struct World {
    pub(crate) log: Arc<SlowLog>,
    pub(crate) clock: Arc<ManualClock>,
    pub(crate) engine: Engine,
    pub(crate) script: Script,
    pub(crate) mappings: Mappings,
    pub(crate) letters: Letters,
    calls: mpsc::Receiver<Call>,
    lifecycle: JoinHandle<()>,
}

impl World {
    pub(crate) async fn new() -> Self {
        Self::with_workers(64).await
    }

    pub(crate) async fn with_workers(limit: usize) -> Self {
        Self::on(Arc::<SlowLog>::default(), ManualClock::at(NOW), Letters::default(), limit).await
    }

    async fn on(log: Arc<SlowLog>, clock: Arc<ManualClock>, letters: Letters, limit: usize) -> Self {
        let control = millstream_control_node::open(log.clone(), clock.clone()).await.unwrap();
        let engine = Engine::new(log.clone(), control, clock.clone());
        let lifecycle = tokio::spawn(engine.clone().run_lifecycle(Duration::ZERO));
        let (script, calls) = Script::new(limit);
        let options = Options {
            engine: engine.clone(),
            functions: script.clone(),
            destinations: Arc::new(letters.clone()),
        };
        let mappings = Mappings::start(options);
        Self { log, clock, engine, script, mappings, letters, calls, lifecycle }
    }

    /// Stop in order, and start again from what the log holds.
    pub(crate) async fn restart(self) -> Self {
        self.mappings.shutdown().await;
        self.lifecycle.abort();
        Self::on(self.log, self.clock, self.letters, 64).await
    }

    /// End at once, as `kill -9` does, and start again from what the log holds.
    pub(crate) async fn crash(self) -> Self {
        let log = self.log.killed();
        // What of it still runs is not heard of again.
        self.script.rule(|_| Act::Hang);
        self.letters.hang();
        self.lifecycle.abort();
        let letters = self.letters.survivor();
        drop((self.mappings, self.engine));
        Self::on(Arc::new(log), self.clock, letters, 64).await
    }

    pub(crate) fn state(&self) -> Arc<State> {
        self.engine.control().state()
    }

    pub(crate) async fn submit<C: ControlCommand>(&self, command: C) -> C::Outcome {
        self.engine.control().submit(command).await.unwrap()
    }

    pub(crate) async fn until(&self, what: &str, holds: impl Fn(&State) -> bool) {
        let mut watch = self.engine.control().watch();
        let found = timeout(LONG, watch.wait_for(|state| holds(state))).await;
        assert!(found.is_ok(), "never: {what}");
    }

    pub(crate) async fn stream(&self, name: &str, shards: u32) {
        self.submit(CreateStream {
            name: name.into(),
            arn: Home::default().stream_arn(name),
            shards,
            mode: StreamMode::Provisioned,
            max_record_kib: 10_240,
            tags: BTreeMap::new(),
        })
        .await;
        self.until("stream active", |state| {
            state.streams.get(name).is_some_and(|stream| stream.status == StreamStatus::Active)
        })
        .await;
    }

    pub(crate) async fn consumer(&self) -> String {
        let command =
            RegisterConsumer { stream: "s".into(), name: "app".into(), tags: BTreeMap::new(), limit: 20 };
        let arn = self.submit(command).await.arn;
        self.until("consumer active", |state| {
            let status = state.consumer("s", "app").unwrap().status;
            status == millstream_control::ConsumerStatus::Active
        })
        .await;
        arn
    }

    pub(crate) async fn pending_function(&self) {
        self.submit(CreateFunction {
            name: "f".into(),
            arn: Home::default().function_arn("f"),
            code: code('a'),
            settings: FunctionSettings {
                description: String::new(),
                role: ROLE.into(),
                runtime: "python3.12".into(),
                handler: "h.h".into(),
                timeout_secs: 3,
                memory_mb: 128,
                ephemeral_mb: 512,
                environment: BTreeMap::new(),
                layers: Vec::new(),
                tracing_mode: "PassThrough".into(),
                dead_letter: String::new(),
                logging: millstream_control::LoggingSettings::default(),
            },
            architectures: Vec::new(),
            tags: BTreeMap::new(),
            revision_id: "r1".into(),
            publish: false,
        })
        .await;
    }

    pub(crate) async fn finish_function(&self, revision: &str) {
        let command = FinishFunctionUpdate { name: "f".into(), revision_id: revision.into(), failure: None };
        self.submit(command).await;
    }

    pub(crate) async fn function(&self) {
        self.pending_function().await;
        self.finish_function("r1").await;
    }

    /// Give the function other code.
    pub(crate) async fn update_function(&self) {
        let command = UpdateFunction {
            name: "f".into(),
            code: Some(code('b')),
            settings: None,
            architectures: None,
            expected_revision: None,
            revision_id: "r2".into(),
            publish: false,
        };
        self.submit(command).await;
        self.finish_function("r2").await;
    }

    /// The mapping `m` of stream `s` to function `f`.
    pub(crate) async fn mapping(&self, starting: StartingPosition, settings: MappingSettings) {
        self.mapping_from(starting, settings, None).await;
        self.until_state(MappingState::Enabled).await;
    }

    pub(crate) async fn mapping_from(
        &self,
        starting: StartingPosition,
        settings: MappingSettings,
        consumer_arn: Option<String>,
    ) {
        let home = Home::default();
        self.submit(CreateMapping {
            uuid: "m".into(),
            arn: home.arn("lambda", "event-source-mapping:m"),
            source: Source { stream: "s".into(), stream_arn: home.stream_arn("s"), consumer_arn },
            starting,
            settings,
            tags: BTreeMap::new(),
        })
        .await;
    }

    pub(crate) async fn until_state(&self, wanted: MappingState) {
        self.until(wanted.name(), |state| state.mapping("m").is_ok_and(|mapping| mapping.state == wanted))
            .await;
    }

    pub(crate) async fn change(&self, settings: MappingSettings) {
        self.submit(ChangeMapping { uuid: "m".into(), settings }).await;
    }

    pub(crate) async fn delete_mapping(&self) {
        self.submit(DeleteMapping { uuid: "m".into() }).await;
    }

    pub(crate) async fn until_deleted(&self) {
        self.until("mapping deleted", |state| state.mapping("m").is_err()).await;
    }

    /// Put records named by their partition keys, one call each.
    pub(crate) async fn put(&self, keys: &[&str]) {
        for key in keys {
            self.put_data(key, 0, b"x").await;
        }
    }

    /// Put all records with one call.
    pub(crate) async fn put_together(&self, keys: &[&str]) {
        let records: Vec<_> = keys.iter().map(|key| record(key, 0, b"x")).collect();
        let stream = self.state().stream("s").unwrap().clone();
        self.engine.append(&stream, &records).await.unwrap();
    }

    pub(crate) async fn put_data(&self, key: &str, hash: u128, data: &[u8]) -> Placed {
        let stream = self.state().stream("s").unwrap().clone();
        self.engine.append(&stream, &[record(key, hash, data)]).await.unwrap().remove(0)
    }

    pub(crate) async fn call(&mut self) -> Call {
        timeout(LONG, self.calls.recv()).await.expect("the function is called").unwrap()
    }

    pub(crate) async fn no_call(&mut self) {
        assert!(timeout(LONG, self.calls.recv()).await.is_err(), "the function must not be called");
    }

    /// The keys of the next calls' records until that of `last` has come.
    pub(crate) async fn keys_until(&mut self, last: &str) -> Vec<String> {
        let mut keys = Vec::new();
        while keys.last().is_none_or(|key| key != last) {
            keys.extend(self.call().await.keys());
        }
        keys
    }

    /// Until the checkpoint of the stream's only shard stands at `position`.
    pub(crate) async fn until_checkpoint(&self, position: u64) {
        self.until("checkpoint", |state| {
            let shard = state.stream("s").unwrap().shards[0].log;
            state.checkpoint("m", shard).is_some_and(|at| at.0 == position)
        })
        .await;
    }

    /// The records that the only lane has processed; `None` while there is no lane.
    pub(crate) fn lane_records(&self) -> Option<u64> {
        self.mappings.statuses().first().map(|lane| lane.records)
    }

    pub(crate) fn lane(&self) -> LaneStatus {
        let mut lanes = self.mappings.statuses();
        assert_eq!(lanes.len(), 1);
        lanes.remove(0)
    }
}

fn record(key: &str, hash: u128, data: &[u8]) -> NewRecord {
    NewRecord {
        partition_key: key.into(),
        explicit_hash_key: Some(HashKey(hash)),
        data: bytes::Bytes::copy_from_slice(data),
    }
}

fn code(digit: char) -> Code {
    Code { key: digit.to_string().repeat(64), sha256: String::new(), size: 1, image_uri: None }
}

pub(crate) fn settings(batch_size: u32, window_secs: u32) -> MappingSettings {
    MappingSettings {
        function: "f".into(),
        function_arn: Home::default().function_arn("f"),
        batch_size,
        window_secs,
        enabled: true,
        delivery: DeliverySettings::default(),
    }
}

pub(crate) fn delivering(batch_size: u32, delivery: DeliverySettings) -> MappingSettings {
    MappingSettings { delivery, ..settings(batch_size, 0) }
}
