//! StartStreamEncryption and StopStreamEncryption, and what every other answer says of encryption.

use super::{ARN, Service, put};
use futures_util::StreamExt;
use millstream_control::{State, StreamStatus};
use millstream_engine::Engine;
use millstream_host::clock::ManualClock;
use millstream_kinesis::{Answer, Kinesis};
use millstream_log::{Log, MemoryLog};
use millstream_types::{Home, Timestamp};
use millstream_vault::{Keyring, Vault};
use serde_json::{Value, json};
use std::sync::Arc;
use std::time::Duration;

const ID: &str = "00112233-4455-6677-8899-aabbccddeeff";
const OFF: &str = "00112233-4455-6677-8899-aabbccddee00";

fn keyring() -> Keyring {
    let key = |id: &str, aliases: &str, disabled: bool, material: &str| {
        let material = material.repeat(32);
        format!(
            "[[keys]]\nid = \"{id}\"\naliases = [{aliases}]\ndisabled = {disabled}\n[[keys.versions]]\nnumber = 1\n\
             material = \"{material}\"\n"
        )
    };
    let on = key(ID, "\"alias/aws/kinesis\", \"alias/orders\"", false, "01");
    Keyring::from_file(&format!("format = 1\n{on}{}", key(OFF, "\"alias/off\"", true, "02"))).unwrap()
}

async fn service_on(log: Arc<dyn Log>, keyring: Keyring) -> Service {
    let clock = ManualClock::at(Timestamp::from_millis(1_700_000_000_500));
    let control = millstream_control_node::open(log.clone(), clock.clone()).await.unwrap();
    let engine = Engine::new(log, control, clock.clone()).with_vault(Vault::new(keyring));
    tokio::spawn(engine.clone().run_lifecycle(Duration::ZERO));
    Service { kinesis: Kinesis::new(engine.clone(), Home::default()), clock, engine }
}

async fn active(service: &Service) {
    let is = |state: &Arc<State>| state.streams["s"].status == StreamStatus::Active;
    service.engine.control().watch().wait_for(is).await.unwrap();
}

async fn with_stream() -> (Service, Arc<dyn Log>) {
    let log: Arc<dyn Log> = Arc::new(MemoryLog::new());
    let service = service_on(log.clone(), keyring()).await;
    service.call("CreateStream", json!({"StreamName": "s", "ShardCount": 1})).await;
    active(&service).await;
    (service, log)
}

fn kms(key_id: &str) -> Value {
    json!({"StreamName": "s", "EncryptionType": "KMS", "KeyId": key_id})
}

async fn described(service: &Service) -> (Value, Value) {
    let full = service.call("DescribeStream", json!({"StreamName": "s"})).await;
    let summary = service.call("DescribeStreamSummary", json!({"StreamName": "s"})).await;
    let of = |part: &Value| (part["EncryptionType"].clone(), part["KeyId"].clone());
    let (full, summary) = (of(&full["StreamDescription"]), of(&summary["StreamDescriptionSummary"]));
    assert_eq!(full, summary);
    full
}

#[tokio::test]
async fn every_answer_says_how_records_are_stored() {
    let (service, _log) = with_stream().await;
    assert_eq!(described(&service).await, (json!("NONE"), Value::Null));
    assert!(service.call("PutRecord", put("cGxhaW4=", "0")).await.get("EncryptionType").is_none());

    assert_eq!(service.call("StartStreamEncryption", kms("alias/orders")).await, Value::Null);
    active(&service).await;
    assert_eq!(described(&service).await, (json!("KMS"), json!("alias/orders")));
    assert_eq!(service.call("PutRecord", put("c2VjcmV0", "0")).await["EncryptionType"], "KMS");
    let entries = json!([{"Data": "bWFueQ==", "PartitionKey": "k"}]);
    let many = service.call("PutRecords", json!({"StreamName": "s", "Records": entries})).await;
    assert_eq!((&many["EncryptionType"], &many["FailedRecordCount"]), (&json!("KMS"), &json!(0)));

    let iterator = service.iterator("TRIM_HORIZON").await;
    let page = service.call("GetRecords", json!({"ShardIterator": iterator})).await;
    let of = |record: &Value| (record["Data"].clone(), record["EncryptionType"].clone());
    let records: Vec<_> = page["Records"].as_array().unwrap().iter().map(of).collect();
    let encrypted = |data: &str| (json!(data), json!("KMS"));
    assert_eq!(records, [(json!("cGxhaW4="), Value::Null), encrypted("c2VjcmV0"), encrypted("bWFueQ==")]);

    service
        .call("StopStreamEncryption", json!({"StreamARN": ARN, "EncryptionType": "KMS", "KeyId": ID}))
        .await;
    active(&service).await;
    assert_eq!(described(&service).await, (json!("NONE"), Value::Null));
    assert!(service.call("PutRecord", put("cGxhaW4=", "0")).await.get("EncryptionType").is_none());
    // There is nothing to stop, and that is no error.
    service.call("StopStreamEncryption", kms("alias/orders")).await;
}

#[tokio::test]
async fn a_key_has_many_names() {
    let (service, _log) = with_stream().await;
    for name in [
        ID,
        "alias/aws/kinesis",
        "arn:aws:kms:us-east-1:000000000000:alias/orders",
        &format!("arn:aws:kms:us-east-1:000000000000:key/{ID}"),
    ] {
        service.call("StartStreamEncryption", kms(name)).await;
        active(&service).await;
        assert_eq!(described(&service).await, (json!("KMS"), json!(name)));
    }
    let state = service.engine.control().state();
    assert_eq!(state.streams["s"].data_keys.len(), 1, "one master key, one version, one data key");
}

#[tokio::test]
async fn what_is_wrong_is_refused() {
    let (service, _log) = with_stream().await;
    let with = |member: &str, value: Value| {
        let mut input = kms(ID);
        input[member] = value;
        input
    };
    let missing = |member: &str| {
        let mut input = kms(ID);
        input.as_object_mut().unwrap().remove(member);
        input
    };
    let (start, stop) = ("StartStreamEncryption", "StopStreamEncryption");
    let no_key = |name: &str| format!("Key '{name}' does not exist.");
    let no_alias = |name: &str| format!("Alias {name} is not found.");
    let far = "arn:aws:kms:eu-west-1:000000000000:alias/orders";
    let strange = "arn:aws:kms:us-east-1:999999999999:alias/orders";
    let no_kms = "arn:aws:sqs:us-east-1:000000000000:alias/orders";
    let doubled = "arn:aws:kms:us-east-1:000000000000:key/alias/orders";
    let cases = [
        (start, kms("alias/none"), "KMSNotFoundException", no_alias("alias/none")),
        (start, kms("orders"), "KMSNotFoundException", no_key("orders")),
        (start, kms("arn:aws:kms"), "KMSNotFoundException", no_key("arn:aws:kms")),
        (start, kms(far), "KMSNotFoundException", no_alias(far)),
        (start, kms(strange), "KMSNotFoundException", no_alias(strange)),
        (start, kms(no_kms), "KMSNotFoundException", no_alias(no_kms)),
        (start, kms(doubled), "KMSNotFoundException", no_key(doubled)),
        (start, kms("alias/off"), "KMSDisabledException", format!("{OFF} is disabled.")),
        (start, with("EncryptionType", json!("NONE")), "InvalidArgumentException", "KMS is the only".into()),
        (stop, with("EncryptionType", json!("NONE")), "InvalidArgumentException", "KMS is the only".into()),
        (start, with("EncryptionType", json!("AES")), "ValidationException", "encryptionType".into()),
        (start, missing("EncryptionType"), "ValidationException", "encryptionType".into()),
        (start, missing("KeyId"), "ValidationException", "keyId".into()),
        (stop, missing("KeyId"), "ValidationException", "keyId".into()),
        (start, with("KeyId", json!("")), "ValidationException", "keyId".into()),
        (start, with("KeyId", json!("k".repeat(2_049))), "ValidationException", "keyId".into()),
        (start, missing("StreamName"), "InvalidArgumentException", "Either StreamName or StreamARN".into()),
        (
            start,
            with("StreamName", json!("none")),
            "ResourceNotFoundException",
            "Stream none under account 000000000000 not found.".into(),
        ),
        (stop, with("StreamName", json!("none")), "ResourceNotFoundException", "Stream none".into()),
    ];
    for (operation, input, code, words) in cases {
        let (found, message) = service.refused(operation, input.clone()).await;
        assert_eq!(found, code, "{input}: {message}");
        assert!(message.contains(&words), "{input}: {message}");
        assert!(!code.starts_with("KMSNot") || message.contains("--encryption-keys"), "{message}");
    }
    service.call(start, kms("alias/orders")).await;
    active(&service).await;
    let (code, message) = service.refused(stop, kms("alias/off")).await;
    assert_eq!(code, "InvalidArgumentException");
    assert_eq!(message, "Stream s under account 000000000000 is not encrypted with key alias/off.");
    assert_eq!(service.refused(stop, kms("alias/none")).await.0, "KMSNotFoundException");
    assert_eq!(described(&service).await.0, "KMS");
}

#[tokio::test]
async fn a_stream_that_is_updating_is_in_use_and_serves() {
    // The lifecycle ends before there is something for it to finish.
    let clock = ManualClock::at(Timestamp::from_millis(1_700_000_000_500));
    let log: Arc<dyn Log> = Arc::new(MemoryLog::new());
    let control = millstream_control_node::open(log.clone(), clock.clone()).await.unwrap();
    let engine = Engine::new(log, control, clock.clone()).with_vault(Vault::new(keyring()));
    let lifecycle = tokio::spawn(engine.clone().run_lifecycle(Duration::ZERO));
    let still = Service { kinesis: Kinesis::new(engine.clone(), Home::default()), clock, engine };
    still.call("CreateStream", json!({"StreamName": "s", "ShardCount": 1})).await;
    active(&still).await;
    lifecycle.abort();
    still.call("StartStreamEncryption", kms(ID)).await;
    let shown = still.call("DescribeStreamSummary", json!({"StreamName": "s"})).await;
    let shown = &shown["StreamDescriptionSummary"];
    assert_eq!((&shown["StreamStatus"], &shown["EncryptionType"]), (&json!("UPDATING"), &json!("NONE")));
    for operation in ["StartStreamEncryption", "StopStreamEncryption"] {
        let (code, message) = still.refused(operation, kms(ID)).await;
        assert_eq!(code, "ResourceInUseException");
        assert_eq!(message, "Stream s under account 000000000000 not ACTIVE, instead in state UPDATING");
    }
    assert!(still.call("PutRecord", put("cGxhaW4=", "0")).await.get("EncryptionType").is_none());
    // Whoever starts next finishes it.
    tokio::spawn(still.engine.clone().run_lifecycle(Duration::ZERO));
    active(&still).await;
    assert_eq!(described(&still).await.0, "KMS");
}

#[tokio::test]
async fn without_the_key_records_are_refused_in_kms_words() {
    let (service, log) = with_stream().await;
    service.call("StartStreamEncryption", kms(ID)).await;
    active(&service).await;
    service.call("PutRecord", put("c2VjcmV0", "0")).await;
    let registered =
        service.call("RegisterStreamConsumer", json!({"StreamARN": ARN, "ConsumerName": "app"})).await;
    let consumer = registered["Consumer"]["ConsumerARN"].clone();
    let is = |state: &Arc<State>| {
        state.consumer("s", "app").is_ok_and(|c| c.status == millstream_control::ConsumerStatus::Active)
    };
    service.engine.control().watch().wait_for(is).await.unwrap();
    drop(service);
    let other = Keyring::from_environment(&format!("alias/x={}", "07".repeat(32)), Timestamp::ZERO).unwrap();
    // Another key under the same id, as of a file that was made anew.
    let forged = keyring().to_file().replace(&"01".repeat(32), &"05".repeat(32));
    let forged = Keyring::from_file(&forged).unwrap();
    let disabled = keyring().to_file().replace("disabled = false", "disabled = true");
    let disabled = Keyring::from_file(&disabled).unwrap();
    for (keyring, code) in [
        (disabled, "KMSDisabledException"),
        (Keyring::default(), "KMSNotFoundException"),
        (other, "KMSNotFoundException"),
        (forged, "KMSAccessDeniedException"),
    ] {
        let service = service_on(log.clone(), keyring).await;
        let entries = json!([{"Data": "bWFueQ==", "PartitionKey": "k"}]);
        assert_eq!(service.refused("PutRecord", put("bm90", "0")).await.0, code);
        let many = json!({"StreamName": "s", "Records": entries});
        assert_eq!(service.refused("PutRecords", many).await.0, code);
        let iterator = service.iterator("TRIM_HORIZON").await;
        assert_eq!(service.refused("GetRecords", json!({"ShardIterator": iterator})).await.0, code);
        let subscribe = json!({"ConsumerARN": consumer, "ShardId": "shardId-000000000000",
                               "StartingPosition": {"Type": "TRIM_HORIZON"}});
        let Ok(Answer::Events(mut events)) = service.raw("SubscribeToShard", subscribe).await else {
            panic!()
        };
        events.next().await.unwrap();
        let exception = String::from_utf8_lossy(&events.next().await.unwrap()).into_owned();
        assert!(exception.contains(code), "{exception}");
        assert_eq!(described(&service).await, (json!("KMS"), json!(ID)));
    }
    let service = service_on(log, keyring()).await;
    let iterator = service.iterator("TRIM_HORIZON").await;
    let page = service.call("GetRecords", json!({"ShardIterator": iterator})).await;
    assert_eq!(page["Records"].as_array().unwrap().len(), 1);
    // The stream can be left unencrypted although its key is lost, by the key's own name.
    service.call("StopStreamEncryption", kms(ID)).await;
    active(&service).await;
}

#[tokio::test]
async fn encryption_is_started_and_stopped_so_often_a_day() {
    let (service, _log) = with_stream().await;
    let mut settings = millstream_kinesis::LimitSettings::none();
    settings.set("encryption-starts", Some(2)).unwrap();
    settings.set("encryption-stops", Some(1)).unwrap();
    let service = Service { kinesis: service.kinesis.clone().with_limits(settings), ..service };
    let (start, stop) = ("StartStreamEncryption", "StopStreamEncryption");
    // Nothing to stop is no use.
    service.call(stop, kms("alias/orders")).await;
    service.call(start, kms("alias/orders")).await;
    active(&service).await;
    service.call(stop, kms("alias/orders")).await;
    active(&service).await;
    service.call(start, kms("alias/orders")).await;
    active(&service).await;
    for (operation, message) in [
        (
            start,
            "Server-side encryption of stream s under account 000000000000 cannot be applied more than 2 times",
        ),
        (
            stop,
            "The end of server-side encryption of stream s under account 000000000000 cannot be applied more than 1 times",
        ),
    ] {
        let (code, said) = service.refused(operation, kms("alias/orders")).await;
        assert!(code == "LimitExceededException" && said.starts_with(message), "{code}: {said}");
    }
    service.clock.advance_millis(86_400_000);
    service.call(stop, kms("alias/orders")).await;
    active(&service).await;
    service.call(start, kms("alias/orders")).await;
}
