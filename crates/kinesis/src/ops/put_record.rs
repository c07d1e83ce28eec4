//! PutRecord: one record, one durable wait.

use crate::Kinesis;
use crate::error::{self, Failure};
use crate::ops::put_records::{check_size, new_record};
use millstream_api_kinesis as api;

pub(crate) async fn run(
    service: &Kinesis,
    input: api::PutRecordInput,
) -> Result<api::PutRecordOutput, Failure> {
    let record = new_record(input.partition_key, input.explicit_hash_key.as_deref(), input.data, "")?;
    let stream = service.active_stream(input.stream_name.as_deref(), input.stream_arn.as_deref())?;
    check_size(&stream, &record, "")?;
    Failure::if_dry_run(input.dry_run)?;
    // `SequenceNumberForOrdering` asks for an order that every shard keeps anyway.
    let placed = service.engine.append(&stream, std::slice::from_ref(&record)).await;
    let placed = placed.map_err(|error| error::engine(error, &service.home.account))?;
    let placed = placed.first().ok_or_else(|| Failure::validation("No record was given."))?;
    Ok(api::PutRecordOutput {
        shard_id: placed.shard.to_string(),
        sequence_number: placed.sequence_number.to_string(),
        ..Default::default()
    })
}
