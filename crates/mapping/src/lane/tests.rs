//! The end of a closed shard.

use crate::board::Board;
use crate::plan::{Order, Plan, Target, is_finished};
use crate::supervisor::Context;
use crate::{Invoker, NoDestinations, function_spec};
use millstream_control::{
    CloseShards, Code, CreateFunction, CreateMapping, CreateStream, DeliverySettings, FinishReshard,
    FunctionSettings, MappingSettings, Source, SplitShard, StartingPosition, StreamMode, StreamStatus,
};
use millstream_engine::{Engine, NewRecord};
use millstream_functions::{FunctionSpec, Invocation, InvokeError, InvokeReply};
use millstream_host::clock::{Clock, ManualClock, SystemClock};
use millstream_log::MemoryLog;
use millstream_types::{HashKey, Home, Position, Timestamp};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;
use tokio::sync::{Semaphore, watch};
use tokio::time::Instant;

/// Succeeds, and counts the records.
#[derive(Debug, Default)]
struct Counting(AtomicUsize);

impl Invoker for Counting {
    async fn invoke(&self, _spec: Arc<FunctionSpec>, call: Invocation) -> Result<InvokeReply, InvokeError> {
        let event: serde_json::Value = serde_json::from_slice(&call.payload).unwrap();
        self.0.fetch_add(event["Records"].as_array().unwrap().len(), Ordering::SeqCst);
        Ok(InvokeReply {
            payload: "null".into(),
            function_error: None,
            log_tail: "".into(),
            executed_version: "$LATEST".into(),
            init: None,
            duration: Duration::ZERO,
            max_memory_mb: 1,
        })
    }

    fn limit(&self) -> usize {
        1
    }
}

/// A wall clock that a test sets, while no time passes.
#[derive(Debug)]
struct SetClock(Arc<ManualClock>);

impl Clock for SetClock {
    fn now(&self) -> Timestamp {
        self.0.now()
    }

    fn monotonic(&self) -> Duration {
        Duration::ZERO
    }
}

/// A stream of one shard with three records, a mapping and the lane's plan.
async fn world() -> (Engine, Plan) {
    world_at(SystemClock::shared()).await
}

async fn world_at(clock: Arc<dyn Clock>) -> (Engine, Plan) {
    let log = Arc::new(MemoryLog::new());
    let control = millstream_control_node::open(log.clone(), clock.clone()).await.unwrap();
    let engine = Engine::new(log, control.clone(), clock);
    let lifecycle = tokio::spawn(engine.clone().run_lifecycle(Duration::ZERO));
    let home = Home::default();
    let (stream_arn, function_arn) = (home.stream_arn("s"), home.function_arn("f"));
    let stream = CreateStream {
        name: "s".into(),
        arn: stream_arn.clone(),
        shards: 1,
        mode: StreamMode::Provisioned,
        max_record_kib: 1_024,
        tags: [].into(),
    };
    control.submit(stream).await.unwrap();
    let function = CreateFunction {
        name: "f".into(),
        arn: function_arn.clone(),
        code: Code { key: "a".repeat(64), sha256: String::new(), size: 1, image_uri: None },
        settings: FunctionSettings {
            description: String::new(),
            role: "r".into(),
            runtime: "provided.al2023".into(),
            handler: "h".into(),
            timeout_secs: 3,
            memory_mb: 128,
            ephemeral_mb: 512,
            environment: [].into(),
            layers: Vec::new(),
            tracing_mode: "PassThrough".into(),
            dead_letter: String::new(),
            logging: millstream_control::LoggingSettings::default(),
        },
        architectures: Vec::new(),
        tags: [].into(),
        revision_id: "1".into(),
        publish: false,
    };
    let function = control.submit(function).await.unwrap();
    let settings = MappingSettings {
        function: "f".into(),
        function_arn,
        batch_size: 10,
        window_secs: 60,
        enabled: true,
        delivery: DeliverySettings::default(),
    };
    let mapping = CreateMapping {
        uuid: "m".into(),
        arn: String::new(),
        source: Source { stream: "s".into(), stream_arn, consumer_arn: None },
        starting: StartingPosition::TrimHorizon,
        settings,
        tags: [].into(),
    };
    let mapping = control.submit(mapping).await.unwrap();
    let active = |state: &Arc<millstream_control::State>| state.streams["s"].status == StreamStatus::Active;
    let stream = control.watch().wait_for(active).await.unwrap().streams["s"].clone();
    // A test says itself when and where a shard is closed.
    lifecycle.abort();
    let record = NewRecord { partition_key: "k".into(), explicit_hash_key: None, data: "d".into() };
    engine.append(&stream, &[record.clone(), record.clone(), record]).await.unwrap();
    let target = Target::Ready(function_spec(&function).unwrap());
    let shard = stream.shards[0].clone();
    (engine, Plan { mapping, stream, shard, target })
}

/// Run a lane until it ends; returns how many records the function had.
async fn run(engine: &Engine, plan: &Plan, closing: Option<u64>) -> usize {
    let context = Arc::new(Context {
        engine: engine.clone(),
        invoker: Counting::default(),
        turns: Arc::new(Semaphore::new(1)),
        board: Arc::new(Board::default()),
        destinations: Arc::new(NoDestinations),
    });
    let plan = Arc::new(plan.clone());
    let (orders, taken) = watch::channel(Order::Run(plan.clone()));
    let running = tokio::spawn(super::run(context.clone(), taken, plan.clone(), Position::ZERO));
    if let Some(end) = closing {
        while context.invoker.0.load(Ordering::SeqCst) == 0 {
            tokio::time::sleep(Duration::from_secs(1)).await;
        }
        let plan = closed(engine, &plan, end).await;
        orders.send_replace(Order::Run(Arc::new(plan)));
    }
    tokio::time::timeout(Duration::from_secs(1_000), running).await.unwrap().unwrap();
    context.invoker.0.load(Ordering::SeqCst)
}

/// Split the shard, which ends at `end` then.
async fn closed(engine: &Engine, plan: &Plan, end: u64) -> Plan {
    let stream = || "s".to_owned();
    let control = engine.control();
    let split = SplitShard { stream: stream(), shard: plan.shard.id, key: HashKey(1 << 127) };
    control.submit(split).await.unwrap();
    control.submit(CloseShards { stream: stream(), durable: vec![Position::ZERO] }).await.unwrap();
    control.submit(FinishReshard { stream: stream(), ends: vec![Position(end)] }).await.unwrap();
    let stream = control.state().streams["s"].clone();
    Plan { shard: stream.shards[0].clone(), stream, ..plan.clone() }
}

#[tokio::test(start_paused = true)]
async fn a_closed_shard_is_read_to_its_end_and_checkpointed_there() {
    let (engine, plan) = world().await;
    // The third record came after the shard was closed, so it is void.
    let plan = closed(&engine, &plan, 2).await;
    let begin = Instant::now();
    assert_eq!(run(&engine, &plan, None).await, 2);
    assert_eq!(begin.elapsed(), Duration::ZERO, "no window is waited for, because nothing can come");
    assert!(is_finished(&engine.control().state(), &plan.mapping, &plan.shard));
}

#[tokio::test(start_paused = true)]
async fn a_lane_that_waits_at_the_tail_hears_that_its_shard_is_closed() {
    let (engine, plan) = world().await;
    assert_eq!(run(&engine, &plan, Some(3)).await, 3);
    let state = engine.control().state();
    assert!(is_finished(&state, &plan.mapping, &state.streams["s"].shards[0]));
}

#[tokio::test(start_paused = true)]
async fn an_empty_closed_shard_is_finished() {
    let (engine, plan) = world().await;
    let plan = closed(&engine, &plan, 0).await;
    assert_eq!(run(&engine, &plan, None).await, 0);
    assert!(is_finished(&engine.control().state(), &plan.mapping, &plan.shard));
}

#[tokio::test(start_paused = true)]
async fn a_clock_that_is_set_ahead_expires_nothing() {
    let wall = ManualClock::at(Timestamp::from_millis(1_700_000_000_000));
    let (engine, plan) = world_at(Arc::new(SetClock(wall.clone()))).await;
    wall.advance_millis(30 * 24 * 3_600_000);
    let plan = closed(&engine, &plan, 3).await;
    assert_eq!(run(&engine, &plan, None).await, 3);
}
