//! IncreaseStreamRetentionPeriod: records are kept for longer. Those that have gone already stay gone.

use crate::error::Failure;
use crate::{Kinesis, retention};
use millstream_api_kinesis as api;
use millstream_control::RetentionChange;
use millstream_shapes::Empty;

pub(crate) async fn run(
    service: &Kinesis,
    input: api::IncreaseStreamRetentionPeriodInput,
) -> Result<Empty, Failure> {
    let stream = (input.stream_name.as_deref(), input.stream_arn.as_deref());
    retention::change(service, stream, input.retention_period_hours, RetentionChange::Increase).await
}
