//! What was answered is there after a restart, and nothing else is.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use millstream_control::{
    ActivateStream, CreateStream, DeleteStream, Refusal, RegisterConsumer, RemoveStream, StreamMode,
};
use millstream_control_node::{ControlHandle, SubmitError, open};
use millstream_host::clock::ManualClock;
use millstream_log::{Batch, Log, MemoryLog};
use millstream_types::{LogShard, Timestamp};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

fn create(name: &str) -> CreateStream {
    CreateStream {
        name: name.into(),
        arn: format!("arn:aws:kinesis:us-east-1:000000000000:stream/{name}"),
        shards: 2,
        mode: StreamMode::Provisioned,
        max_record_kib: 1_024,
        tags: BTreeMap::new(),
    }
}

async fn some_history(control: &ControlHandle) {
    for name in ["a", "b", "c"] {
        control.submit(create(name)).await.unwrap();
        control.submit(ActivateStream { name: name.into() }).await.unwrap();
    }
    control
        .submit(RegisterConsumer { stream: "a".into(), name: "app".into(), tags: BTreeMap::new(), limit: 20 })
        .await
        .unwrap();
    control.submit(DeleteStream { name: "b".into(), enforce_consumer_deletion: false }).await.unwrap();
    control.submit(RemoveStream { name: "b".into() }).await.unwrap();
    control.submit(create("b")).await.unwrap();
}

#[tokio::test]
async fn a_restart_gives_the_same_state() {
    let log: Arc<dyn Log> = Arc::new(MemoryLog::new());
    let clock = ManualClock::at(Timestamp::from_millis(1_700_000_000_000));
    let first = open(log.clone(), clock.clone()).await.unwrap();
    some_history(&first).await;
    let before = first.state();
    clock.advance_millis(60_000);
    let second = open(log, clock).await.unwrap();
    assert_eq!(*before, *second.state());
    // A log shard's number is never given twice.
    assert!(before.stream("b").unwrap().shards[0].log > before.stream("c").unwrap().shards[1].log);
}

#[tokio::test]
async fn a_refusal_changes_nothing_and_is_not_logged() {
    let log: Arc<dyn Log> = Arc::new(MemoryLog::new());
    let control = open(log.clone(), ManualClock::at(Timestamp::ZERO)).await.unwrap();
    control.submit(create("a")).await.unwrap();
    let (state, tail) = (control.state(), log.tail(LogShard::CONTROL).unwrap().current());
    let refused = control.submit(create("a")).await;
    assert!(matches!(refused, Err(SubmitError::Refused(Refusal::StreamExists(name))) if name == "a"));
    assert_eq!(*state, *control.state());
    assert_eq!(tail, log.tail(LogShard::CONTROL).unwrap().current());
}

#[tokio::test]
async fn an_unknown_command_stops_the_start() {
    let log: Arc<dyn Log> = Arc::new(MemoryLog::new());
    open(log.clone(), ManualClock::at(Timestamp::ZERO)).await.unwrap();
    let unknown = Batch::single(Timestamp::ZERO, br#"{"at":1,"do":{"PaintStream":{"name":"a"}}}"#);
    let ticket = log.append(vec![(LogShard::CONTROL, unknown)], Duration::ZERO).await.unwrap();
    ticket.durable().await.unwrap();
    let error = open(log, ManualClock::at(Timestamp::ZERO)).await.unwrap_err().to_string();
    assert!(error.contains("control command 0") && error.contains("newer version"), "{error}");
}
