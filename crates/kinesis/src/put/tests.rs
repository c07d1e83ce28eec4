//! The short way against the long way: it may refuse, but what it takes it takes as the long way does.

use crate::Kinesis;
use crate::error::Failure;
use crate::meter::{Call, Metered};
use crate::ops::{put_record, put_records};
use bytes::Bytes;
use millstream_api_kinesis::ErrorCode;
use millstream_engine::Engine;
use millstream_host::clock::ManualClock;
use millstream_log::{Log, MemoryLog};
use millstream_shapes::{Codec, Encode, Encoder};
use millstream_types::{Home, Timestamp};
use millstream_wire::cbor::{self, Cbor11};
use millstream_wire::json::Json11;
use std::sync::Arc;
use std::time::Duration;

/// A service with a stream `s` of three shards.
async fn service() -> Kinesis {
    let clock = ManualClock::at(Timestamp::from_millis(1_700_000_000_500));
    let log: Arc<dyn Log> = Arc::new(MemoryLog::new());
    let control = millstream_control_node::open(log.clone(), clock.clone()).await.unwrap();
    let engine = Engine::new(log, control, clock);
    tokio::spawn(engine.clone().run_lifecycle(Duration::ZERO));
    let service = Kinesis::new(engine, Home::default());
    let create = Bytes::from_static(br#"{"StreamName":"s","ShardCount":3}"#);
    service.call(&Json11, "CreateStream", &create).await.unwrap();
    let active = |state: &Arc<millstream_control::State>| {
        state.streams.get("s").is_some_and(|s| s.status == millstream_control::StreamStatus::Active)
    };
    service.control().watch().wait_for(active).await.unwrap();
    service
}

/// What the short and the long way make of a body: all that would be given to the log, as text.
type Both = (Option<String>, Result<String, String>);

fn records<C: Codec>(service: &Kinesis, codec: &C, body: &Bytes) -> Both {
    let text = |prepared| format!("{prepared:?}");
    let mut call = Call::new(service, Metered::PutRecords);
    let long = put_records::long(service, codec, body, &mut call);
    (
        put_records::short(service, codec, body, &mut call).map(text),
        long.map(text).map_err(|failure| failure.error.message),
    )
}

fn record<C: Codec>(service: &Kinesis, codec: &C, body: &Bytes) -> Both {
    let text = |prepared| format!("{prepared:?}");
    let mut call = Call::new(service, Metered::PutRecord);
    let long = put_record::long(service, codec, body, &mut call);
    (
        put_record::short(service, codec, body, &mut call).map(text),
        long.map(text).map_err(|failure| failure.error.message),
    )
}

fn entries(entries: &str) -> Bytes {
    format!(r#"{{"StreamName":"s","Records":[{entries}]}}"#).into()
}

#[tokio::test]
async fn usual_requests_go_the_short_way() {
    let service = service().await;
    let long_key = "k".repeat(256);
    for body in [
        entries(r#"{"Data":"aGVsbG8=","PartitionKey":"a"},{"PartitionKey":"b","Data":""}"#),
        entries("\n { \"Data\" : \"aGVsbG8=\" ,\t\"PartitionKey\" : \"a\" } \r\n"),
        entries(r#"{"Data":"aG\u0056sbG8\u003d","PartitionKey":"\u0061\/\""}"#),
        entries(r#"{"Data":"\/\/8=","PartitionKey":"M\u00fcnchen"},{"Data":"","PartitionKey":"München"}"#),
        entries(r#"{"Data":"MQ==","PartitionKey":"a","PartitionKey":"b"}"#),
        entries(r#"{"Data":"MQ==","More":[{"Data":{}},"]"],"PartitionKey":"a","ExplicitHashKey":null}"#),
        entries(r#"{"Data":"MQ==","PartitionKey":"a","ExplicitHashKey":"340282366920938463463374607431768211455"}"#),
        entries(&format!(r#"{{"Data":"MQ==","PartitionKey":"{long_key}","ExplicitHashKey":"0"}}"#)),
        entries(&vec![r#"{"Data":"MQ==","PartitionKey":"a"}"#; 500].join(",")),
        r#"{"Records":[{"Data":"MQ==","PartitionKey":"a"}],"StreamARN":"arn:aws:kinesis:us-east-1:000000000000:stream/s","DryRun":false}"#.into(),
    ] {
        let (short, long) = records(&service, &Json11, &body);
        assert_eq!(short.as_ref(), long.as_ref().ok(), "{body:?}");
        assert!(short.is_some(), "{body:?}");
    }
    for body in [
        r#"{"StreamName":"s","Data":"aGVsbG8=","PartitionKey":"a"}"#,
        r#"{"PartitionKey":"a","ExplicitHashKey":"7","Data":"","StreamName":"s","SequenceNumberForOrdering":"4"}"#,
    ] {
        let (short, long) = record(&service, &Json11, &body.into());
        assert_eq!(short.as_ref(), long.as_ref().ok(), "{body}");
        assert!(short.is_some(), "{body}");
    }
}

#[tokio::test]
async fn what_the_long_way_refuses_the_short_way_refuses() {
    let service = service().await;
    let large = format!(r#"{{"Data":"{}","PartitionKey":"a"}}"#, "A".repeat(1_398_104));
    let many = |entry: &str, count: usize| entries(&vec![entry; count].join(","));
    for body in [
        Bytes::new(),
        entries(""),
        entries("null"),
        entries(r#"{"Data":"MQ=","PartitionKey":"a"}"#),
        entries(r#"{"Data":"MR==","PartitionKey":"a"}"#),
        entries(r#"{"Data":"M Q=","PartitionKey":"a"}"#),
        entries(r#"{"Data":"M\u0020Q=","PartitionKey":"a"}"#),
        entries(r#"{"Data":"MQ==","PartitionKey":"a"},{"Data":"-_8=","PartitionKey":"a"}"#),
        entries(r#"{"Data":"M","Data":"Mg==","PartitionKey":"a"}"#),
        entries(r#"{"PartitionKey":"a"}"#),
        entries(r#"{"Data":null,"PartitionKey":"a"}"#),
        entries(r#"{"Data":"MQ=="}"#),
        entries(r#"{"Data":"MQ==","PartitionKey":""}"#),
        entries(r#"{"Data":"MQ==","PartitionKey":7}"#),
        entries(&format!(r#"{{"Data":"MQ==","PartitionKey":"{}"}}"#, "k".repeat(257))),
        entries("{\"Data\":\"MQ==\",\"PartitionKey\":\"\n\"}"),
        entries(r#"{"Data":"MQ==","PartitionKey":"a","ExplicitHashKey":"01"}"#),
        entries(
            r#"{"Data":"MQ==","PartitionKey":"a","ExplicitHashKey":"340282366920938463463374607431768211456"}"#,
        ),
        entries(&large),
        many(r#"{"Data":"MQ==","PartitionKey":"a"}"#, 501),
        many(&format!(r#"{{"Data":"{}","PartitionKey":"a"}}"#, "A".repeat(699_052)), 21),
        r#"{"Records":[{"Data":"MQ==","PartitionKey":"a"}]}"#.into(),
        r#"{"Records":[{"Data":"MQ==","PartitionKey":"a"}],"StreamName":"none"}"#.into(),
        r#"{"Records":[{"Data":"MQ==","PartitionKey":"a"}],"StreamName":"s","StreamId":"x"}"#.into(),
        r#"{"Records":[{"Data":"MQ==","PartitionKey":"a"}],"StreamName":"s","StreamARN":"x"}"#.into(),
        r#"{"Records":[{"Data":"MQ==","PartitionKey":"a"}],"StreamName":"s","DryRun":true}"#.into(),
        r#"{"Records":[{"Data":"MQ==","PartitionKey":"a"}],"StreamName":"s"}}"#.into(),
        r#"{"Records":[{"Data":"MQ==","PartitionKey":"a"}],"StreamName":"s""#.into(),
    ] {
        let (short, long) = records(&service, &Json11, &body);
        let shown = String::from_utf8_lossy(&body[..body.len().min(200)]).into_owned();
        assert!(long.is_err(), "{shown}");
        assert_eq!(short, None, "{shown}");
    }
}

#[tokio::test]
async fn no_damage_to_a_request_makes_the_ways_differ() {
    let service = service().await;
    let json = br#"{"Records":[{"Data":"aGVs\u0062A==","PartitionKey":"k\t1","ExplicitHashKey":"10"},{"PartitionKey":"2","Data":"/+8="}],"StreamName":"s"}"#;
    let mut taken = [0, 0];
    for body in damaged(json, b"\"\\{}[],:=0 \x00\xffAn") {
        let (short, long) = records(&service, &Json11, &body);
        taken[usize::from(short.is_some())] += 1;
        assert!(short.is_none() || short == long.ok(), "{body:?}");
    }
    let single =
        br#"{"Data":"aGVs","PartitionKey":"k","ExplicitHashKey":"10","DryRun":false,"StreamName":"s"}"#;
    for body in damaged(single, b"\"\\{},:=0 \xffn") {
        let (short, long) = record(&service, &Json11, &body);
        taken[usize::from(short.is_some())] += 1;
        assert!(short.is_none() || short == long.ok(), "{body:?}");
    }
    for body in damaged(&cbor::encode(&Request), b"\x00\x01\x40\x5f\x60\x7f\x80\x9f\xa0\xbf\xc1\xf6\xff") {
        let (short, long) = records(&service, &Cbor11, &body);
        taken[usize::from(short.is_some())] += 1;
        assert!(short.is_none() || short == long.ok(), "{body:?}");
    }
    assert!(taken.iter().all(|count| *count > 100), "{taken:?}");
}

/// `body`, and `body` with each of its bytes left out or replaced, or with another before it.
fn damaged(body: &[u8], others: &[u8]) -> Vec<Bytes> {
    let mut all = vec![Bytes::copy_from_slice(body)];
    for at in 0..body.len() {
        let (before, after) = body.split_at(at);
        all.push([before, &after[1..]].concat().into());
        for other in others {
            all.push([before, &[*other], after].concat().into());
            all.push([before, &[*other], &after[1..]].concat().into());
        }
    }
    all
}

struct Request;

impl Encode for Request {
    fn encode<E: Encoder>(&self, e: &mut E) {
        e.open_structure();
        e.member_name("Records");
        e.open_list();
        for (data, key) in [(&b"hello"[..], "a"), (b"", "b")] {
            e.element();
            e.open_structure();
            e.member_name("Data");
            e.blob(data);
            e.member_name("PartitionKey");
            e.string(key);
            e.member_name("ExplicitHashKey");
            e.string("12");
            e.close_structure();
        }
        e.close_list();
        e.member_name("StreamName");
        e.string("s");
        e.close_structure();
    }
}

#[test]
fn only_what_the_model_takes_is_a_hash_key() {
    for good in ["0", "1", "340282366920938463463374607431768211455"] {
        assert!(super::hash_key(good).is_some(), "{good}");
    }
    for bad in ["", "00", "01", "+1", "-1", " 1", "1 ", "340282366920938463463374607431768211456"] {
        assert_eq!(super::hash_key(bad), None, "{bad}");
    }
}

/// An on-demand stream `a` that distributes by itself.
async fn with_auto() -> Kinesis {
    let service = service().await;
    let create = br#"{"StreamName":"a","StreamModeDetails":{"StreamMode":"ON_DEMAND"},"RecordDistributionStrategy":"AUTO"}"#;
    service.call(&Json11, "CreateStream", &Bytes::from_static(create)).await.unwrap();
    let active = |state: &Arc<millstream_control::State>| {
        state.streams.get("a").is_some_and(|s| s.status == millstream_control::StreamStatus::Active)
    };
    service.control().watch().wait_for(active).await.unwrap();
    service
}

#[tokio::test]
async fn records_without_keys_go_the_short_way_where_they_may() {
    let service = with_auto().await;
    for (body, short_way) in [
        (r#"{"StreamName":"a","Data":"MQ=="}"#, true),
        (r#"{"StreamName":"a","Data":"MQ==","PartitionKey":"k","ExplicitHashKey":"1"}"#, true),
        (r#"{"StreamName":"s","Data":"MQ=="}"#, false),
        (r#"{"StreamName":"a","Data":"MQ==","PartitionKey":""}"#, false),
        (r#"{"StreamName":"a","Data":"MQ==","SequenceNumberForOrdering":"1"}"#, false),
    ] {
        let (short, long) = record(&service, &Json11, &body.into());
        assert_eq!((short.is_some(), long.is_ok()), (short_way, short_way), "{body}");
    }
    let many = r#"{"StreamName":"a","Records":[{"Data":"MQ=="},{"Data":"","PartitionKey":"k"}]}"#;
    let (short, long) = records(&service, &Json11, &many.into());
    assert!(short.is_some() && long.is_ok());
    let (short, long) = records(&service, &Json11, &many.replace("\"a\"", "\"s\"").into());
    assert!(short.is_none());
    assert!(long.unwrap_err().contains("'records.1.member.partitionKey'"));
}

#[tokio::test]
async fn records_that_are_not_stored_are_counted_as_what_they_are() {
    let service = service().await;
    let body = entries(&[r#"{"Data":"MQ==","PartitionKey":"a"}"#; 3].join(","));
    let mut call = Call::new(&service, Metered::PutRecords);
    let prepared = put_records::short(&service, &Json11, &body, &mut call).unwrap();
    let tally = call.tally(&prepared);
    for code in [
        ErrorCode::ProvisionedThroughputExceededException,
        ErrorCode::InternalFailure,
        ErrorCode::InternalFailure,
    ] {
        call.put(&tally, Some(&Failure::new(code, "no")));
    }
    let meter = call.meter().unwrap();
    call.finish(&Err::<(), _>(Failure::new(ErrorCode::InternalFailure, "no")));
    let found = [
        &meter.put_records_total,
        &meter.put_records_throttled,
        &meter.put_records_failed,
        &meter.write_exceeded,
        &meter.put_records.records,
        &meter.incoming_records,
        &meter.put_records.success.sum,
        &meter.put_records.success.count,
        &meter.put_records.latency.count,
    ];
    assert_eq!(found.map(crate::meter::Counter::get), [9, 3, 6, 3, 0, 0, 0, 1, 1]);
}
