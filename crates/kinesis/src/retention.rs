//! What IncreaseStreamRetentionPeriod and DecreaseStreamRetentionPeriod share.

use crate::error::{self, Failure};
use crate::{Kinesis, caps};
use millstream_control::{ChangeRetention, RetentionChange};
use millstream_shapes::Empty;

/// Set a stream's retention. The one that it has already is taken for both: Terraform sets 24 hours on every new stream.
pub(crate) async fn change(
    service: &Kinesis,
    (name, arn): (Option<&str>, Option<&str>),
    hours: i32,
    change: RetentionChange,
) -> Result<Empty, Failure> {
    let name = service.stream(name, arn)?.name.clone();
    let hours = checked(hours)?;
    let now = service.engine.retention_now();
    let changed = service.control().submit(ChangeRetention { name, hours, change, now }).await;
    changed.map_err(|error| error::control(error, &service.home.account))?;
    Ok(Empty {})
}

fn checked(hours: i32) -> Result<u32, Failure> {
    let (min, max) = (caps::RETENTION_HOURS_MIN, caps::RETENTION_HOURS_MAX);
    match u32::try_from(hours) {
        Ok(hours) if hours > max => Err(Failure::invalid(format!(
            "Maximum allowed retention period is {max} hours. Requested retention period ({hours} hours) is too long."
        ))),
        Ok(hours) if hours >= min => Ok(hours),
        Ok(_) | Err(_) => Err(Failure::invalid(format!(
            "Minimum allowed retention period is {min} hours. Requested retention period ({hours} hours) is too short."
        ))),
    }
}
