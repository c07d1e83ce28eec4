//! DescribeLimits: how many shards and on-demand streams there are, and may be.

use crate::Kinesis;
use crate::error::Failure;
use millstream_api_kinesis as api;
use millstream_control::{StreamMode, caps};

pub(crate) async fn run(
    service: &Kinesis,
    _input: api::DescribeLimitsInput,
) -> Result<api::DescribeLimitsOutput, Failure> {
    let state = service.control().state();
    let streams = || state.streams.values().filter(|stream| service.home.has(&stream.name));
    let open = streams().flat_map(|stream| &stream.shards).filter(|shard| shard.is_open()).count();
    let on_demand = streams().filter(|stream| stream.mode == StreamMode::OnDemand).count();
    Ok(api::DescribeLimitsOutput {
        shard_limit: i32::try_from(caps::SHARDS).unwrap_or(i32::MAX),
        open_shard_count: i32::try_from(open).unwrap_or(i32::MAX),
        on_demand_stream_count: i32::try_from(on_demand).unwrap_or(i32::MAX),
        on_demand_stream_count_limit: i32::try_from(caps::STREAMS).unwrap_or(i32::MAX),
        ..Default::default()
    })
}
