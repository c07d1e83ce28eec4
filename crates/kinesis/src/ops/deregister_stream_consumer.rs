//! DeregisterStreamConsumer: its subscriptions end, then it is gone.

use crate::Kinesis;
use crate::error::{self, Failure};
use millstream_api_kinesis as api;
use millstream_control::DeregisterConsumer;
use millstream_shapes::Empty;

pub(crate) async fn run(
    service: &Kinesis,
    input: api::DeregisterStreamConsumerInput,
) -> Result<Empty, Failure> {
    let (arn, name) = (input.consumer_arn.as_deref(), input.consumer_name.as_deref());
    let (stream, consumer) = service.consumer(arn, name, input.stream_arn.as_deref())?;
    let deregister = DeregisterConsumer { stream: stream.name.clone(), consumer: consumer.name };
    let done = service.control().submit(deregister).await;
    done.map_err(|error| error::control(error, &service.home.account))?;
    Ok(Empty {})
}
