//! DescribeStreamSummary: the stream without its shards. `StreamId` is left out on purpose: clients that see one in
//! AWS's form send their next calls to AWS, past any endpoint setting (botocore's endpoint rules).

use crate::error::Failure;
use crate::{Kinesis, shapes, warm};
use millstream_api_kinesis as api;

pub(crate) async fn run(
    service: &Kinesis,
    input: api::DescribeStreamSummaryInput,
) -> Result<api::DescribeStreamSummaryOutput, Failure> {
    let stream = service.stream(input.stream_name.as_deref(), input.stream_arn.as_deref())?;
    let count = |count: usize| i32::try_from(count).unwrap_or(i32::MAX);
    Ok(api::DescribeStreamSummaryOutput {
        stream_description_summary: api::StreamDescriptionSummary {
            stream_name: stream.own_name().to_owned(),
            stream_arn: stream.arn.clone(),
            stream_status: shapes::stream_status(stream.status),
            stream_mode_details: Some(shapes::mode_details(&stream)),
            retention_period_hours: i32::try_from(stream.retention_hours).unwrap_or(i32::MAX),
            stream_creation_timestamp: stream.created,
            enhanced_monitoring: shapes::monitoring(&stream),
            encryption_type: Some(shapes::encryption_type(&stream)),
            key_id: stream.encryption.as_ref().map(|encryption| encryption.key_id.clone()),
            open_shard_count: count(stream.open_shards().count()),
            consumer_count: Some(count(stream.consumers.len())),
            queue_count: Some(count(service.control().state().queues_of(&stream.name).count())),
            warm_throughput: warm::of(service, &stream),
            max_record_size_in_ki_b: i32::try_from(stream.max_record_kib).ok(),
            channel_count: Some(0),
            record_distribution_strategy: shapes::distribution_strategy(&stream),
            ..Default::default()
        },
        ..Default::default()
    })
}
