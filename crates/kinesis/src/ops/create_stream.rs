//! CreateStream: a stream is `CREATING` until its shards are in the log.

use crate::error::{self, Failure};
use crate::{Kinesis, caps, tags};
use millstream_api_kinesis as api;
use millstream_control::{CreateStream, StreamMode};
use millstream_shapes::Empty;

pub(crate) async fn run(service: &Kinesis, input: api::CreateStreamInput) -> Result<Empty, Failure> {
    let details = input.stream_mode_details.as_ref().map(|details| &details.stream_mode);
    let mode = match details {
        Some(api::StreamMode::OnDemand) => StreamMode::OnDemand,
        Some(api::StreamMode::Provisioned | api::StreamMode::Unknown(_)) | None => StreamMode::Provisioned,
    };
    let shards = match (mode, input.shard_count) {
        (StreamMode::OnDemand, None) => caps::ON_DEMAND_SHARDS,
        (StreamMode::OnDemand, Some(_)) => {
            return Err(Failure::validation("ShardCount must not be given for a stream in ON_DEMAND mode."));
        }
        (StreamMode::Provisioned, Some(count)) => u32::try_from(count).unwrap_or(0),
        (StreamMode::Provisioned, None) => {
            return Err(Failure::validation("ShardCount must be given for a stream in PROVISIONED mode."));
        }
    };
    if input.warm_throughput_mi_bps.is_some() {
        return Err(Failure::invalid("WarmThroughputMiBps is not supported by this version of Millstream."));
    }
    let max_record_kib = input.max_record_size_in_ki_b.and_then(|kib| u32::try_from(kib).ok());
    let create = CreateStream {
        arn: service.home.stream_arn(&input.stream_name),
        name: service.home.key(&input.stream_name),
        shards,
        mode,
        max_record_kib: max_record_kib.unwrap_or(caps::RECORD_KIB),
        tags: tags::of_new(input.tags)?,
    };
    let turn = service.turn().await;
    service.check_streams(&turn, mode)?;
    service.check_shards(&turn, shards)?;
    let created = service.control().submit(create).await;
    created.map_err(|error| error::control(error, &service.home.account))?;
    Ok(Empty {})
}
