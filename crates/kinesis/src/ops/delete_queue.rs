//! DeleteQueue: a queue is `DELETING` until its journal is gone. The stream and its records stay.

use crate::Kinesis;
use crate::error::{self, Failure};
use millstream_api_kinesis as api;
use millstream_control::DeleteQueue;
use millstream_shapes::Empty;

pub(crate) async fn run(service: &Kinesis, input: api::DeleteQueueInput) -> Result<Empty, Failure> {
    let id = service.queue(&input.queue_arn)?.id.clone();
    let deleted = service.control().submit(DeleteQueue { id }).await;
    deleted.map_err(|error| error::control(error, &service.home.account))?;
    Ok(Empty {})
}
