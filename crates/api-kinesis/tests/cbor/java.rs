//! Bodies as the AWS SDK for Java 2.41.21 sent them to a listener: containers without a length, strings with one, times
//! as tagged milliseconds.

use bytes::Bytes;
use millstream_api_kinesis as api;
use millstream_shapes::{Codec, Decode, check};
use millstream_types::Timestamp;
use millstream_wire::cbor::Cbor11;

fn read<T: Decode + millstream_shapes::Validate>(body: &'static [u8]) -> T {
    let input = Cbor11.decode_shared(&Bytes::from_static(body)).unwrap();
    check(&input).unwrap();
    input
}

#[test]
fn put_records() {
    let input: api::PutRecordsInput = read(
        b"\xbf\x67Records\x9f\xbf\x64Data\x45hello\x6cPartitionKey\x63k-1\xff\xbf\x64Data\x45world\
          \x6fExplicitHashKey\x610\x6cPartitionKey\x62\xc3\xa9\xff\xff\x6aStreamName\x66orders\xff",
    );
    assert_eq!(input.stream_name.as_deref(), Some("orders"));
    let records: Vec<_> = input
        .records
        .iter()
        .map(|record| (&*record.data, record.partition_key.as_deref(), record.explicit_hash_key.as_deref()))
        .collect();
    assert_eq!(
        records,
        [(b"hello".as_slice(), Some("k-1"), None), (b"world".as_slice(), Some("é"), Some("0"))]
    );
}

#[test]
fn get_shard_iterator() {
    let input: api::GetShardIteratorInput = read(
        b"\xbf\x6aStreamName\x66orders\x67ShardId\x74shardId-000000000000\x71ShardIteratorType\x6cAT_TIMESTAMP\
          \x69Timestamp\xc1\x1b\x00\x00\x01\x8b\xcf\xe5\x68\x7b\xff",
    );
    assert_eq!(input.shard_iterator_type, api::ShardIteratorType::AtTimestamp);
    assert_eq!(input.timestamp, Some(Timestamp::from_millis(1_700_000_000_123)));
}

#[test]
fn create_stream() {
    let input: api::CreateStreamInput =
        read(b"\xbf\x6aStreamName\x61s\x6aShardCount\x04\x64Tags\xbf\x61a\x61b\xff\xff");
    assert_eq!((input.stream_name.as_str(), input.shard_count), ("s", Some(4)));
    assert_eq!(input.tags.unwrap()["a"], "b");
}

#[test]
fn list_shards() {
    let input: api::ListShardsInput = read(
        b"\xbf\x6aStreamName\x61s\x6aMaxResults\x19\x03\xe8\x6bShardFilter\xbf\x64Type\x6cAT_TIMESTAMP\
          \x69Timestamp\xc1\x00\xff\xff",
    );
    assert_eq!(input.max_results, Some(1_000));
    assert_eq!(input.shard_filter.unwrap().timestamp, Some(Timestamp::ZERO));
}

#[test]
fn describe_limits() {
    assert_eq!(read::<api::DescribeLimitsInput>(b"\xbf\xff"), api::DescribeLimitsInput::default());
}
