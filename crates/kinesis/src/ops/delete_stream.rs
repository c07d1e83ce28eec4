//! DeleteStream: `DELETING` at once, gone when its shards are out of the log.

use crate::Kinesis;
use crate::error::{self, Failure};
use millstream_api_kinesis as api;
use millstream_control::DeleteStream;
use millstream_shapes::Empty;

pub(crate) async fn run(service: &Kinesis, input: api::DeleteStreamInput) -> Result<Empty, Failure> {
    let name = service.name(input.stream_name.as_deref(), input.stream_arn.as_deref())?;
    let enforce_consumer_deletion = input.enforce_consumer_deletion.unwrap_or(false);
    let deleted = service.control().submit(DeleteStream { name, enforce_consumer_deletion }).await;
    deleted.map_err(|error| error::control(error, &service.home.account))?;
    Ok(Empty {})
}
