//! UpdateQueue: another visibility timeout, other dead-letter handling. Done when it answers.

use crate::Kinesis;
use crate::error::{self, Failure};
use crate::queues::{Attributes, description};
use millstream_api_kinesis as api;
use millstream_control::ChangeQueue;

pub(crate) async fn run(
    service: &Kinesis,
    input: api::UpdateQueueInput,
) -> Result<api::UpdateQueueOutput, Failure> {
    let Attributes { visibility_secs, dead_letters } = Attributes::of(Some(&input.queue_attributes))?;
    let id = service.queue(&input.queue_arn)?.id.clone();
    let changed = service.control().submit(ChangeQueue { id, visibility_secs, dead_letters }).await;
    let queue = changed.map_err(|error| error::control(error, &service.home.account))?;
    let stream = service.stream_of_key(&queue.stream).ok();
    let queue_description = description(&queue, stream.as_deref());
    Ok(api::UpdateQueueOutput { queue_description, ..Default::default() })
}
