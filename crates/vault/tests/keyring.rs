//! Key files and what stands in their place.

use millstream_types::Timestamp;
use millstream_vault::{KeyError, KeyFileError, Keyring, RotateError, caps};

const FILE: &str = include_str!("golden/keys-1.toml");

fn names(keyring: &Keyring) -> Vec<(String, Vec<String>, bool, u32)> {
    let of =
        |key: &millstream_vault::MasterKey| (key.id.clone(), key.aliases.clone(), key.disabled, key.newest());
    keyring.keys().iter().map(of).collect()
}

#[test]
fn format_1_reads_and_writes() {
    let keyring = Keyring::from_file(FILE).unwrap();
    let id = |last: u32| format!("00112233-4455-6677-8899-aabbccddee{last:02x}");
    assert_eq!(
        names(&keyring),
        [
            (id(1), vec!["alias/aws/kinesis".to_owned(), "alias/orders".to_owned()], false, 2),
            (id(2), Vec::new(), true, 1),
        ]
    );
    assert_eq!(keyring.to_file().as_str(), FILE);
}

#[test]
fn no_key_is_ever_printed() {
    let keyring = Keyring::from_file(FILE).unwrap();
    let printed = format!("{keyring:?}");
    assert!(
        printed.contains("alias/orders") && !printed.contains("0101") && !printed.contains("1, 1"),
        "{printed}"
    );
    for bad in [
        FILE.replace("\"0101", "0101"),
        FILE.replace("\"0101", "\"010"),
        FILE.replace("material = \"0101", "material = [\"0101"),
        FILE.replace("material", "matter"),
        FILE.replace("0101\"\n", "0101\n"),
    ] {
        let error = Keyring::from_file(&bad).unwrap_err().to_string();
        assert!(error.contains("line ") && !error.contains("010"), "{error}");
    }
}

#[test]
fn what_is_amiss_in_a_file_is_said() {
    for (from, to, expected) in [
        ("format = 1", "format = 2", "format 2"),
        ("ddee01", "DDEE01", "is not a UUID"),
        ("ddee02", "ddee01", "names more than one key"),
        ("alias/orders", "orders", "is not an alias"),
        ("alias/orders", "alias/aws/sqs", "is not an alias"),
        ("alias/orders", "alias/", "is not an alias"),
        ("alias/orders", "alias/aws/kinesis", "names more than one key"),
        ("number = 2", "number = 3", "numbered upwards from 1"),
        ("disabled = true", "disable = true", "unknown field `disable`"),
    ] {
        assert!(FILE.contains(from));
        let error = Keyring::from_file(&FILE.replace(from, to)).unwrap_err().to_string();
        assert!(error.contains(expected), "{from} → {to}: {error}");
    }
}

#[test]
fn keys_come_from_the_environment_with_the_same_id_each_time() {
    let (material, other) = ("01".repeat(32), "02".repeat(32));
    let read = |text: &str| Keyring::from_environment(text, Timestamp::ZERO);
    let text = format!("alias/aws/kinesis={material}, alias/b={other}");
    let keyring = read(&text).unwrap();
    assert_eq!(names(&keyring), names(&read(&text).unwrap()));
    assert_eq!(keyring.keys().len(), 2);
    assert_ne!(keyring.keys()[0].id, keyring.keys()[1].id);
    assert_eq!(read(&material).unwrap_err(), KeyFileError::Environment);
    assert_eq!(read("").unwrap_err(), KeyFileError::Environment);
    assert_eq!(read("alias/a=0102").unwrap_err(), KeyFileError::Material);
    assert!(matches!(read(&format!("a={material}")), Err(KeyFileError::Alias(_))));
    assert!(matches!(read(&format!("alias/a={material},alias/b={material}")), Err(KeyFileError::Twice(_))));
}

#[test]
fn keys_are_made_and_rotated_within_limits() {
    let (mut keyring, now) = (Keyring::default(), Timestamp::from_millis(7));
    let id = keyring.create(vec!["alias/a".into()], now).unwrap();
    assert!(matches!(keyring.create(vec!["alias/a".into()], now), Err(KeyFileError::Twice(_))));
    assert!(matches!(keyring.create(vec!["a".into()], now), Err(KeyFileError::Alias(_))));
    assert_eq!(keyring.keys().len(), 1);
    assert_eq!((keyring.rotate("alias/a", now), keyring.rotate(&id, now)), (Ok(2), Ok(3)));
    let none = RotateError::Key(KeyError::NoSuchKey("alias/b".into()));
    assert_eq!(keyring.rotate("alias/b", now), Err(none));
    for _ in 3..caps::VERSIONS_PER_KEY {
        keyring.rotate(&id, now).unwrap();
    }
    assert!(matches!(keyring.rotate(&id, now), Err(RotateError::File(KeyFileError::TooMany { .. }))));
    let again = Keyring::from_file(&keyring.to_file()).unwrap();
    assert_eq!(names(&again), names(&keyring));
    let many: Vec<String> = (0..=caps::ALIASES_PER_KEY).map(|n| format!("alias/{n}")).collect();
    assert!(matches!(keyring.create(many, now), Err(KeyFileError::TooMany { .. })));
}
