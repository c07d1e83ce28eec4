//! UpdateStreamRecordDistributionStrategy: whether producers or the stream say which shard a record goes to.

use crate::error::{self, Failure};
use crate::{Kinesis, shapes};
use millstream_api_kinesis as api;
use millstream_control::SetDistribution;
use millstream_shapes::Empty;

pub(crate) async fn run(
    service: &Kinesis,
    input: api::UpdateStreamRecordDistributionStrategyInput,
) -> Result<Empty, Failure> {
    let stream = service.stream(None, Some(&input.stream_arn))?.name.clone();
    let distribution = shapes::distribution(&input.record_distribution_strategy);
    let set = service.control().submit(SetDistribution { stream, distribution }).await;
    set.map_err(|error| error::control(error, &service.home.account))?;
    Ok(Empty {})
}
