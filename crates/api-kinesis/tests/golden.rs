//! Bodies as clients send them, and messages as AWS words them.

use bytes::Bytes;
use millstream_api_kinesis::{
    AddTagsToStreamInput, CreateStream, CreateStreamInput, DescribeStreamSummaryOutput,
    EnableEnhancedMonitoringInput, Error, ErrorCode, GetShardIteratorInput, HashKeyRange, ListShardsInput,
    ListShardsOutput, MetricsName, Operation, PutRecordInput, PutRecords, PutRecordsInput, PutRecordsOutput,
    PutRecordsResultEntry, RemoveTagsFromStreamInput, SequenceNumberRange, Shard, ShardFilterType,
    ShardIteratorType, StreamMode, SubscribeToShardEvent, TARGET_PREFIX,
};
use millstream_shapes::{ApiOperation, Codec, ErrorName, Validate, check};
use millstream_types::Timestamp;
use millstream_wire::json::Json11;
use proptest::prelude::*;

fn read<T: millstream_shapes::Decode>(json: &str) -> T {
    Json11.decode(json.as_bytes()).expect("a body that decodes")
}

fn complaint<T: Validate>(input: &T) -> String {
    check(input).expect_err("a broken constraint").to_string()
}

#[test]
fn put_records_as_boto3_sends_it() {
    let body = concat!(
        r#"{"Records": [{"Data": "aGVsbG8=", "PartitionKey": "k-1"}, "#,
        r#"{"Data": "d29ybGQ=", "ExplicitHashKey": "170141183460469231731687303715884105728", "#,
        r#""PartitionKey": "k-2"}], "StreamName": "orders", "#,
        r#""StreamARN": "arn:aws:kinesis:us-east-1:000000000000:stream/orders"}"#
    );
    let input: PutRecordsInput = read(body);
    check(&input).unwrap();
    assert_eq!(input.stream_name.as_deref(), Some("orders"));
    assert_eq!(input.records.len(), 2);
    assert_eq!(input.records[0].data, "hello");
    assert_eq!(input.records[1].data, "world");
    assert_eq!(input.records[1].partition_key.as_deref(), Some("k-2"));
    assert_eq!(
        input.records[1].explicit_hash_key.as_deref(),
        Some("170141183460469231731687303715884105728")
    );
}

#[test]
fn put_records_answers() {
    let output = PutRecordsOutput {
        failed_record_count: Some(1),
        records: vec![
            PutRecordsResultEntry {
                sequence_number: Some("495".to_owned()),
                shard_id: Some("shardId-000000000000".to_owned()),
                ..Default::default()
            },
            PutRecordsResultEntry {
                error_code: Some("ProvisionedThroughputExceededException".to_owned()),
                error_message: Some("Rate exceeded for shard".to_owned()),
                ..Default::default()
            },
        ],
        ..Default::default()
    };
    assert_eq!(
        Json11.encode(&output),
        concat!(
            r#"{"FailedRecordCount":1,"Records":[{"SequenceNumber":"495","ShardId":"shardId-000000000000"},"#,
            r#"{"ErrorCode":"ProvisionedThroughputExceededException","ErrorMessage":"Rate exceeded for shard"}]}"#
        )
    );
}

#[test]
fn create_stream_of_both_modes() {
    let input: CreateStreamInput = read(r#"{"StreamName": "s", "ShardCount": 4}"#);
    check(&input).unwrap();
    assert_eq!((input.stream_name.as_str(), input.shard_count), ("s", Some(4)));
    let input: CreateStreamInput =
        read(r#"{"StreamName":"s","StreamModeDetails":{"StreamMode":"ON_DEMAND"},"Tags":{"a":"b"}}"#);
    check(&input).unwrap();
    assert_eq!(input.stream_mode_details.unwrap().stream_mode, StreamMode::OnDemand);
    assert_eq!(input.tags.unwrap().get("a").map(String::as_str), Some("b"));
}

#[test]
fn list_shards_there_and_back() {
    let input: ListShardsInput = read(
        r#"{"StreamName":"s","MaxResults":10,"ShardFilter":{"Type":"AT_TIMESTAMP","Timestamp":1700000000.5}}"#,
    );
    check(&input).unwrap();
    let filter = input.shard_filter.unwrap();
    assert_eq!(filter.r#type, ShardFilterType::AtTimestamp);
    assert_eq!(filter.timestamp, Some(Timestamp::from_millis(1_700_000_000_500)));

    let output = ListShardsOutput {
        shards: Some(vec![Shard {
            shard_id: "shardId-000000000000".to_owned(),
            hash_key_range: HashKeyRange {
                starting_hash_key: "0".to_owned(),
                ending_hash_key: "9".to_owned(),
            },
            sequence_number_range: SequenceNumberRange {
                starting_sequence_number: "1".to_owned(),
                ..Default::default()
            },
            ..Default::default()
        }]),
        ..Default::default()
    };
    assert_eq!(
        Json11.encode(&output),
        concat!(
            r#"{"Shards":[{"ShardId":"shardId-000000000000","HashKeyRange":{"StartingHashKey":"0","EndingHashKey":"9"},"#,
            r#""SequenceNumberRange":{"StartingSequenceNumber":"1"}}]}"#
        )
    );
}

#[test]
fn broken_constraints_come_in_one_message() {
    let input: CreateStreamInput = read(r#"{"StreamName":"bad name!","ShardCount":0}"#);
    assert_eq!(
        complaint(&input),
        "2 validation errors detected: Value 'bad name!' at 'streamName' failed to satisfy constraint: \
         Member must satisfy regular expression pattern: [a-zA-Z0-9_.-]+; Value '0' at 'shardCount' failed \
         to satisfy constraint: Member must have value greater than or equal to 1"
    );
    let input: CreateStreamInput = read("{}");
    assert_eq!(
        complaint(&input),
        "1 validation error detected: Value null at 'streamName' failed to satisfy constraint: \
         Member must not be null"
    );
    let long = "x".repeat(129);
    let input: CreateStreamInput = read(&format!(r#"{{"StreamName":"{long}"}}"#));
    assert!(complaint(&input).ends_with("Member must have length less than or equal to 128"));
}

#[test]
fn a_place_in_a_list_is_counted_from_one() {
    let input: PutRecordsInput = read(
        r#"{"StreamName":"s","Records":[{"Data":"","PartitionKey":"a"},{"PartitionKey":"","Data":""},{"PartitionKey":"k"}]}"#,
    );
    assert_eq!(
        complaint(&input),
        "2 validation errors detected: Value '' at 'records.2.member.partitionKey' failed to satisfy \
         constraint: Member must have length greater than or equal to 1; Value null at \
         'records.3.member.data' failed to satisfy constraint: Member must not be null"
    );
    let input: PutRecordsInput = read(r#"{"StreamName":"s","Records":[]}"#);
    assert_eq!(
        complaint(&input),
        "1 validation error detected: Value '[]' at 'records' failed to satisfy constraint: \
         Member must have length greater than or equal to 1"
    );
}

#[test]
fn enumerations_name_their_values() {
    let input: GetShardIteratorInput =
        read(r#"{"StreamName":"s","ShardId":"shardId-000000000000","ShardIteratorType":"FIRST"}"#);
    assert_eq!(input.shard_iterator_type, ShardIteratorType::Unknown("FIRST".to_owned()));
    assert_eq!(
        complaint(&input),
        format!(
            "1 validation error detected: Value 'FIRST' at 'shardIteratorType' failed to satisfy constraint: \
             Member must satisfy enum value set: [{}]",
            ShardIteratorType::VALUES.join(", ")
        )
    );
    let input: EnableEnhancedMonitoringInput = read(r#"{"StreamName":"s","ShardLevelMetrics":["ALL","x"]}"#);
    let text = complaint(&input);
    let start = "1 validation error detected: Value '[ALL, x]' at 'shardLevelMetrics' failed to satisfy \
                 constraint: Member must satisfy constraint: [Member must satisfy enum value set: [";
    assert!(text.starts_with(start), "{text}");
    assert_eq!(MetricsName::from("ALL"), MetricsName::All);
}

#[test]
fn keys_and_values_of_maps() {
    let long = "v".repeat(257);
    let input: AddTagsToStreamInput =
        read(&format!(r#"{{"StreamName":"s","Tags":{{"":"x","k":"{long}"}}}}"#));
    let text = complaint(&input);
    assert!(text.starts_with("2 validation errors detected: Value '{, k}' at 'tags' failed"), "{text}");
    assert!(
        text.contains("Map keys must satisfy constraint: [Member must have length less than or equal to 128")
    );
    assert!(
        text.contains(
            "Map value must satisfy constraint: [Member must have length less than or equal to 256"
        )
    );
    let input: RemoveTagsFromStreamInput = read(r#"{"StreamName":"s","TagKeys":["a",""]}"#);
    assert!(complaint(&input).contains(
        "Value '[a, ]' at 'tagKeys' failed to satisfy constraint: Member must satisfy constraint: ["
    ));
}

#[test]
fn patterns_hold_for_the_whole_value() {
    let arn = |arn: &str| {
        let input = PutRecordInput { stream_arn: Some(arn.to_owned()), ..Default::default() };
        check(&input).is_ok()
    };
    assert!(arn("arn:aws:kinesis:us-east-1:000000000000:stream/orders"));
    assert!(!arn("arn:aws:kinesis:us-east-1:00000000000:stream/orders"));
    assert!(!arn("x arn:aws:kinesis:us-east-1:000000000000:stream/orders"));
    let key = |key: &str| {
        let input = PutRecordInput { explicit_hash_key: Some(key.to_owned()), ..Default::default() };
        check(&input).is_ok()
    };
    assert!(key("0") && key("340282366920938463463374607431768211455"));
    assert!(!key("01") && !key("") && !key("-1") && !key("0x1"));
}

#[test]
fn operations_by_name() {
    assert_eq!(Operation::ALL.len(), 57);
    for operation in Operation::ALL {
        assert_eq!(Operation::from_name(operation.name()), Some(operation));
    }
    assert_eq!(Operation::from_name("putrecords"), None);
    assert_eq!(PutRecords::OPERATION.name(), "PutRecords");
    assert_eq!((PutRecords::HAS_OUTPUT, CreateStream::HAS_OUTPUT), (true, false));
    assert_eq!(TARGET_PREFIX, "Kinesis_20131202");
}

#[test]
fn errors_have_names_and_status() {
    let serialization: Error = Json11.decode::<PutRecordsInput>(b"[]").unwrap_err().into();
    assert_eq!((serialization.code.name(), serialization.code.status()), ("SerializationException", 400));
    let validation: Error = check(&read::<CreateStreamInput>("{}")).unwrap_err().into();
    assert_eq!(validation.code, ErrorCode::ValidationException);
    assert_eq!(ErrorCode::InternalFailure.status(), 500);
    assert_eq!(ErrorCode::InternalFailureException.status(), 500);
    assert_eq!(ErrorCode::ProvisionedThroughputExceededException.status(), 400);
}

#[test]
fn events_carry_records_even_when_empty() {
    let event = SubscribeToShardEvent {
        continuation_sequence_number: Some("5".to_owned()),
        millis_behind_latest: 0,
        ..Default::default()
    };
    assert_eq!(
        Json11.encode(&event),
        r#"{"Records":[],"ContinuationSequenceNumber":"5","MillisBehindLatest":0}"#
    );
    let last = SubscribeToShardEvent { child_shards: Some(Vec::new()), ..Default::default() };
    assert_eq!(Json11.encode(&last), r#"{"Records":[],"MillisBehindLatest":0,"ChildShards":[]}"#);
    assert_eq!(SubscribeToShardEvent::EVENT_TYPE, "SubscribeToShardEvent");
}

/// What clients get, they send back; an AWS-style StreamId would take them to amazonaws.com.
#[test]
fn stream_ids_are_read_but_never_written() {
    let body = Json11.encode(&DescribeStreamSummaryOutput::default());
    assert!(!std::str::from_utf8(&body).unwrap().contains("StreamId"));
    let input: PutRecordInput = read(r#"{"StreamId":"abc","Data":"","PartitionKey":"k"}"#);
    assert_eq!(input.stream_id.as_deref(), Some("abc"));
}

proptest! {
    #[test]
    fn any_body_is_read_or_refused(body in proptest::collection::vec(any::<u8>(), 0..300)) {
        if let Ok(input) = Json11.decode::<PutRecordsInput>(&body) {
            prop_assert!(body.is_empty() || check(&input).is_err());
        }
    }

    #[test]
    fn any_records_arrive_whole(records in proptest::collection::vec(
        (proptest::collection::vec(any::<u8>(), 0..300), "[a-z]{1,10}"), 1..20,
    )) {
        let entries: Vec<String> = records
            .iter()
            .map(|(data, key)| format!(r#"{{"Data":"{}","PartitionKey":"{key}"}}"#, base64(data)))
            .collect();
        let input: PutRecordsInput = read(&format!(r#"{{"StreamName":"s","Records":[{}]}}"#, entries.join(",")));
        prop_assert!(check(&input).is_ok());
        for (entry, (data, key)) in input.records.iter().zip(&records) {
            prop_assert_eq!(&entry.data, &Bytes::copy_from_slice(data));
            prop_assert_eq!(entry.partition_key.as_ref(), Some(key));
        }
    }
}

/// Base64 through our own encoder would prove less: this one is the textbook's.
fn base64(data: &[u8]) -> String {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut out = String::new();
    for chunk in data.chunks(3) {
        let byte = |index: usize| u32::from(chunk.get(index).copied().unwrap_or(0));
        let group = byte(0) << 16 | byte(1) << 8 | byte(2);
        for place in 0..4 {
            let index = usize::try_from(group >> (18 - 6 * place) & 63).expect("six bits");
            out.push(if place <= chunk.len() { char::from(ALPHABET[index]) } else { '=' });
        }
    }
    out
}
