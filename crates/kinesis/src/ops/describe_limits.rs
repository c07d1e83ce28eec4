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
    let (shard_limit, on_demand_limit) = service.account_limits();
    let least =
        |limit: Option<u64>, most: u64| i32::try_from(limit.unwrap_or(most).min(most)).unwrap_or(i32::MAX);
    Ok(api::DescribeLimitsOutput {
        shard_limit: least(shard_limit, caps::SHARDS),
        open_shard_count: i32::try_from(open).unwrap_or(i32::MAX),
        on_demand_stream_count: i32::try_from(on_demand).unwrap_or(i32::MAX),
        on_demand_stream_count_limit: least(on_demand_limit, caps::STREAMS as u64),
        ..Default::default()
    })
}
