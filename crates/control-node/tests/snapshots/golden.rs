//! A control log with a snapshot in it, checked in: every later version must read it, from its beginning and from its
//! snapshot.
//!
//! `control-1.log` holds the records, each behind an ASCII record separator (0x1e), which no record has in it;
//! `control-1.state` the lines of the state that they give. Made once with
//! `cargo test -p millstream-control-node --test snapshots make_golden -- --ignored`, never again for format 1.

use crate::commands::{Random, function, layer, mapping, mapping_settings, stream};
use crate::crash_log::CrashLog;
use crate::{NEVER, often, settle, start, submit};
use millstream_control::{
    ActivateConsumer, ActivateMapping, ActivateStream, ChangeMapping, Checkpoint, Command, CreateStream,
    DeleteFunction, DeleteLayerVersion, DeleteMapping, DeleteStream, DeregisterConsumer,
    FinishFunctionUpdate, MappingSettings, RegisterConsumer, RemoveConsumer, RemoveMapping, RemoveStream,
    SettleMapping, State, StreamMode, StreamStatus, UpdateFunction,
};
use millstream_host::fs;
use millstream_log::Log;
use millstream_types::{LogShard, Position};
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

const SEPARATOR: u8 = 0x1e;
/// Commands before the snapshot, and in all.
const COVERED: u64 = 30;
const COMMANDS: u64 = 52;

fn file(name: &str) -> PathBuf {
    PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/golden")).join(name)
}

fn golden_records() -> Vec<Vec<u8>> {
    let bytes = fs::read(&file("control-1.log")).unwrap();
    bytes.split(|byte| *byte == SEPARATOR).skip(1).map(<[u8]>::to_vec).collect()
}

fn golden_state() -> State {
    State::from_snapshot(&fs::read(&file("control-1.state")).unwrap()).unwrap()
}

async fn golden_log() -> Arc<CrashLog> {
    let log = CrashLog::new();
    log.plant(&golden_records()).await;
    log
}

#[tokio::test]
async fn format_1_is_read_from_its_beginning() {
    let log = golden_log().await;
    let control = start(&log, NEVER).await.unwrap();
    let state = control.state();
    assert_eq!(*state, golden_state());
    assert_eq!(log.earliest().await, COVERED, "it is trimmed to its snapshot");
    // Something of it in plain words, so that reading both files wrong in the same way is noticed.
    let names: Vec<&str> = state.streams.keys().map(String::as_str).collect();
    assert_eq!(names, ["kept", "leaving", "on-demand"]);
    let kept = state.stream("kept").unwrap();
    assert_eq!((kept.status, kept.shards.len(), kept.shards[2].log), (StreamStatus::Active, 3, LogShard(3)));
    assert_eq!(kept.tags["Straße"], "\n\"ä\u{1f980}\"");
    assert_eq!(state.checkpoint("m-kept", LogShard(2)), Some(Position(77)));
    assert_eq!(state.functions.len(), 4);
    assert_eq!(state.layer_version("l", 3).unwrap().created.millis(), 1_700_000_000_000);
    assert!(state.layer_version("l", 1).is_none());
}

#[tokio::test]
async fn format_1_is_read_from_its_snapshot() {
    let log = golden_log().await;
    log.trim(LogShard::CONTROL, Position(COVERED)).await.unwrap();
    let control = start(&log, NEVER).await.unwrap();
    assert_eq!(*control.state(), golden_state());
}

#[test]
fn all_kinds_of_format_1_are_in_it() {
    // Parts are cut anywhere, also inside a character.
    let records = golden_records().concat();
    let text = String::from_utf8_lossy(&records);
    for kind in [
        "ActivateConsumer",
        "ActivateMapping",
        "ActivateStream",
        "ChangeMapping",
        "Checkpoint",
        "CreateFunction",
        "CreateMapping",
        "CreateStream",
        "DeleteFunction",
        "DeleteLayerVersion",
        "DeleteMapping",
        "DeleteStream",
        "DeregisterConsumer",
        "FinishFunctionUpdate",
        "PublishLayerVersion",
        "RegisterConsumer",
        "RemoveConsumer",
        "RemoveMapping",
        "RemoveStream",
        "SettleMapping",
        "UpdateFunction",
    ] {
        assert!(text.contains(&format!("\"do\":{{\"{kind}\"")), "{kind}");
    }
    assert_eq!(text.matches("{\"at\":1700000000000,\"do\"").count() as u64, COMMANDS);
    assert_eq!(text.matches("{\"snapshot\":{\"begin\"").count(), 1);
    assert_eq!(text.matches("{\"snapshot\":{\"end\"").count(), 1);
}

fn consumer(stream: &str, name: &str) -> RegisterConsumer {
    let tags = BTreeMap::from([("team".into(), "telemetry".into())]);
    RegisterConsumer { stream: stream.into(), name: name.into(), tags, limit: 20 }
}

fn finish(name: &str, revision: &str, failed: bool) -> FinishFunctionUpdate {
    let failure = failed.then(|| ("InvalidZipFileException".into(), "not a zip".into()));
    FinishFunctionUpdate { name: name.into(), revision_id: revision.into(), failure }
}

fn update(name: &str, revision: &str, random: &mut Random) -> UpdateFunction {
    let next = function(name, random);
    UpdateFunction {
        name: name.into(),
        code: Some(next.code),
        settings: Some(next.settings),
        architectures: Some(vec!["arm64".into()]),
        expected_revision: Some("revision-0".into()),
        revision_id: revision.into(),
        publish: false,
    }
}

fn activate(uuid: &str, shards: &[u64]) -> ActivateMapping {
    let positions = shards.iter().map(|shard| (LogShard(*shard), Position(5))).collect();
    ActivateMapping { uuid: uuid.into(), positions }
}

fn checkpoint(shard: u64, position: u64) -> Checkpoint {
    Checkpoint { mapping: "m-kept".into(), shard: LogShard(shard), position: Position(position) }
}

/// What the snapshot covers.
fn first_commands(random: &mut Random) -> Vec<Command> {
    let on_demand = CreateStream { mode: StreamMode::OnDemand, ..stream("on-demand", 4) };
    let stream_name = |name: &str| ActivateStream { name: name.into() };
    let other = |name: &str, consumer: &str| (name.to_owned(), consumer.to_owned());
    let (named, active) = (other("kept", "leaving"), other("kept", "active"));
    vec![
        stream("kept", 3).into(),
        stream_name("kept").into(),
        on_demand.into(),
        stream("gone", 2).into(),
        stream_name("gone").into(),
        stream("leaving", 1).into(),
        consumer("kept", "creating").into(),
        consumer("kept", "active").into(),
        ActivateConsumer { stream: active.0, consumer: active.1 }.into(),
        consumer("kept", "leaving").into(),
        DeregisterConsumer { stream: named.0, consumer: named.1 }.into(),
        function("f-pending", random).into(),
        function("f-active", random).into(),
        finish("f-active", "revision-0", false).into(),
        function("f-failed", random).into(),
        finish("f-failed", "revision-0", true).into(),
        function("f-updating", random).into(),
        finish("f-updating", "revision-0", false).into(),
        update("f-updating", "revision-1", random).into(),
        layer("l", 1).into(),
        layer("l", 2).into(),
        DeleteLayerVersion { name: "l".into(), version: 1 }.into(),
        mapping("m-kept", "kept", random).into(),
        activate("m-kept", &[1, 2, 3]).into(),
        checkpoint(2, 70).into(),
        mapping("m-gone", "gone", random).into(),
        activate("m-gone", &[8, 9]).into(),
        mapping("m-creating", "on-demand", random).into(),
        DeleteMapping { uuid: "m-gone".into() }.into(),
        DeleteStream { name: "gone".into(), enforce_consumer_deletion: true }.into(),
    ]
}

/// What comes after, the first of them between its parts.
fn last_commands(random: &mut Random) -> Vec<Command> {
    let settings = |enabled, random: &mut Random| MappingSettings { enabled, ..mapping_settings(random) };
    let (stream_name, leaving) = ("kept".to_owned(), "leaving".to_owned());
    vec![
        checkpoint(2, 77).into(),
        RemoveStream { name: "gone".into() }.into(),
        RemoveMapping { uuid: "m-gone".into() }.into(),
        RemoveConsumer { stream: stream_name, consumer: leaving }.into(),
        layer("l", 3).into(),
        ChangeMapping { uuid: "m-kept".into(), settings: settings(true, random) }.into(),
        SettleMapping { uuid: "m-kept".into() }.into(),
        finish("f-updating", "revision-1", true).into(),
        update_again("f-active", random).into(),
        finish("f-active", "revision-2", false).into(),
        function("f-gone", random).into(),
        DeleteFunction { name: "f-gone".into() }.into(),
        activate("m-creating", &[4, 5, 6, 7]).into(),
        ChangeMapping { uuid: "m-creating".into(), settings: settings(false, random) }.into(),
        DeleteStream { name: "leaving".into(), enforce_consumer_deletion: false }.into(),
        ActivateStream { name: "on-demand".into() }.into(),
        consumer("on-demand", "app").into(),
        checkpoint(1, 9).into(),
        checkpoint(3, 12).into(),
        mapping("m-late", "leaving", random).into(),
        layer("other", 4).into(),
        checkpoint(2, 3).into(),
    ]
}

fn update_again(name: &str, random: &mut Random) -> UpdateFunction {
    UpdateFunction { expected_revision: None, code: None, ..update(name, "revision-2", random) }
}

#[tokio::test]
#[ignore = "makes the golden files, which are made once"]
async fn make_golden() {
    let random = &mut Random(1);
    let log = CrashLog::new();
    let control = start(&log, often(COVERED)).await.unwrap();
    for command in first_commands(random).into_iter().chain(last_commands(random)) {
        submit(&control, command).await.unwrap();
    }
    settle(&log).await;
    let (mut records, mut state) = (Vec::new(), Vec::new());
    for record in log.all() {
        assert!(!record.contains(&SEPARATOR));
        records.push(SEPARATOR);
        records.extend_from_slice(&record);
    }
    let mut lines = control.state().snapshot_lines();
    while lines.write_next(&mut state).unwrap() {}
    fs::create_dir_all(&file("")).unwrap();
    fs::write(&file("control-1.log"), &records).unwrap();
    fs::write(&file("control-1.state"), &state).unwrap();
}
