//! ReceiveQueueRecords: records that nobody has, hidden from others until they are acknowledged or their time is over.

use crate::Kinesis;
use crate::error::Failure;
use millstream_api_kinesis as api;
use millstream_queue::Kind;

pub(crate) async fn run(
    service: &Kinesis,
    input: api::ReceiveQueueRecordsInput,
) -> Result<api::ReceiveQueueRecordsOutput, Failure> {
    let (arn, limit, wait) = (&input.queue_arn, input.limit, input.wait_time_seconds);
    let visibility = input.visibility_timeout_seconds;
    let queue_records = service.receive(arn, Kind::Record, limit, wait, visibility).await?;
    Ok(api::ReceiveQueueRecordsOutput { queue_records, ..Default::default() })
}
