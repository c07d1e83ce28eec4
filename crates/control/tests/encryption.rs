//! Changes of a stream's encryption as pure state changes.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use millstream_control::{
    ActivateStream, ControlCommand, CreateStream, DataKey, DeleteStream, EncryptionChange,
    FinishEncryptionChange, Refusal, SplitShard, StartEncryption, State, StopEncryption, Stream, StreamMode,
    StreamStatus, caps,
};
use millstream_types::{HashKey, ShardId, Timestamp};
use std::collections::BTreeMap;

fn apply<C: ControlCommand>(state: &mut State, command: &C) -> Result<C::Outcome, Refusal> {
    let before = state.clone();
    let outcome = command.apply(state, Timestamp::from_millis(5));
    if outcome.is_err() {
        assert_eq!(*state, before, "a refused command changes nothing");
    }
    outcome
}

fn state() -> State {
    let mut state = State::default();
    let create = CreateStream {
        name: "s".into(),
        arn: "arn".into(),
        shards: 1,
        mode: StreamMode::Provisioned,
        max_record_kib: 1_024,
        tags: BTreeMap::new(),
    };
    apply(&mut state, &create).unwrap();
    apply(&mut state, &ActivateStream { name: "s".into() }).unwrap();
    state
}

fn start(id: &str) -> StartEncryption {
    let data_key = DataKey { id: id.into(), master: "m".into(), version: 1, wrapped: "01".into() };
    StartEncryption { stream: "s".into(), arn: "arn".into(), key_id: "alias/a".into(), data_key }
}

fn finish() -> FinishEncryptionChange {
    FinishEncryptionChange { stream: "s".into() }
}

fn stop() -> StopEncryption {
    StopEncryption { stream: "s".into() }
}

fn stream(state: &State) -> &Stream {
    state.stream("s").unwrap()
}

#[test]
fn a_change_is_true_once_it_is_finished() {
    let mut state = state();
    apply(&mut state, &start("one")).unwrap();
    assert_eq!((stream(&state).status, &stream(&state).encryption), (StreamStatus::Updating, &None));
    apply(&mut state, &finish()).unwrap();
    assert_eq!(stream(&state).status, StreamStatus::Active);
    assert_eq!(stream(&state).current_data_key().unwrap().id, "one");
    for id in ["two", "one"] {
        apply(&mut state, &start(id)).unwrap();
        apply(&mut state, &finish()).unwrap();
        assert_eq!(stream(&state).current_data_key().unwrap().id, id);
    }
    apply(&mut state, &stop()).unwrap();
    assert_eq!(stream(&state).encryption_change, Some(EncryptionChange::Stop));
    assert!(stream(&state).encryption.is_some());
    apply(&mut state, &finish()).unwrap();
    assert_eq!((stream(&state).current_data_key(), stream(&state).data_keys.len()), (None, 2));
    apply(&mut state, &stop()).unwrap();
    assert_eq!(stream(&state).status, StreamStatus::Active, "there is nothing to stop");
}

#[test]
fn a_stream_changes_one_thing_at_a_time() {
    let mut state = state();
    apply(&mut state, &start("one")).unwrap();
    let split = SplitShard { stream: "s".into(), shard: ShardId(0), key: HashKey(1 << 100) };
    let busy = |result| matches!(result, Err(Refusal::StreamBusy { status: StreamStatus::Updating, .. }));
    assert!(busy(apply(&mut state, &start("two"))));
    assert!(busy(apply(&mut state, &stop())));
    assert!(busy(apply(&mut state, &split)));
    apply(&mut state, &finish()).unwrap();
    apply(&mut state, &split).unwrap();
    assert!(busy(apply(&mut state, &start("two"))));
    // It is a reshard that goes on, and this does not end it.
    apply(&mut state, &finish()).unwrap();
    assert_eq!(stream(&state).status, StreamStatus::Updating);
    apply(&mut state, &DeleteStream { name: "s".into(), enforce_consumer_deletion: true }).unwrap();
    apply(&mut state, &finish()).unwrap();
    assert_eq!(stream(&state).status, StreamStatus::Deleting);
}

#[test]
fn a_key_of_another_stream_and_one_too_many_are_refused() {
    let mut state = state();
    let other = StartEncryption { arn: "other".into(), ..start("one") };
    assert!(matches!(apply(&mut state, &other), Err(Refusal::NoSuchStream(_))));
    for number in 0..caps::DATA_KEYS_PER_STREAM {
        apply(&mut state, &start(&number.to_string())).unwrap();
        apply(&mut state, &finish()).unwrap();
    }
    assert!(matches!(apply(&mut state, &start("more")), Err(Refusal::Limit { .. })));
    apply(&mut state, &start("0")).unwrap();
}

#[test]
fn a_snapshot_has_all_of_it() {
    let mut state = state();
    apply(&mut state, &start("one")).unwrap();
    apply(&mut state, &finish()).unwrap();
    apply(&mut state, &stop()).unwrap();
    let (mut lines, mut bytes) = (state.snapshot_lines(), Vec::new());
    while lines.write_next(&mut bytes).unwrap() {}
    assert_eq!(State::from_snapshot(&bytes).unwrap(), state);
}
