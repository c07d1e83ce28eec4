//! The file and what a running server makes of it.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use millstream_credentials::{CredentialsFile, Document, FileError, Key, Keyring};
use millstream_host::clock::ManualClock;
use millstream_host::fs;
use millstream_iam::Facts;
use millstream_types::Timestamp;
use std::os::unix::fs::PermissionsExt;
use std::sync::Arc;

const NOW: Timestamp = Timestamp::from_millis(1_700_000_000_000);
const ADMIN: &str = "AdministratorAccess";

struct World {
    _directory: tempfile::TempDir,
    file: CredentialsFile,
    clock: Arc<ManualClock>,
}

impl World {
    fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let file = CredentialsFile::of_data_directory(&directory.path().join("data"));
        Self { _directory: directory, file, clock: ManualClock::at(NOW) }
    }

    fn open(&self) -> Result<Keyring, FileError> {
        Keyring::open(Some(self.file.clone()), "000000000000", self.clock.clone())
    }

    fn user(&self, name: &str, policy: &str) -> Key {
        self.file.edit(|all| all.create_user(name, None, &[policy.to_owned()], NOW)).unwrap()
    }

    /// Let the server look again.
    fn later(&self) {
        self.clock.advance_millis(1_000);
    }
}

#[test]
fn without_a_file_nobody_is_asked() {
    let world = World::new();
    let keyring = world.open().unwrap();
    assert!(!keyring.is_enforced());
    assert!(keyring.find("any", None).is_none());
    assert!(keyring.open_session("000000000000", ("arn", "f"), "role").is_none());
    let key = world.user("ada", ADMIN);
    world.later();
    assert!(keyring.is_enforced(), "the first credentials lock the server");
    assert_eq!(keyring.find(&key.id, None).unwrap().principal.arn(), "arn:aws:iam::000000000000:user/ada");
}

#[test]
fn changes_are_noticed_while_the_server_runs() {
    let world = World::new();
    let first = world.user("ada", ADMIN);
    let keyring = world.open().unwrap();
    assert!(keyring.find(&first.id, None).is_some());
    let second = world.file.edit(|all| all.rotate("ada", false, NOW)).unwrap();
    world.later();
    assert!(keyring.find(&first.id, None).is_none(), "the old key is good for nothing");
    assert_eq!(keyring.find(&second.id, None).unwrap().secret, second.secret);
    world.file.edit(|all| all.remove_user("ada")).unwrap();
    world.later();
    assert!(keyring.find(&second.id, None).is_none());
    assert!(keyring.is_enforced(), "a server without users lets nobody in");
}

#[test]
fn a_file_that_breaks_or_vanishes_opens_nothing() {
    let world = World::new();
    let key = world.user("ada", ADMIN);
    let keyring = world.open().unwrap();
    fs::write_private(world.file.path(), b"{\"format\":1,\"users\":{\"ada\":{\"secret\":\"hunter2\"")
        .unwrap();
    world.later();
    assert!(keyring.find(&key.id, None).is_some(), "the old ones stay");
    let error = world.open().unwrap_err().to_string();
    assert!(error.contains("not a credentials file") && !error.contains("hunter2"), "{error}");
    fs::remove_file(world.file.path()).unwrap();
    world.later();
    assert!(keyring.is_enforced() && keyring.find(&key.id, None).is_none());
    let another = world.user("bob", ADMIN);
    world.later();
    assert!(keyring.find(&another.id, None).is_some());
}

#[test]
fn the_file_is_its_owners() {
    let world = World::new();
    world.user("ada", ADMIN);
    let mode = |mode| {
        std::fs::set_permissions(world.file.path(), std::fs::Permissions::from_mode(mode)).unwrap();
    };
    assert_eq!(fs::stamp(world.file.path()).unwrap().unwrap().mode, 0o600);
    mode(0o640);
    let error = world.open().unwrap_err();
    assert!(matches!(error, FileError::Mode { mode: 0o640, .. }), "{error}");
    assert!(error.to_string().contains("chmod 600"));
    mode(0o600);
    world.file.edit(|all| all.rotate("ada", true, NOW)).unwrap();
    assert_eq!(fs::stamp(world.file.path()).unwrap().unwrap().mode, 0o600);
}

#[test]
fn what_the_file_cannot_mean_is_refused() {
    let world = World::new();
    let key = world.user("ada", ADMIN);
    let good = world.file.read().unwrap().unwrap();
    let refused = |change: &dyn Fn(&mut Document)| {
        let mut document = good.clone();
        change(&mut document);
        fs::write_private(world.file.path(), &serde_json::to_vec(&document).unwrap()).unwrap();
        world.open().unwrap_err().to_string()
    };
    assert!(refused(&|all| all.format = 2).contains("format 2 is not known"));
    assert!(refused(&|all| all.users.get_mut("ada").unwrap().policies.push("Gone".into())).contains("Gone"));
    assert!(refused(&|all| drop(all.policies.insert("p".into(), 7.into()))).contains("policy p"));
    let twin = |all: &mut Document| {
        let user = all.users["ada"].clone();
        all.users.insert("bob".into(), user);
    };
    assert!(refused(&twin).contains(&format!("the key {} is there twice", key.id)));
    assert!(refused(&|all| all.users.get_mut("ada").unwrap().keys[0].id.clear()).contains("without an id"));
    fs::write_private(world.file.path(), br#"{"format":1,"mood":"good"}"#).unwrap();
    assert!(world.open().is_err());
}

#[test]
fn a_session_lives_as_long_as_its_worker() {
    let world = World::new();
    world.user("ada", ADMIN);
    let keyring = world.open().unwrap();
    let arn = "arn:aws:lambda:us-east-1:000000000000:function:f";
    let role = "arn:aws:iam::000000000000:role/worker";
    let session = keyring.open_session("000000000000", (arn, "f"), role).unwrap();
    let key = session.key().clone();
    let find = |token: Option<&str>| keyring.find(&key.access_key_id, token);
    assert!(find(None).is_none() && find(Some("another")).is_none(), "its token is half of it");
    let identity = find(Some(key.token.reveal())).unwrap();
    assert_eq!(identity.principal.arn(), "arn:aws:sts::000000000000:assumed-role/worker/f");
    assert_eq!(identity.function.as_deref(), Some(arn));
    let caller = |identity: millstream_credentials::Identity| millstream_iam::Caller {
        principal: identity.principal,
        policies: identity.policies,
        tags: identity.tags,
        region: "us-east-1".into(),
        source_ip: None,
        secure: false,
        user_agent: None,
        source_function: identity.function,
        now: NOW,
        roles: None,
    };
    let stream = "arn:aws:kinesis:us-east-1:000000000000:stream/s";
    let may = |action: &str| {
        caller(find(Some(key.token.reveal())).unwrap()).may(action, stream, Facts::default(), None).is_ok()
    };
    assert!(may("kinesis:PutRecord") && !may("kinesis:DeleteStream") && !may("lambda:CreateFunction"));
    // A role that the file defines says itself what it may.
    world.file.edit(|all| all.create_role("worker", &["AmazonKinesisReadOnlyAccess".into()])).unwrap();
    world.later();
    assert!(!may("kinesis:PutRecord") && may("kinesis:GetRecords"));
    // An ARN that only ends in its name is another role's.
    for other in
        ["arn:aws:iam::000000000000:role/x/worker", "arn:aws:iam::111111111111:role/worker", "worker"]
    {
        let session = keyring.open_session("000000000000", (arn, "f"), other).unwrap();
        let (id, token) = (&session.key().access_key_id, session.key().token.reveal());
        let caller = caller(keyring.find(id, Some(token)).unwrap());
        assert!(caller.may("kinesis:PutRecord", stream, Facts::default(), None).is_ok(), "{other}");
    }
    drop(session);
    assert!(find(Some(key.token.reveal())).is_none());
    // A user's key comes without a token.
    let user = world.file.read().unwrap().unwrap().users["ada"].keys[0].clone();
    assert!(keyring.find(&user.id, Some("token")).is_none());
}

#[test]
fn changes_at_the_same_time_wait_for_each_other() {
    let world = World::new();
    std::thread::scope(|scope| {
        for number in 0..8 {
            let file = &world.file;
            scope.spawn(move || {
                file.edit(|all| all.create_user(&format!("u{number}"), None, &[], NOW)).unwrap();
            });
        }
    });
    assert_eq!(world.file.read().unwrap().unwrap().users.len(), 8);
}
