//! CBOR bodies against JSON ones, over every operation: both must say the same.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod generate;
mod java;

use bytes::Bytes;
use generate::{Dice, Value};
use millstream_api_kinesis as api;
use millstream_shapes::{ApiOperation, Codec, DecodeError};
use millstream_wire::cbor::Cbor11;
use millstream_wire::json::Json11;
use std::fmt::Debug;

/// Runs `$check::<Operation>(name, …)` for every operation of the API; the number of them.
macro_rules! for_every_operation {
    ($check:ident, $($argument:expr),*) => {
        for_every_operation!(@ $check, ($($argument),*),
            AcknowledgeDeadLetterQueueRecords, AcknowledgeQueueRecords, AddTagsToStream, CreateChannel, CreateQueue,
            CreateStream, DecreaseStreamRetentionPeriod, DeleteChannel, DeleteQueue, DeleteResourcePolicy,
            DeleteStream, DeregisterStreamConsumer, DescribeAccountSettings, DescribeChannel, DescribeLimits,
            DescribeQueue, DescribeStream, DescribeStreamConsumer, DescribeStreamSummary, DisableEnhancedMonitoring,
            EnableEnhancedMonitoring, GetRecords, GetResourcePolicy, GetShardIterator,
            IncreaseStreamRetentionPeriod, ListChannels, ListQueues, ListShards, ListStreamConsumers, ListStreams,
            ListTagsForResource, ListTagsForStream, MergeShards, PutRecord, PutRecords, PutResourcePolicy,
            ReceiveDeadLetterQueueRecords, ReceiveQueueRecords, RegisterStreamConsumer, RemoveTagsFromStream,
            RestoreDeadLetterQueueRecords, SplitShard, StartStreamEncryption, StopStreamEncryption,
            SubscribeToShard, TagResource, UntagResource, UpdateAccountSettings, UpdateChannel,
            UpdateDeadLetterQueueRecordsVisibility, UpdateMaxRecordSize, UpdateQueue, UpdateQueueRecordsVisibility,
            UpdateShardCount, UpdateStreamMode, UpdateStreamRecordDistributionStrategy, UpdateStreamWarmThroughput,
        )
    };
    (@ $check:ident, $arguments:tt, $($operation:ident,)*) => {{
        let mut operations = 0;
        $(
            for_every_operation!(@call $check, $operation, $arguments);
            operations += 1;
        )*
        operations
    }};
    (@call $check:ident, $operation:ident, ($($argument:expr),*)) => {
        $check::<api::$operation>(stringify!($operation), $($argument),*)
    };
}

// After the macro that it uses.
mod answers;

fn shared<O: ApiOperation>(body: Vec<u8>) -> Result<O::Input, DecodeError> {
    Cbor11.decode_shared(&Bytes::from(body))
}

fn written(value: &Value, dice: &mut Dice) -> Vec<u8> {
    let mut out = Vec::new();
    generate::cbor(value, dice, &mut out);
    out
}

fn reads_the_same<O: ApiOperation<Input: PartialEq + Debug>>(
    name: &str,
    model: &serde_json::Value,
    dice: &mut Dice,
) {
    let value = generate::input(model, name, dice);
    let json: O::Input = Json11.decode(generate::json(&value).as_bytes()).unwrap();
    let cbor = written(&value, dice);
    assert_eq!(shared::<O>(cbor.clone()), Ok(json), "{name}: {value:?}");
    // Whatever is cut off, it is noticed.
    let cut = dice.below(cbor.len());
    assert!(cut == 0 || shared::<O>(cbor[..cut].to_vec()).is_err(), "{name}: {cut} bytes of {cbor:02x?}");
}

#[test]
fn inputs_of_every_operation_read_the_same() {
    let model = generate::model();
    for seed in 0..200 {
        let dice = &mut Dice(seed);
        let operations = for_every_operation!(reads_the_same, &model, dice);
        assert_eq!(operations, api::Operation::ALL.len());
    }
}

/// One to four changes of the kinds that a broken or a bad client makes.
fn damage(body: &mut Vec<u8>, dice: &mut Dice) {
    const HEADS: [&[u8]; 10] = [
        &[0x5b, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff],
        &[0x7b, 0x7f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff],
        &[0x9b, 0x00, 0x00, 0x00, 0xff, 0xff, 0xff, 0xff, 0xff],
        &[0xba, 0xff, 0xff, 0xff, 0xff],
        &[0x9f],
        &[0xbf],
        &[0x5f],
        &[0x7f],
        &[0xff],
        &[0xf9, 0x7e, 0x00],
    ];
    for _ in 0..=dice.below(4) {
        let at = dice.below(body.len() + 1);
        match dice.below(4) {
            0 => body.truncate(at),
            1 => {
                if let Some(byte) = body.get_mut(at) {
                    *byte ^= 1 << dice.below(8);
                }
            }
            2 => drop(body.splice(at..at, HEADS[dice.below(HEADS.len())].iter().copied())),
            _ => {
                let again = body[at..].iter().copied().take(40).collect::<Vec<_>>();
                drop(body.splice(at..at, again));
            }
        }
    }
}

/// Reading what is damaged ends, with a value or an error: nothing panics, and no length is believed (a list or a string
/// of 2^63 items would end the process).
fn survives_damage<O: ApiOperation<Input: PartialEq + Debug>>(
    name: &str,
    model: &serde_json::Value,
    dice: &mut Dice,
    refused: &mut usize,
) {
    let mut body = written(&generate::input(model, name, dice), dice);
    damage(&mut body, dice);
    *refused += usize::from(shared::<O>(body).is_err());
}

#[test]
fn damaged_bodies_are_read_or_refused() {
    let model = generate::model();
    let mut refused = 0;
    let mut all = 0;
    for seed in 1_000..1_300 {
        let dice = &mut Dice(seed);
        all += for_every_operation!(survives_damage, &model, dice, &mut refused);
    }
    assert!(refused > all / 2 && refused < all, "{refused} of {all} were refused");
}

/// 500 records of 1 KiB, as the KPL's and Flink's batches are: the data of each lies where the network put it.
#[test]
fn records_are_not_copied() {
    let record = |number: usize| {
        let (data, key) = (vec![u8::try_from(number % 256).unwrap(); 1_024], format!("key-{number}"));
        Value::Map(vec![
            ("Data".to_owned(), Value::Blob(data)),
            ("PartitionKey".to_owned(), Value::Text(key)),
        ])
    };
    let records = Value::List((0..500).map(record).collect());
    let value = Value::Map(vec![
        ("Records".to_owned(), records),
        ("StreamName".to_owned(), Value::Text("orders".to_owned())),
    ]);
    // Strings in one piece, as the SDKs write them.
    let mut out = Vec::new();
    definite(&value, &mut out);
    let body = Bytes::from(out);
    let input: api::PutRecordsInput = Cbor11.decode_shared(&body).unwrap();
    assert_eq!(input.records.len(), 500);
    let inside = body.as_ptr_range();
    for (number, record) in input.records.iter().enumerate() {
        assert_eq!((record.data.len(), record.data[0]), (1_024, u8::try_from(number % 256).unwrap()));
        let data = record.data.as_ptr_range();
        assert!(inside.start <= data.start && data.end <= inside.end, "record {number} was copied");
    }
}

fn definite(value: &Value, out: &mut Vec<u8>) {
    let head = |out: &mut Vec<u8>, kind: u8, length: usize| {
        out.push(kind | 0x1a);
        out.extend(u32::try_from(length).unwrap().to_be_bytes());
    };
    match value {
        Value::Blob(blob) => {
            head(out, 0x40, blob.len());
            out.extend(blob);
        }
        Value::Text(text) => {
            head(out, 0x60, text.len());
            out.extend(text.as_bytes());
        }
        Value::List(items) => {
            head(out, 0x80, items.len());
            for item in items {
                definite(item, out);
            }
        }
        Value::Map(entries) => {
            head(out, 0xa0, entries.len());
            for (key, value) in entries {
                definite(&Value::Text(key.clone()), out);
                definite(value, out);
            }
        }
        other => panic!("{other:?} is not needed here"),
    }
}
