//! UpdateShardCount: splits and merges until the stream has as many shards as asked for, of one size.

use crate::Kinesis;
use crate::error::{self, Failure};
use millstream_api_kinesis as api;
use millstream_control::UpdateShardCount;

pub(crate) async fn run(
    service: &Kinesis,
    input: api::UpdateShardCountInput,
) -> Result<api::UpdateShardCountOutput, Failure> {
    let stream = service.stream(input.stream_name.as_deref(), input.stream_arn.as_deref())?;
    let target = u32::try_from(input.target_shard_count).unwrap_or(0);
    let turn = service.turn().await;
    let open = u32::try_from(stream.open_shards().count()).unwrap_or(u32::MAX);
    service.check_shards(&turn, target.saturating_sub(open))?;
    let per_day = service.shard_count_updates();
    let update = UpdateShardCount { stream: stream.name.clone(), target, per_day };
    let updated = service.control().submit(update).await;
    let open = updated.map_err(|error| error::control(error, &service.home.account))?;
    Ok(api::UpdateShardCountOutput {
        stream_name: Some(stream.own_name().to_owned()),
        current_shard_count: i32::try_from(open).ok(),
        target_shard_count: Some(input.target_shard_count),
        stream_arn: Some(stream.arn.clone()),
        ..Default::default()
    })
}
