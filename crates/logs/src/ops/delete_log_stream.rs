use crate::Logs;
use crate::error::Failure;
use millstream_api_logs as api;
use millstream_shapes::Empty;

pub(crate) async fn run(service: &Logs, input: api::DeleteLogStreamRequest) -> Result<Empty, Failure> {
    service.store.delete_stream(service.home.key(&input.log_group_name), input.log_stream_name).await?;
    Ok(Empty {})
}
