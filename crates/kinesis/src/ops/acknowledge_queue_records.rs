//! AcknowledgeQueueRecords: never deliver records again.

use crate::Kinesis;
use crate::error::Failure;
use millstream_api_kinesis as api;
use millstream_queue::{Kind, What};

pub(crate) async fn run(
    service: &Kinesis,
    input: api::AcknowledgeQueueRecordsInput,
) -> Result<api::AcknowledgeQueueRecordsOutput, Failure> {
    let entries = input.entries.into_iter().map(|entry| (entry.receipt_handle, What::Acknowledge));
    let mut output = api::AcknowledgeQueueRecordsOutput::default();
    for (receipt_handle, refused) in service.settle(&input.queue_arn, Kind::Record, entries).await? {
        match refused {
            None => output
                .successful
                .push(api::AcknowledgeQueueRecordsResultEntry { receipt_handle, ..Default::default() }),
            Some(refused) => output.failed.push(api::AcknowledgeQueueRecordsErrorEntry {
                receipt_handle,
                error_code: refused.code,
                error_message: Some(refused.message),
                ..Default::default()
            }),
        }
    }
    Ok(output)
}
