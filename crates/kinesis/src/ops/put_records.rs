//! PutRecords: up to 500 records and 10 MiB, durable together, each with its shard and sequence number.

use crate::error::{self, Failure};
use crate::shapes::record_size;
use crate::{Kinesis, caps};
use bytes::Bytes;
use millstream_api_kinesis as api;
use millstream_control::Stream;
use millstream_engine::NewRecord;
use millstream_types::HashKey;

pub(crate) async fn run(
    service: &Kinesis,
    input: api::PutRecordsInput,
) -> Result<api::PutRecordsOutput, Failure> {
    let mut records = Vec::with_capacity(input.records.len());
    for (entry, number) in input.records.into_iter().zip(1..) {
        let at = format!("records.{number}.member.");
        records.push(new_record(entry.partition_key, entry.explicit_hash_key.as_deref(), entry.data, &at)?);
    }
    let stream = service.active_stream(input.stream_name.as_deref(), input.stream_arn.as_deref())?;
    for (record, number) in records.iter().zip(1..) {
        check_size(&stream, record, &format!("records.{number}.member."))?;
    }
    if records.iter().map(record_size).sum::<usize>() > caps::PUT_RECORDS_BYTES {
        return Err(Failure::invalid("Records size exceeds 10 MB limit"));
    }
    Failure::if_dry_run(input.dry_run)?;
    let placed = service.engine.append(&stream, &records).await;
    let placed = placed.map_err(|error| error::engine(error, &service.home.account))?;
    let records = placed
        .into_iter()
        .map(|placed| api::PutRecordsResultEntry {
            shard_id: Some(placed.shard.to_string()),
            sequence_number: Some(placed.sequence_number.to_string()),
            ..Default::default()
        })
        .collect();
    Ok(api::PutRecordsOutput { failed_record_count: Some(0), records, ..Default::default() })
}

/// A record as the engine takes it. The model no longer requires a partition key (a stream may distribute by itself),
/// so what it used to say is said here. `at` is the path of the entry in the request.
pub(crate) fn new_record(
    partition_key: Option<String>,
    explicit_hash_key: Option<&str>,
    data: Bytes,
    at: &str,
) -> Result<NewRecord, Failure> {
    let partition_key = partition_key.ok_or_else(|| {
        Failure::validation(format!(
            "1 validation error detected: Value null at '{at}partitionKey' failed to satisfy constraint: Member must \
             not be null"
        ))
    })?;
    let explicit_hash_key = explicit_hash_key
        .map(|text| {
            text.parse::<HashKey>().map_err(|_out_of_range| {
                Failure::invalid(format!(
                    "Invalid ExplicitHashKey. ExplicitHashKey must be in the range: [0, 2^128-1]. Specified value was \
                     {text}"
                ))
            })
        })
        .transpose()?;
    Ok(NewRecord { partition_key, explicit_hash_key, data })
}

/// The stream's own limit on a record: data and partition key together.
pub(crate) fn check_size(stream: &Stream, record: &NewRecord, at: &str) -> Result<(), Failure> {
    let limit = usize::try_from(stream.max_record_kib).unwrap_or(usize::MAX).saturating_mul(1_024);
    if record_size(record) <= limit {
        return Ok(());
    }
    Err(Failure::validation(format!(
        "1 validation error detected: Value at '{at}data' failed to satisfy constraint: Member must have length less \
         than or equal to {limit}"
    )))
}
