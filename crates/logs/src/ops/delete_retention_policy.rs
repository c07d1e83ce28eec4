use crate::Logs;
use crate::error::Failure;
use millstream_api_logs as api;
use millstream_shapes::Empty;

pub(crate) async fn run(service: &Logs, input: api::DeleteRetentionPolicyRequest) -> Result<Empty, Failure> {
    service.store.set_retention(service.home.key(&input.log_group_name), None).await?;
    Ok(Empty {})
}
