//! Answers: what is written in CBOR is what JSON says, in the form that the SDKs for Java read.

use crate::generate::base64;
use bytes::Bytes;
use millstream_api_kinesis as api;
use millstream_shapes::{ApiOperation, Codec, Empty, Encode};
use millstream_types::Timestamp;
use millstream_wire::cbor::Cbor11;
use millstream_wire::json::Json11;
use serde_json::{Map, Number, Value as Json};

/// The CBOR of an answer as JSON would have it: blobs in base64, times in seconds. Definite lengths only; that is what
/// answers have.
fn as_json(input: &mut &[u8]) -> Json {
    let first = take(input, 1)[0];
    if first == 0xc1 {
        let Json::Number(millis) = as_json(input) else { panic!("a time is a number") };
        let millis = millis.as_u64().expect("a time is whole milliseconds");
        return seconds(millis);
    }
    let (kind, info) = (first >> 5, first & 0x1f);
    let width = match info {
        24 => 1,
        25 => 2,
        26 => 4,
        27 => 8,
        _ => 0,
    };
    let argument = take(input, width).iter().fold(0_u64, |number, byte| number << 8 | u64::from(*byte));
    let argument = if width == 0 { u64::from(info) } else { argument };
    let length = usize::try_from(argument).unwrap();
    assert!(info < 28, "{first:02x}: lengths are definite");
    match kind {
        0 => argument.into(),
        1 => (-1 - i64::try_from(argument).unwrap()).into(),
        2 => base64(take(input, length)).into(),
        3 => String::from_utf8(take(input, length).to_vec()).unwrap().into(),
        4 => (0..length).map(|_| as_json(input)).collect(),
        5 => {
            let entries = (0..length).map(|_| match as_json(input) {
                Json::String(key) => (key, as_json(input)),
                other => panic!("a key that is no text: {other}"),
            });
            Json::Object(entries.collect::<Map<_, _>>())
        }
        _ => match info {
            20 => false.into(),
            21 => true.into(),
            27 => Number::from_f64(f64::from_bits(argument)).map_or(Json::Null, Json::Number),
            _ => panic!("{first:02x} is nothing that an answer has"),
        },
    }
}

fn seconds(millis: u64) -> Json {
    serde_json::from_str(&format!("{}.{:03}", millis / 1_000, millis % 1_000)).unwrap()
}

fn take<'a>(input: &mut &'a [u8], length: usize) -> &'a [u8] {
    let (taken, rest) = input.split_at(length);
    *input = rest;
    taken
}

fn says_the_same(output: &impl Encode) -> Json {
    let cbor = Cbor11.encode(output);
    let rest = &mut &*cbor;
    let json: Json = serde_json::from_slice(&Json11.encode(output)).unwrap();
    assert_eq!(as_json(rest), json);
    assert!(rest.is_empty());
    json
}

fn empty_says_the_same<O: ApiOperation<Output: Default>>(_name: &str) {
    says_the_same(&O::Output::default());
}

#[test]
fn answers_without_members() {
    assert_eq!(for_every_operation!(empty_says_the_same,), api::Operation::ALL.len());
    assert_eq!(Cbor11.encode(&Empty), [0xa0].as_slice());
}

const TIME: Timestamp = Timestamp::from_millis(1_700_000_000_007);

#[test]
fn answers_with_records() {
    let record = |data: Vec<u8>| api::Record {
        sequence_number: "49".to_owned(),
        approximate_arrival_timestamp: Some(TIME),
        data: data.into(),
        partition_key: Some("é".to_owned()),
        encryption_type: Some(api::EncryptionType::None),
    };
    says_the_same(&api::GetRecordsOutput {
        records: (0..300).map(|size| record(vec![0xa5; size])).collect(),
        next_shard_iterator: Some("AAA".repeat(100)),
        millis_behind_latest: Some(70_000),
        ..Default::default()
    });
    says_the_same(&api::SubscribeToShardEvent {
        records: vec![record(Vec::new())],
        millis_behind_latest: i64::MAX,
        child_shards: Some(vec![api::ChildShard::default()]),
        ..Default::default()
    });
    says_the_same(&api::PutRecordsOutput {
        failed_record_count: Some(-1),
        records: vec![api::PutRecordsResultEntry::default(); 500],
        ..Default::default()
    });
}

#[test]
fn answers_about_streams() {
    let shard = || api::Shard {
        shard_id: "shardId-000000000000".to_owned(),
        sequence_number_range: api::SequenceNumberRange {
            starting_sequence_number: "1".to_owned(),
            ..Default::default()
        },
        ..Default::default()
    };
    says_the_same(&api::ListShardsOutput { shards: Some(vec![shard(); 25]), ..Default::default() });
    let described = says_the_same(&api::DescribeStreamOutput {
        stream_description: api::StreamDescription {
            stream_name: "orders".to_owned(),
            stream_creation_timestamp: Timestamp::from_millis(1_700_000_000_000),
            has_more_shards: true,
            shards: vec![shard()],
            ..Default::default()
        },
    });
    assert_eq!(described["StreamDescription"]["StreamCreationTimestamp"], seconds(1_700_000_000_000));
}

/// wire.md §8, pitfall 3: the SDKs for Java cannot read a time that is a floating-point number.
#[test]
fn times_are_tagged_whole_milliseconds() {
    let output = api::Record { approximate_arrival_timestamp: Some(TIME), ..Default::default() };
    assert_eq!(
        Cbor11.encode(&output),
        b"\xa3\x6eSequenceNumber\x60\x78\x1bApproximateArrivalTimestamp\xc1\x1b\x00\x00\x01\x8b\xcf\xe5\x68\x07\
          \x64Data\x40"
            .as_slice()
    );
}

#[test]
fn put_records_answers() {
    let output = api::PutRecordsOutput {
        failed_record_count: Some(0),
        records: vec![api::PutRecordsResultEntry {
            sequence_number: Some("495".to_owned()),
            shard_id: Some("shardId-000000000000".to_owned()),
            ..Default::default()
        }],
        ..Default::default()
    };
    let wanted: &[u8] = b"\xa2\x71FailedRecordCount\x00\x67Records\x81\xa2\x6eSequenceNumber\x63495\
                          \x67ShardId\x74shardId-000000000000";
    assert_eq!(Cbor11.encode(&output), Bytes::from_static(wanted));
}
