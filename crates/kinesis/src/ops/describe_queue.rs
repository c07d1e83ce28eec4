//! DescribeQueue: what a queue is set to.

use crate::Kinesis;
use crate::error::Failure;
use crate::queues::description;
use millstream_api_kinesis as api;

pub(crate) async fn run(
    service: &Kinesis,
    input: api::DescribeQueueInput,
) -> Result<api::DescribeQueueOutput, Failure> {
    let queue = service.queue(&input.queue_arn)?;
    let stream = service.stream_of_key(&queue.stream).ok();
    let queue_description = description(&queue, stream.as_deref());
    Ok(api::DescribeQueueOutput { queue_description, ..Default::default() })
}
