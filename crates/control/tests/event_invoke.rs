//! How asynchronous invocations are treated, as state.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use millstream_control::{
    AliasTarget, ChangeEventInvokeConfig, Code, Command, CreateAlias, CreateFunction, CreateStream,
    DeleteAlias, DeleteEventInvokeConfig, DeleteFunction, DeleteFunctionVersion, EventInvokeConfig,
    FunctionSettings, OpenEventJournal, PutEventInvokeConfig, Refusal, State, StreamMode,
};
use millstream_types::{LogShard, Timestamp};
use std::collections::BTreeMap;

const NOW: Timestamp = Timestamp::from_millis(1_700_000_000_000);
const QUEUE: &str = "arn:aws:sqs:us-east-1:000000000000:q";

fn apply(state: &mut State, command: impl Into<Command>) -> Result<(), Refusal> {
    command.into().apply(state, NOW)
}

/// Function `f` with version 1 and the alias `live`.
fn prepared() -> State {
    let mut state = State::default();
    let settings = FunctionSettings {
        description: String::new(),
        role: "r".into(),
        runtime: "python3.14".into(),
        handler: "h".into(),
        timeout_secs: 3,
        memory_mb: 128,
        ephemeral_mb: 512,
        environment: BTreeMap::new(),
        layers: Vec::new(),
        tracing_mode: "PassThrough".into(),
        dead_letter: QUEUE.into(),
        logging: millstream_control::LoggingSettings::default(),
    };
    let function = CreateFunction {
        name: "f".into(),
        arn: "arn:f".into(),
        code: Code { key: "k".into(), sha256: String::new(), size: 1, image_uri: None },
        settings,
        architectures: Vec::new(),
        tags: BTreeMap::new(),
        revision_id: "r".into(),
        publish: true,
    };
    apply(&mut state, function).unwrap();
    let alias = CreateAlias {
        function: "f".into(),
        name: "live".into(),
        target: AliasTarget { version: "1".into(), additional: None },
        description: String::new(),
        revision_id: "a".into(),
    };
    apply(&mut state, alias).unwrap();
    state
}

fn put(qualifier: &str) -> PutEventInvokeConfig {
    PutEventInvokeConfig {
        function: "f".into(),
        qualifier: qualifier.into(),
        max_retries: Some(1),
        max_age_secs: None,
        on_success: Some(QUEUE.into()),
        on_failure: None,
    }
}

fn change(qualifier: &str) -> ChangeEventInvokeConfig {
    ChangeEventInvokeConfig {
        function: "f".into(),
        qualifier: qualifier.into(),
        max_retries: None,
        max_age_secs: None,
        on_success: None,
        on_failure: None,
    }
}

fn delete(qualifier: &str) -> DeleteEventInvokeConfig {
    DeleteEventInvokeConfig { function: "f".into(), qualifier: qualifier.into() }
}

fn set(state: &State, qualifier: &str) -> Option<EventInvokeConfig> {
    state.functions["f"].event_invoke.get(qualifier).cloned()
}

#[test]
fn a_put_replaces_a_change_changes_and_a_delete_takes_away() {
    let mut state = prepared();
    for qualifier in ["$LATEST", "1", "live"] {
        apply(&mut state, put(qualifier)).unwrap();
        let first = EventInvokeConfig {
            max_retries: Some(1),
            on_success: Some(QUEUE.into()),
            modified: NOW,
            ..EventInvokeConfig::default()
        };
        assert_eq!(set(&state, qualifier), Some(first.clone()));
        let aged = ChangeEventInvokeConfig {
            max_age_secs: Some(60),
            on_failure: Some(QUEUE.into()),
            ..change(qualifier)
        };
        apply(&mut state, aged).unwrap();
        let second =
            EventInvokeConfig { max_age_secs: Some(60), on_failure: Some(QUEUE.into()), ..first.clone() };
        assert_eq!(set(&state, qualifier), Some(second.clone()));
        let cleared = ChangeEventInvokeConfig { on_success: Some(String::new()), ..change(qualifier) };
        apply(&mut state, cleared).unwrap();
        assert_eq!(set(&state, qualifier), Some(EventInvokeConfig { on_success: None, ..second }));
        apply(&mut state, put(qualifier)).unwrap();
        assert_eq!(set(&state, qualifier), Some(first));
        apply(&mut state, delete(qualifier)).unwrap();
        assert_eq!(set(&state, qualifier), None);
    }
}

#[test]
fn nothing_is_set_for_what_is_not_there() {
    let mut state = prepared();
    let before = state.clone();
    let version = |of: &str| Refusal::NoSuchVersion { function: "f".into(), version: of.into() };
    for qualifier in ["2", "later", ""] {
        assert_eq!(apply(&mut state, put(qualifier)), Err(version(qualifier)));
        assert_eq!(apply(&mut state, change(qualifier)), Err(version(qualifier)));
    }
    let none = |of: &str| Refusal::NoEventInvokeConfig { function: "f".into(), qualifier: of.into() };
    for qualifier in ["$LATEST", "1", "live"] {
        assert_eq!(apply(&mut state, change(qualifier)), Err(none(qualifier)));
        assert_eq!(apply(&mut state, delete(qualifier)), Err(none(qualifier)));
    }
    let gone = Refusal::NoSuchFunction("g".into());
    assert_eq!(
        apply(&mut state, PutEventInvokeConfig { function: "g".into(), ..put("1") }),
        Err(gone.clone())
    );
    assert_eq!(
        apply(&mut state, ChangeEventInvokeConfig { function: "g".into(), ..change("1") }),
        Err(gone.clone())
    );
    assert_eq!(apply(&mut state, DeleteEventInvokeConfig { function: "g".into(), ..delete("1") }), Err(gone));
    assert_eq!(state, before);
}

#[test]
fn what_is_set_goes_with_what_it_is_for() {
    let mut state = prepared();
    for qualifier in ["$LATEST", "1", "live"] {
        apply(&mut state, put(qualifier)).unwrap();
    }
    apply(&mut state, DeleteAlias { function: "f".into(), name: "live".into() }).unwrap();
    assert_eq!((set(&state, "live"), set(&state, "1").is_some()), (None, true));
    apply(&mut state, DeleteFunctionVersion { name: "f".into(), version: 1 }).unwrap();
    assert_eq!((set(&state, "1"), set(&state, "$LATEST").is_some()), (None, true));
    apply(&mut state, DeleteFunction { name: "f".into() }).unwrap();
    assert!(state.functions.is_empty());
}

#[test]
fn the_journal_of_events_has_one_log_shard() {
    let mut state = prepared();
    assert_eq!(state.event_journal, None);
    apply(&mut state, OpenEventJournal {}).unwrap();
    assert_eq!(state.event_journal, Some(LogShard(1)));
    let stream = CreateStream {
        name: "s".into(),
        arn: "arn:s".into(),
        shards: 1,
        mode: StreamMode::Provisioned,
        max_record_kib: 1_024,
        tags: BTreeMap::new(),
    };
    apply(&mut state, stream).unwrap();
    apply(&mut state, OpenEventJournal {}).unwrap();
    assert_eq!((state.event_journal, state.streams["s"].shards[0].log), (Some(LogShard(1)), LogShard(2)));
}

#[test]
fn a_snapshot_has_all_of_it() {
    let mut state = prepared();
    let lines = |state: &State| {
        let (mut out, mut lines) = (Vec::new(), state.snapshot_lines());
        while lines.write_next(&mut out).unwrap() {}
        String::from_utf8(out).unwrap()
    };
    // What was never used leaves the bytes as they were before there was such a thing.
    let plain = lines(&state);
    assert!(!plain.contains("event_journal") && !plain.contains("event_invoke"), "{plain}");
    apply(&mut state, OpenEventJournal {}).unwrap();
    apply(&mut state, put("live")).unwrap();
    let full = lines(&state);
    assert_eq!(State::from_snapshot(full.as_bytes()).unwrap(), state);
}
