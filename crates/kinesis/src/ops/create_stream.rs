//! CreateStream: a stream is `CREATING` until its shards are in the log.

use crate::error::{self, Failure};
use crate::{Kinesis, caps, shapes, tags, warm};
use millstream_api_kinesis as api;
use millstream_control::{CreateOnDemandStream, CreateStream, Distribution, StreamMode};
use millstream_shapes::Empty;

pub(crate) async fn run(service: &Kinesis, input: api::CreateStreamInput) -> Result<Empty, Failure> {
    let details = input.stream_mode_details.as_ref().map(|details| &details.stream_mode);
    let mode = match details {
        Some(api::StreamMode::OnDemand) => StreamMode::OnDemand,
        Some(api::StreamMode::Provisioned | api::StreamMode::Unknown(_)) | None => StreamMode::Provisioned,
    };
    let warm_mibps = input.warm_throughput_mi_bps.map(warm::mibps);
    let distribution = input.record_distribution_strategy.as_ref().map(shapes::distribution);
    let distribution = distribution.unwrap_or_default();
    let shards = match (mode, input.shard_count) {
        (StreamMode::OnDemand, None) => caps::ON_DEMAND_SHARDS.max(warm_mibps.unwrap_or(0)),
        (StreamMode::OnDemand, Some(_)) => {
            return Err(Failure::validation("ShardCount must not be given for a stream in ON_DEMAND mode."));
        }
        (StreamMode::Provisioned, Some(count)) => u32::try_from(count).unwrap_or(0),
        (StreamMode::Provisioned, None) => {
            return Err(Failure::validation("ShardCount must be given for a stream in PROVISIONED mode."));
        }
    };
    if mode == StreamMode::Provisioned {
        check_provisioned(warm_mibps, distribution)?;
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
    let created = if warm_mibps.is_none() && distribution == Distribution::default() {
        service.control().submit(create).await
    } else {
        service.control().submit(CreateOnDemandStream { create, distribution, warm_mibps }).await
    };
    created.map_err(|error| error::control(error, &service.home.account))?;
    Ok(Empty {})
}

/// A provisioned stream can be given neither of these.
fn check_provisioned(warm_mibps: Option<u32>, distribution: Distribution) -> Result<(), Failure> {
    if warm_mibps.is_some() {
        return Err(Failure::validation(
            "WarmThroughputMiBps must not be given for a stream in PROVISIONED mode.",
        ));
    }
    match distribution {
        Distribution::UserPartitionKey => Ok(()),
        Distribution::Auto => Err(Failure::invalid(
            "The record distribution strategy AUTO is only supported for streams in ON_DEMAND mode.",
        )),
    }
}
