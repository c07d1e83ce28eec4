//! Whole requests: bodies as the services' own types, with the checks of the model; and paths and queries of Lambda.

use super::PLAIN;
use crate::{Target, Verdict};
use bytes::Bytes;
use millstream_api_kinesis as kinesis;
use millstream_api_lambda as lambda;
use millstream_shapes::{Codec, Decode, Query, RestInput, RestRequest, Validate, check, match_route};
use millstream_wire::cbor::Cbor11;
use millstream_wire::json::{Json11, RestJson};

pub(super) const REQUESTS: Target = Target {
    name: "requests",
    about: "a body of the Kinesis API in JSON or CBOR; the first byte says of which operation",
    seeds: requests,
    check: request,
    // The model's patterns are compiled at their first use.
    memory: (4 << 20, 1_500),
    longest: 16 << 10,
    ..PLAIN
};

type Read = fn(bool, &Bytes) -> bool;

fn read<T: Decode + Validate>(cbor: bool, body: &Bytes) -> bool {
    let input = if cbor { Cbor11.decode_shared::<T>(body) } else { Json11.decode_shared::<T>(body) };
    let copied = if cbor { Cbor11.decode::<T>(body) } else { Json11.decode::<T>(body) };
    assert_eq!(input.as_ref().err(), copied.as_ref().err());
    input.is_ok_and(|input| {
        check(&input).map_err(|violations| assert!(!violations.to_string().is_empty())).is_ok()
    })
}

const INPUTS: [Read; 14] = [
    read::<kinesis::CreateStreamInput>,
    read::<kinesis::PutRecordInput>,
    read::<kinesis::PutRecordsInput>,
    read::<kinesis::GetRecordsInput>,
    read::<kinesis::GetShardIteratorInput>,
    read::<kinesis::ListShardsInput>,
    read::<kinesis::ListStreamsInput>,
    read::<kinesis::SubscribeToShardInput>,
    read::<kinesis::RegisterStreamConsumerInput>,
    read::<kinesis::TagResourceInput>,
    read::<kinesis::CreateChannelInput>,
    read::<kinesis::CreateQueueInput>,
    read::<kinesis::UpdateShardCountInput>,
    read::<kinesis::EnableEnhancedMonitoringInput>,
];

fn requests() -> Vec<Vec<u8>> {
    let bodies = [
        r#"{"StreamName":"s","ShardCount":2,"StreamModeDetails":{"StreamMode":"ON_DEMAND"},"Tags":{"a":"b"}}"#,
        r#"{"StreamName":"s","Data":"aGVsbG8=","PartitionKey":"k","ExplicitHashKey":"17"}"#,
        r#"{"Records":[{"Data":"aGVsbG8=","PartitionKey":"k-1"},{"Data":"","PartitionKey":"2"}],"StreamName":"s"}"#,
        r#"{"ShardIterator":"AAAA","Limit":10,"StreamARN":"arn:aws:kinesis:us-east-1:000000000000:stream/s"}"#,
        r#"{"StreamName":"s","ShardId":"shardId-000000000000","ShardIteratorType":"AT_TIMESTAMP","Timestamp":1.5}"#,
        r#"{"StreamName":"s","MaxResults":1,"ShardFilter":{"Type":"AT_TIMESTAMP","Timestamp":1700000000.5}}"#,
        r#"{"Limit":3,"ExclusiveStartStreamName":"a"}"#,
        r#"{"ConsumerARN":"arn:aws:kinesis:us-east-1:000000000000:stream/s/consumer/c:1","ShardId":"shardId-000000000000","StartingPosition":{"Type":"LATEST"}}"#,
        r#"{"StreamARN":"arn:aws:kinesis:us-east-1:000000000000:stream/s","ConsumerName":"c","Tags":{}}"#,
        r#"{"ResourceARN":"arn:aws:kinesis:us-east-1:000000000000:stream/s","Tags":{"k":"v","":"-"}}"#,
    ];
    let mut seeds: Vec<Vec<u8>> =
        (0_u8..).zip(bodies).map(|(index, body)| [&[index * 2], body.as_bytes()].concat()).collect();
    seeds.push(b"\x05\xa2\x67Records\x81\xa2\x64Data\x42hi\x6cPartitionKey\x61k\x6aStreamName\x61s".to_vec());
    seeds.push(b"\x09\xa1\x69Timestamp\xc1\x1b\x00\x00\x01\x8b\xcf\xe5\x68\x00".to_vec());
    seeds
}

fn request(input: &[u8]) -> Verdict {
    let Some((chosen, body)) = input.split_first() else { return Verdict::Refused };
    let read = INPUTS[usize::from(chosen / 2) % INPUTS.len()];
    if read(chosen % 2 == 1, &Bytes::copy_from_slice(body)) { Verdict::Read } else { Verdict::Refused }
}

pub(super) const REST: Target = Target {
    name: "rest",
    about: "method, path, query and body of the Lambda API, a line each",
    seeds: || {
        [
            "POST\n/2015-03-31/functions\n\n{\"FunctionName\":\"f\",\"Role\":\"arn:aws:iam::000000000000:role/r\",\"Code\":{\"ZipFile\":\"UEsFBg==\"},\"Runtime\":\"python3.13\",\"Handler\":\"m.h\",\"Timeout\":3,\"Environment\":{\"Variables\":{\"A\":\"b\"}}}",
            "POST\n/2015-03-31/functions/f/invocations\nQualifier=%24LATEST\n{\"a\":1}",
            "GET\n/2015-03-31/event-source-mappings/\nEventSourceArn=arn%3Aaws%3Akinesis&MaxItems=5\n",
            "POST\n/2015-03-31/event-source-mappings/\n\n{\"EventSourceArn\":\"arn:aws:kinesis:us-east-1:000000000000:stream/s\",\"FunctionName\":\"f\",\"StartingPosition\":\"LATEST\",\"BatchSize\":10,\"FilterCriteria\":{\"Filters\":[{\"Pattern\":\"{}\"}]}}",
            "DELETE\n/2018-10-31/layers/l/versions/3\n\n",
            "GET\n/2017-03-31/tags/arn%3Aaws%3Alambda\n\n",
        ]
        .map(|text| text.as_bytes().to_vec())
        .into()
    },
    check: rest,
    // The model's patterns are compiled at their first use.
    memory: (4 << 20, 1_500),
    longest: 16 << 10,
    ..PLAIN
};

fn rest(input: &[u8]) -> Verdict {
    let mut lines = input.splitn(4, |byte| *byte == b'\n');
    let mut line = || std::str::from_utf8(lines.next().unwrap_or_default()).unwrap_or_default();
    let (method, path, query) = (line(), line(), line());
    let Ok(query) = Query::parse(query) else { return Verdict::Refused };
    let Some((_, labels)) = match_route(&lambda::ROUTES, method, path, &query) else {
        return Verdict::Refused;
    };
    let body = Bytes::copy_from_slice(lines.next().unwrap_or_default());
    let request = RestRequest { labels, query, headers: vec![("X-Amz-Log-Type", "Tail")], body };
    let read = bound::<lambda::CreateFunctionRequest>(&request)
        | bound::<lambda::InvocationRequest>(&request)
        | bound::<lambda::CreateEventSourceMappingRequest>(&request)
        | bound::<lambda::ListEventSourceMappingsRequest>(&request)
        | bound::<lambda::PublishLayerVersionRequest>(&request)
        | bound::<lambda::UpdateFunctionConfigurationRequest>(&request);
    if read { Verdict::Read } else { Verdict::Refused }
}

fn bound<T: RestInput + Validate>(request: &RestRequest<'_>) -> bool {
    T::from_request(&RestJson, request).is_ok_and(|input| {
        check(&input).map_err(|violations| assert!(!violations.to_string().is_empty())).is_ok()
    })
}
