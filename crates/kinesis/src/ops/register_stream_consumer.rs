//! RegisterStreamConsumer: a reader of its own for enhanced fan-out.

use crate::error::{self, Failure};
use crate::{Kinesis, shapes, tags};
use millstream_api_kinesis as api;
use millstream_control::caps::CONSUMERS_PER_ADVANTAGE_STREAM;
use millstream_control::{RegisterConsumer, StreamMode};

pub(crate) async fn run(
    service: &Kinesis,
    input: api::RegisterStreamConsumerInput,
) -> Result<api::RegisterStreamConsumerOutput, Failure> {
    let stream = service.name(None, Some(&input.stream_arn))?;
    let state = service.control().state();
    let on_demand = state.streams.get(&stream).is_some_and(|stream| stream.mode == StreamMode::OnDemand);
    let limit = if on_demand && state.is_committed(&stream, service.engine.now()) {
        service.consumers_per_stream.max(CONSUMERS_PER_ADVANTAGE_STREAM)
    } else {
        service.consumers_per_stream
    };
    let register =
        RegisterConsumer { stream, name: input.consumer_name, tags: tags::of_new(input.tags)?, limit };
    let turn = service.turn().await;
    service.check_consumers(&turn, &register.stream)?;
    let consumer = service.control().submit(register).await;
    let consumer = consumer.map_err(|error| error::control(error, &service.home.account))?;
    Ok(api::RegisterStreamConsumerOutput { consumer: shapes::consumer(consumer), ..Default::default() })
}
