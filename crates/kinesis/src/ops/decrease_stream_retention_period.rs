//! DecreaseStreamRetentionPeriod: what is older than the new period is gone at once.

use crate::error::Failure;
use crate::{Kinesis, retention};
use millstream_api_kinesis as api;
use millstream_control::RetentionChange;
use millstream_shapes::Empty;

pub(crate) async fn run(
    service: &Kinesis,
    input: api::DecreaseStreamRetentionPeriodInput,
) -> Result<Empty, Failure> {
    let stream = (input.stream_name.as_deref(), input.stream_arn.as_deref());
    retention::change(service, stream, input.retention_period_hours, RetentionChange::Decrease).await
}
