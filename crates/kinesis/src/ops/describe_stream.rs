//! DescribeStream: the stream with its shards, at most 100 a page whatever `Limit` says.

use crate::error::Failure;
use crate::{Kinesis, caps, shapes};
use millstream_api_kinesis as api;
use millstream_control::StreamStatus;

pub(crate) async fn run(
    service: &Kinesis,
    input: api::DescribeStreamInput,
) -> Result<api::DescribeStreamOutput, Failure> {
    let stream = service.stream(input.stream_name.as_deref(), input.stream_arn.as_deref())?;
    let limit = input.limit.and_then(|limit| usize::try_from(limit).ok());
    let limit = limit.unwrap_or(caps::DESCRIBE_SHARDS).min(caps::DESCRIBE_SHARDS);
    let after = input.exclusive_start_shard_id.unwrap_or_default();
    // A stream that is being created has no shards to show yet.
    let shown = if stream.status == StreamStatus::Creating { &[] } else { &stream.shards[..] };
    let oldest = service.engine.oldest_kept(&stream);
    let visible = shown.iter().filter(|shard| shard.is_open_after(oldest));
    let mut rest = visible.filter(|shard| shard.id.to_string() > after);
    let shards = rest.by_ref().take(limit).map(shapes::shard).collect();
    Ok(api::DescribeStreamOutput {
        stream_description: api::StreamDescription {
            stream_name: stream.own_name().to_owned(),
            stream_arn: stream.arn.clone(),
            stream_status: shapes::stream_status(stream.status),
            stream_mode_details: Some(shapes::mode_details(&stream)),
            shards,
            has_more_shards: rest.next().is_some(),
            retention_period_hours: i32::try_from(stream.retention_hours).unwrap_or(i32::MAX),
            stream_creation_timestamp: stream.created,
            enhanced_monitoring: shapes::monitoring(&stream),
            encryption_type: Some(shapes::encryption_type(&stream)),
            key_id: stream.encryption.as_ref().map(|encryption| encryption.key_id.clone()),
            ..Default::default()
        },
        ..Default::default()
    })
}
