use crate::Logs;
use crate::error::Failure;
use millstream_api_logs as api;
use millstream_shapes::Empty;

/// The group of a function that prints again is made again, as on AWS.
pub(crate) async fn run(service: &Logs, input: api::DeleteLogGroupRequest) -> Result<Empty, Failure> {
    service.store.delete_group(service.home.key(&input.log_group_name)).await?;
    Ok(Empty {})
}
