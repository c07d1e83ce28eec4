//! ReceiveDeadLetterQueueRecords: records that were received too often.

use crate::Kinesis;
use crate::error::Failure;
use millstream_api_kinesis as api;
use millstream_queue::Kind;

pub(crate) async fn run(
    service: &Kinesis,
    input: api::ReceiveDeadLetterQueueRecordsInput,
) -> Result<api::ReceiveDeadLetterQueueRecordsOutput, Failure> {
    let (arn, limit, wait) = (&input.queue_arn, input.limit, input.wait_time_seconds);
    let visibility = input.visibility_timeout_seconds;
    let queue_records = service.receive(arn, Kind::DeadLetter, limit, wait, visibility).await?;
    Ok(api::ReceiveDeadLetterQueueRecordsOutput { queue_records, ..Default::default() })
}
