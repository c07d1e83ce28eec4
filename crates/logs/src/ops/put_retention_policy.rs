use crate::Logs;
use crate::error::Failure;
use millstream_api_logs as api;
use millstream_shapes::Empty;

/// What AWS takes (API reference, PutRetentionPolicy).
const DAYS: [u32; 22] =
    [1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 2192, 2557, 2922, 3288, 3653];

pub(crate) async fn run(service: &Logs, input: api::PutRetentionPolicyRequest) -> Result<Empty, Failure> {
    let asked = input.retention_in_days;
    let days = u32::try_from(asked).ok().filter(|days| DAYS.contains(days)).ok_or_else(|| {
        let all = DAYS.map(|days| days.to_string()).join(", ");
        Failure::invalid(format!(
            "1 validation error detected: Value '{asked}' at 'retentionInDays' failed to satisfy constraint: Member must \
             satisfy enum value set: [{all}]"
        ))
    })?;
    service.store.set_retention(service.home.key(&input.log_group_name), Some(days)).await?;
    Ok(Empty {})
}
