//! What is reserved and provisioned: taken, refused, forgotten with what it belonged to.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use millstream_control::{
    AliasTarget, Code, ConcurrencyLimit, ConcurrencyRefusal as No, ControlCommand, CreateAlias,
    CreateFunction, DeleteAlias, DeleteFunctionVersion, DeleteProvisionedConcurrency, FinishFunctionUpdate,
    Function, FunctionSettings, Provisioned, PutProvisionedConcurrency, Refusal, ReserveConcurrency, State,
    UpdateAlias, UpdateFunction,
};
use millstream_types::Timestamp;
use std::collections::BTreeMap;

const LIMIT: ConcurrencyLimit = ConcurrencyLimit { all: 1_000, unreserved: 100 };

fn apply<C: ControlCommand>(state: &mut State, command: &C) -> Result<C::Outcome, Refusal> {
    let before = state.clone();
    let result = command.apply(state, Timestamp::from_millis(7));
    if result.is_err() {
        assert_eq!(*state, before, "a refusal changes nothing");
    }
    result
}

fn code(number: u64) -> Code {
    Code { key: format!("key-{number}"), sha256: String::new(), size: 1, image_uri: None }
}

/// Functions `f` and `g` with versions 1 and 2, and an alias `live` of each that leads to 1.
fn state() -> State {
    let mut state = State::default();
    for name in ["f", "g"] {
        let settings = FunctionSettings {
            description: String::new(),
            role: "r".into(),
            runtime: "python3.12".into(),
            handler: "h".into(),
            timeout_secs: 3,
            memory_mb: 128,
            ephemeral_mb: 512,
            environment: BTreeMap::new(),
            layers: Vec::new(),
            tracing_mode: "PassThrough".into(),
            dead_letter: String::new(),
            logging: millstream_control::LoggingSettings::default(),
        };
        let create = CreateFunction {
            name: name.into(),
            arn: format!("arn:{name}"),
            code: code(1),
            settings,
            architectures: vec!["x86_64".into()],
            tags: BTreeMap::new(),
            revision_id: "1".into(),
            publish: true,
        };
        apply(&mut state, &create).unwrap();
        finish(&mut state, name, "1");
        let update = UpdateFunction {
            name: name.into(),
            code: Some(code(2)),
            settings: None,
            architectures: None,
            expected_revision: None,
            revision_id: "2".into(),
            publish: true,
        };
        apply(&mut state, &update).unwrap();
        finish(&mut state, name, "2");
        alias(&mut state, name, "live", "1").unwrap();
    }
    state
}

fn finish(state: &mut State, name: &str, revision: &str) {
    let command = FinishFunctionUpdate { name: name.into(), revision_id: revision.into(), failure: None };
    apply(state, &command).unwrap();
}

fn alias(state: &mut State, function: &str, name: &str, version: &str) -> Result<(), Refusal> {
    let command = CreateAlias {
        function: function.into(),
        name: name.into(),
        target: AliasTarget { version: version.into(), additional: None },
        description: String::new(),
        revision_id: "a".into(),
    };
    apply(state, &command).map(drop)
}

fn lead(state: &mut State, name: &str, version: &str, second: Option<(&str, u32)>) -> Result<(), Refusal> {
    let command = UpdateAlias {
        function: "f".into(),
        name: name.into(),
        version: Some(version.into()),
        additional: Some(second.map(|(version, part)| (version.to_owned(), part)).into_iter().collect()),
        description: None,
        expected_revision: None,
        revision_id: "b".into(),
    };
    apply(state, &command).map(drop)
}

fn put(state: &mut State, function: &str, qualifier: &str, executions: u32) -> Result<Provisioned, Refusal> {
    let (function, qualifier) = (function.into(), qualifier.into());
    apply(state, &PutProvisionedConcurrency { function, qualifier, executions, limit: LIMIT })
}

fn reserve(state: &mut State, function: &str, reserved: Option<u32>) -> Result<(), Refusal> {
    apply(state, &ReserveConcurrency { function: function.into(), reserved, limit: Some(LIMIT) })
}

fn parts(state: &State) -> Vec<(String, String, u32)> {
    let function: &Function = state.function("f").unwrap();
    let parts = function.provisioned_versions().into_iter();
    parts.map(|(version, of, part)| (version, of.to_owned(), part.executions)).collect()
}

#[test]
fn a_hundred_stay_unreserved() {
    let mut state = state();
    let too_few = |provisioned| Err(No::TooFewUnreserved { floor: 100, provisioned }.into());
    assert_eq!(reserve(&mut state, "f", Some(901)), too_few(false));
    reserve(&mut state, "f", Some(600)).unwrap();
    assert_eq!(reserve(&mut state, "g", Some(301)), too_few(false));
    reserve(&mut state, "g", Some(300)).unwrap();
    assert_eq!(state.taken_concurrency(), 900);
    // Its own is given back first.
    reserve(&mut state, "g", Some(0)).unwrap();
    assert_eq!(state.taken_concurrency(), 600);
    reserve(&mut state, "g", None).unwrap();
    assert_eq!(put(&mut state, "g", "1", 301).map(drop), too_few(true));
    let above = Err(No::AboveUnreserved { unreserved: 400 }.into());
    assert_eq!(put(&mut state, "g", "1", 401).map(drop), above);
    put(&mut state, "g", "1", 200).unwrap();
    assert_eq!(put(&mut state, "g", "2", 101).map(drop), too_few(true));
    put(&mut state, "g", "1", 300).unwrap();
    assert_eq!(state.taken_concurrency(), 900);
    assert_eq!(reserve(&mut state, "f", Some(601)), too_few(false));
}

#[test]
fn provisioned_invocations_are_within_the_reserved_ones() {
    let mut state = state();
    reserve(&mut state, "f", Some(10)).unwrap();
    put(&mut state, "f", "1", 6).unwrap();
    assert_eq!(put(&mut state, "f", "2", 5).map(drop), Err(No::AboveReserved { reserved: 10 }.into()));
    put(&mut state, "f", "2", 4).unwrap();
    assert_eq!(state.taken_concurrency(), 10, "and are not counted twice");
    let below = No::BelowProvisioned { reserved: 9, provisioned: 10 };
    assert_eq!(reserve(&mut state, "f", Some(9)), Err(below.into()));
    let forget = DeleteProvisionedConcurrency { function: "f".into(), qualifier: "2".into() };
    apply(&mut state, &forget).unwrap();
    apply(&mut state, &forget).unwrap();
    reserve(&mut state, "f", Some(9)).unwrap();
    let nobody = DeleteProvisionedConcurrency { function: "h".into(), qualifier: "2".into() };
    assert_eq!(apply(&mut state, &nobody), Err(Refusal::NoSuchFunction("h".into())));
}

#[test]
fn a_version_is_provisioned_by_itself_or_by_its_aliases() {
    let mut state = state();
    let none = Refusal::NoSuchVersion { function: "f".into(), version: "9".into() };
    assert_eq!(put(&mut state, "f", "9", 1).map(drop), Err(none));
    assert_eq!(put(&mut state, "f", "$LATEST", 1).map(drop), Err(No::Unpublished.into()));
    alias(&mut state, "f", "dev", "$LATEST").unwrap();
    assert_eq!(put(&mut state, "f", "dev", 1).map(drop), Err(No::Unpublished.into()));

    put(&mut state, "f", "1", 2).unwrap();
    assert_eq!(put(&mut state, "f", "live", 1).map(drop), Err(No::VersionIsProvisioned.into()));
    lead(&mut state, "live", "2", None).unwrap();
    let provisioned = put(&mut state, "f", "live", 4).unwrap();
    assert_eq!(provisioned, Provisioned { executions: 4, modified: Timestamp::from_millis(7) });
    assert_eq!(put(&mut state, "f", "2", 1).map(drop), Err(No::AliasIsProvisioned.into()));
    assert_eq!(lead(&mut state, "live", "1", None), Err(No::VersionIsProvisioned.into()));
    assert_eq!(lead(&mut state, "live", "$LATEST", None), Err(No::Unpublished.into()));
    let expected = [("1".to_owned(), "1".to_owned(), 2), ("2".to_owned(), "live".to_owned(), 4)];
    assert_eq!(parts(&state), expected);
}

#[test]
fn weights_share_what_is_provisioned() {
    let mut state = state();
    lead(&mut state, "live", "1", Some(("2", 250_000_000))).unwrap();
    assert_eq!(put(&mut state, "f", "live", 1).map(drop), Err(No::Weighted.into()));
    lead(&mut state, "live", "1", None).unwrap();
    put(&mut state, "f", "live", 10).unwrap();
    for (part, expected) in
        [(250_000_000, vec![("2", 3), ("1", 7)]), (0, vec![("1", 10)]), (1_000_000_000, vec![("2", 10)])]
    {
        lead(&mut state, "live", "1", Some(("2", part))).unwrap();
        let found = parts(&state);
        let found: Vec<_> = found.iter().map(|(version, _, number)| (version.as_str(), *number)).collect();
        assert_eq!(found, expected, "{part} billionths");
    }
}

#[test]
fn what_is_provisioned_goes_with_its_version_or_alias() {
    let mut state = state();
    put(&mut state, "f", "live", 1).unwrap();
    put(&mut state, "f", "2", 1).unwrap();
    apply(&mut state, &DeleteAlias { function: "f".into(), name: "live".into() }).unwrap();
    assert_eq!(parts(&state), [("2".to_owned(), "2".to_owned(), 1)]);
    apply(&mut state, &DeleteFunctionVersion { name: "f".into(), version: 2 }).unwrap();
    assert_eq!(parts(&state), []);
}

#[test]
fn a_reservation_from_before_there_was_a_limit_is_taken() {
    let old: ReserveConcurrency = serde_json::from_str(r#"{"function":"f","reserved":5000}"#).unwrap();
    let mut state = state();
    apply(&mut state, &old).unwrap();
    assert_eq!(state.function("f").unwrap().reserved_concurrency, Some(5_000));
}
