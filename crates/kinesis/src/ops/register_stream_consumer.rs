//! RegisterStreamConsumer: a reader of its own for enhanced fan-out.

use crate::error::{self, Failure};
use crate::{Kinesis, shapes, tags};
use millstream_api_kinesis as api;
use millstream_control::RegisterConsumer;

pub(crate) async fn run(
    service: &Kinesis,
    input: api::RegisterStreamConsumerInput,
) -> Result<api::RegisterStreamConsumerOutput, Failure> {
    let stream = service.name(None, Some(&input.stream_arn))?;
    let register = RegisterConsumer {
        stream,
        name: input.consumer_name,
        tags: tags::of_new(input.tags)?,
        limit: service.consumers_per_stream,
    };
    let turn = service.turn().await;
    service.check_consumers(&turn, &register.stream)?;
    let consumer = service.control().submit(register).await;
    let consumer = consumer.map_err(|error| error::control(error, &service.home.account))?;
    Ok(api::RegisterStreamConsumerOutput { consumer: shapes::consumer(consumer), ..Default::default() })
}
