//! DescribeStreamConsumer.

use crate::error::Failure;
use crate::{Kinesis, shapes};
use millstream_api_kinesis as api;

pub(crate) async fn run(
    service: &Kinesis,
    input: api::DescribeStreamConsumerInput,
) -> Result<api::DescribeStreamConsumerOutput, Failure> {
    let (arn, name) = (input.consumer_arn.as_deref(), input.consumer_name.as_deref());
    let (stream, consumer) = service.consumer(arn, name, input.stream_arn.as_deref())?;
    Ok(api::DescribeStreamConsumerOutput {
        consumer_description: api::ConsumerDescription {
            consumer_name: consumer.name,
            consumer_arn: consumer.arn,
            consumer_status: shapes::consumer_status(consumer.status),
            consumer_creation_timestamp: consumer.created,
            stream_arn: stream.arn.clone(),
            ..Default::default()
        },
        ..Default::default()
    })
}
