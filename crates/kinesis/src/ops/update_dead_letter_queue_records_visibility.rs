//! UpdateDeadLetterQueueRecordsVisibility: hide dead letters for longer, or no longer.

use crate::Kinesis;
use crate::error::Failure;
use millstream_api_kinesis as api;
use millstream_queue::{Kind, What};

pub(crate) async fn run(
    service: &Kinesis,
    input: api::UpdateDeadLetterQueueRecordsVisibilityInput,
) -> Result<api::UpdateDeadLetterQueueRecordsVisibilityOutput, Failure> {
    let entries = input.entries.into_iter().map(|entry| {
        let secs = u32::try_from(entry.visibility_timeout_seconds).unwrap_or_default();
        (entry.receipt_handle, What::Hide { secs })
    });
    let mut output = api::UpdateDeadLetterQueueRecordsVisibilityOutput::default();
    for (receipt_handle, refused) in service.settle(&input.queue_arn, Kind::DeadLetter, entries).await? {
        match refused {
            None => output.successful.push(api::UpdateDeadLetterQueueRecordsVisibilityResultEntry {
                receipt_handle,
                ..Default::default()
            }),
            Some(refused) => output.failed.push(api::UpdateDeadLetterQueueRecordsVisibilityErrorEntry {
                receipt_handle,
                error_code: refused.code,
                error_message: Some(refused.message),
                ..Default::default()
            }),
        }
    }
    Ok(output)
}
