//! PutRecords of which some records are refused: for the faults that a server injects into tests of its clients.

use super::put_records::checked;
use crate::error::Failure;
use crate::limits::Admitted;
use crate::meter::Call;
use crate::{Kinesis, put};
use bytes::Bytes;
use millstream_api_kinesis as api;
use millstream_engine::{Prepared, Stored};
use millstream_shapes::{Codec, ErrorName};
use millstream_types::ShardId;

/// As PutRecords, but every record for which `refused` says so, in their order, is answered as one that its shard had no
/// room for, and is not stored. What is wrong with the request as a whole is told first, as ever.
pub(crate) async fn answer<C: Codec>(
    service: &Kinesis,
    codec: &C,
    body: &Bytes,
    call: &mut Call<'_>,
    mut refused: impl FnMut() -> bool,
    message: &str,
) -> Result<Bytes, Failure> {
    let (stream, records) = checked(service, codec, body, call)?;
    let fates: Vec<bool> = records.iter().map(|_| refused()).collect();
    let kept = records.into_iter().zip(&fates).filter(|(_, refused)| !**refused);
    let kept: Vec<_> = kept.map(|(record, _)| record).collect();
    // A server that has limits too keeps to them: what they throttle, by place among the records that are kept.
    let (stored, limited) = match kept.as_slice() {
        [] => (NOTHING, Vec::new()),
        kept => store(service, call, put::prepare(service, &stream, kept)?).await?,
    };
    let encryption_type = stored.encrypted.then_some(api::EncryptionType::Kms);
    let (mut placed, mut limited) = (stored.placed.into_iter(), limited.into_iter());
    let mut failed = 0;
    let mut entry = |refused: &bool| {
        let limited = if *refused { None } else { limited.next().flatten() };
        let message = match limited {
            Some(shard) => put::throttled(service, &stream.name, shard).error.message,
            None if *refused => message.to_owned(),
            None => {
                let placed = placed.next();
                return api::PutRecordsResultEntry {
                    shard_id: placed.map(|placed| placed.shard.to_string()),
                    sequence_number: placed.map(|placed| placed.sequence_number.to_string()),
                    ..Default::default()
                };
            }
        };
        failed += 1;
        api::PutRecordsResultEntry {
            error_code: Some(api::ErrorCode::ProvisionedThroughputExceededException.name().to_owned()),
            error_message: Some(message),
            ..Default::default()
        }
    };
    let records = fates.iter().map(&mut entry).collect();
    let output = api::PutRecordsOutput {
        failed_record_count: Some(failed),
        records,
        encryption_type,
        ..Default::default()
    };
    Ok(codec.encode(&output))
}

const NOTHING: Stored = Stored { placed: Vec::new(), encrypted: false };

/// Store what the server's limits let through, if it has any; with the shard of each record that they do not.
async fn store(
    service: &Kinesis,
    call: &mut Call<'_>,
    prepared: Prepared,
) -> Result<(Stored, Vec<Option<ShardId>>), Failure> {
    if service.limits.is_none() {
        return Ok((put::append(service, call, prepared).await?, Vec::new()));
    }
    let Admitted { prepared, throttled } = service.admit(prepared)?;
    let stored = match prepared {
        Some(prepared) => put::append(service, call, prepared).await?,
        None => NOTHING,
    };
    for shard in throttled.iter().flatten() {
        call.throttled(*shard);
    }
    Ok((stored, throttled))
}
