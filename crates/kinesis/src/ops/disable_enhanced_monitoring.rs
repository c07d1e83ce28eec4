//! DisableEnhancedMonitoring: these things are measured of each shard no more.

use crate::Kinesis;
use crate::error::Failure;
use crate::monitoring::{self, Change};
use millstream_api_kinesis as api;

pub(crate) async fn run(
    service: &Kinesis,
    input: api::DisableEnhancedMonitoringInput,
) -> Result<api::EnhancedMonitoringOutput, Failure> {
    let stream = service.stream(input.stream_name.as_deref(), input.stream_arn.as_deref())?;
    monitoring::change(service, &stream, &input.shard_level_metrics, Change::Disable).await
}
