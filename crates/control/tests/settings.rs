//! What streams and accounts are set to, as pure state changes.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use millstream_control::{
    ActivateStream, ChangeMonitoring, ChangeStream, Command, ControlCommand, CreateOnDemandStream,
    CreateStream, Distribution, OnDemandRefusal, Refusal, SetCommitment, SetDistribution, ShardMetric, State,
    StreamMode, StreamStatus, WarmUp,
};
use millstream_types::Timestamp;
use std::collections::{BTreeMap, BTreeSet};

const START: Timestamp = Timestamp::from_millis(1_700_000_000_000);
const DAY: u64 = 24 * 3_600_000;

/// A refused command must change nothing, and a state must survive its snapshot.
fn apply<C: ControlCommand>(state: &mut State, command: &C, at: Timestamp) -> Result<C::Outcome, Refusal> {
    let before = state.clone();
    let outcome = command.apply(state, at);
    if outcome.is_err() {
        assert_eq!(*state, before);
    }
    let mut lines = state.snapshot_lines();
    let mut bytes = Vec::new();
    while lines.write_next(&mut bytes).unwrap() {}
    assert_eq!(State::from_snapshot(&bytes).unwrap(), *state);
    outcome
}

fn create(name: &str, mode: StreamMode) -> CreateStream {
    let (arn, tags) = (format!("arn:{name}"), BTreeMap::new());
    CreateStream { name: name.into(), arn, shards: 4, mode, max_record_kib: 1_024, tags }
}

fn with_stream(name: &str, mode: StreamMode) -> State {
    let mut state = State::default();
    apply(&mut state, &create(name, mode), START).unwrap();
    apply(&mut state, &ActivateStream { name: name.into() }, START).unwrap();
    state
}

fn commit(state: &mut State, home: &str, enabled: bool, at: Timestamp) {
    apply(state, &SetCommitment { home: home.into(), enabled }, at).unwrap();
}

#[test]
fn a_commitment_that_is_over_does_not_come_back_by_itself() {
    let mut state = State::default();
    commit(&mut state, "", false, START);
    assert!(state.accounts.is_empty(), "what was never set takes no room");
    commit(&mut state, "", true, START);
    commit(&mut state, "", false, START.plus_millis(1));
    let end = START.plus_millis(DAY);
    assert!(state.is_committed("s", end.minus_millis(1)) && !state.is_committed("s", end));
    commit(&mut state, "", false, end.plus_millis(5));
    let over = state.commitment("").unwrap();
    assert_eq!((over.started, over.ends), (START, Some(end)));
    commit(&mut state, "", true, end.plus_millis(7));
    let again = state.commitment("").unwrap();
    assert_eq!((again.started, again.ends), (end.plus_millis(7), None));
}

#[test]
fn a_commitment_is_for_the_streams_of_its_account() {
    let mut state = State::default();
    commit(&mut state, "111122223333:eu-west-1:", true, START);
    assert!(state.is_committed("111122223333:eu-west-1:s", START));
    for other in ["s", "111122223333:eu-west-2:s", "111122223334:eu-west-1:s"] {
        assert!(!state.is_committed(other, START), "{other}");
    }
}

#[test]
fn only_so_many_accounts_have_settings() {
    let mut state = State::default();
    for number in 0..millstream_control::caps::ACCOUNTS {
        SetCommitment { home: format!("{number:012}:r:"), enabled: true }.apply(&mut state, START).unwrap();
    }
    let another = SetCommitment { home: String::new(), enabled: true };
    assert!(matches!(another.apply(&mut state, START), Err(Refusal::Limit { .. })));
    let known = SetCommitment { home: "000000000001:r:".into(), enabled: false };
    assert!(known.apply(&mut state, START).unwrap().unwrap().ends.is_some());
}

#[test]
fn a_warm_stream_has_a_shard_for_each_mebibyte() {
    let mut state = with_stream("s", StreamMode::OnDemand);
    let warm = |mibps: u32, convert: bool| WarmUp { stream: "s".into(), mibps, convert };
    assert_eq!(apply(&mut state, &warm(8, false), START), Err(OnDemandRefusal::NoCommitment.into()));
    commit(&mut state, "", true, START);
    let limit = millstream_control::caps::WARM_MIBPS;
    assert_eq!(
        apply(&mut state, &warm(limit + 1, false), START),
        Err(OnDemandRefusal::TooWarm { asked: limit + 1, limit }.into())
    );
    assert_eq!(apply(&mut state, &warm(1, false), START), Ok(4));
    assert_eq!(state.stream("s").unwrap().status, StreamStatus::Active, "it has enough shards");
    assert_eq!(apply(&mut state, &warm(6, false), START), Ok(4));
    let stream = state.stream("s").unwrap();
    assert_eq!((stream.status, stream.warm_mibps), (StreamStatus::Updating, Some(6)));
    let open = stream.reshard.as_ref().unwrap().shards.iter().filter(|shard| shard.is_open()).count();
    let kept = stream.shards.iter().filter(|s| !stream.reshard.as_ref().unwrap().parents.contains(&s.id));
    assert_eq!(open + kept.count(), 6);
    assert!(matches!(apply(&mut state, &warm(7, false), START), Err(Refusal::StreamBusy { .. })));
}

#[test]
fn a_provisioned_stream_is_warmed_up_only_as_it_becomes_on_demand() {
    let mut state = with_stream("s", StreamMode::Provisioned);
    commit(&mut state, "", true, START);
    let warm = |convert: bool| WarmUp { stream: "s".into(), mibps: 2, convert };
    assert_eq!(apply(&mut state, &warm(false), START), Err(OnDemandRefusal::Provisioned("s".into()).into()));
    assert_eq!(apply(&mut state, &warm(true), START), Ok(4));
    let stream = state.stream("s").unwrap();
    assert_eq!((stream.mode, stream.status), (StreamMode::OnDemand, StreamStatus::Active));
    let mode = Some(StreamMode::Provisioned);
    apply(&mut state, &ChangeStream { name: "s".into(), mode, max_record_kib: None }, START).unwrap();
    assert_eq!(state.stream("s").unwrap().warm_mibps, None);
}

#[test]
fn a_stream_distributes_by_itself_only_on_demand() {
    let mut state = with_stream("p", StreamMode::Provisioned);
    let set = |stream: &str, distribution| SetDistribution { stream: stream.into(), distribution };
    let refused = apply(&mut state, &set("p", Distribution::Auto), START);
    assert_eq!(refused, Err(OnDemandRefusal::AutoDistribution("p".into()).into()));
    apply(&mut state, &set("p", Distribution::UserPartitionKey), START).unwrap();

    let create = create("a", StreamMode::OnDemand);
    let auto = CreateOnDemandStream { create, distribution: Distribution::Auto, warm_mibps: Some(4) };
    assert_eq!(apply(&mut state, &auto, START), Err(OnDemandRefusal::NoCommitment.into()));
    commit(&mut state, "", true, START);
    apply(&mut state, &auto, START).unwrap();
    let stream = state.stream("a").unwrap();
    assert_eq!((stream.distribution, stream.warm_mibps), (Distribution::Auto, Some(4)));
    let busy = apply(&mut state, &set("a", Distribution::UserPartitionKey), START);
    assert!(matches!(busy, Err(Refusal::StreamBusy { .. })), "it is being created");
    apply(&mut state, &ActivateStream { name: "a".into() }, START).unwrap();
    let mode = Some(StreamMode::Provisioned);
    let change = ChangeStream { name: "a".into(), mode, max_record_kib: None };
    assert_eq!(apply(&mut state, &change, START), Err(OnDemandRefusal::AutoDistribution("a".into()).into()));
    apply(&mut state, &set("a", Distribution::UserPartitionKey), START).unwrap();
    apply(&mut state, &change, START).unwrap();
}

#[test]
fn monitoring_is_a_set() {
    let mut state = with_stream("s", StreamMode::Provisioned);
    let change = |enable: &[ShardMetric], disable: &[ShardMetric]| ChangeMonitoring {
        stream: "s".into(),
        enable: enable.iter().copied().collect(),
        disable: disable.iter().copied().collect(),
    };
    let one = [ShardMetric::IncomingBytes];
    let (before, after) = apply(&mut state, &change(&one, &[]), START).unwrap();
    assert_eq!((before, after), (BTreeSet::new(), BTreeSet::from(one)));
    let (_, all) = apply(&mut state, &change(&ShardMetric::ALL, &[]), START).unwrap();
    assert_eq!(all.len(), 7);
    let (_, rest) = apply(&mut state, &change(&[], &one), START).unwrap();
    assert_eq!(rest.len(), 6);
}

/// Data directories of before have none of this: what they say must mean what it did, and be written as it was.
#[test]
fn old_streams_are_read_and_written_as_they_were() {
    let state = with_stream("s", StreamMode::Provisioned);
    let mut bytes = Vec::new();
    let mut lines = state.snapshot_lines();
    while lines.write_next(&mut bytes).unwrap() {}
    let text = String::from_utf8(bytes).unwrap();
    for name in ["distribution", "monitoring", "warm_mibps", "account"] {
        assert!(!text.contains(name), "{text}");
    }
    let json = r#"{"SetDistribution":{"stream":"s","distribution":"Auto"}}"#;
    let command: Command = serde_json::from_str(json).unwrap();
    assert_eq!(serde_json::to_string(&command).unwrap(), json);
}
