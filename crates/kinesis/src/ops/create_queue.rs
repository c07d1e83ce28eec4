//! CreateQueue: a queue is `CREATING` until it is known where its delivery begins.

use crate::error::{self, Failure};
use crate::queues::{Attributes, description};
use crate::{Kinesis, tags};
use millstream_api_kinesis as api;
use millstream_control::{CreateQueue, StartingPosition};
use millstream_host::entropy;

pub(crate) async fn run(
    service: &Kinesis,
    input: api::CreateQueueInput,
) -> Result<api::CreateQueueOutput, Failure> {
    let [source] = &input.stream_configuration_list[..] else {
        return Err(Failure::validation("StreamConfigurationList must contain exactly one stream."));
    };
    let starting = starting(source.starting_position.as_ref())?;
    let settings = Attributes::of(input.queue_attributes.as_ref())?.or_default();
    let stream = service.stream(None, Some(&source.stream_arn))?;
    let id = entropy::uuid().replace('-', "");
    let command = CreateQueue {
        arn: service.home.arn("kinesis", format_args!("queue/{id}")),
        id,
        name: service.home.key(&input.queue_name),
        stream: stream.name.clone(),
        starting,
        settings,
        tags: tags::of_new(input.tags)?,
        secret: secret(),
        limit: service.consumers_per_stream,
    };
    let created = service.control().submit(command).await;
    let queue = created.map_err(|error| error::control(error, &service.home.account))?;
    let queue_description = description(&queue, Some(&stream));
    Ok(api::CreateQueueOutput { queue_description, ..Default::default() })
}

/// 256 bits that nobody can guess.
fn secret() -> String {
    let [a, b, c, d] = [(); 4].map(|()| entropy::u64());
    format!("{a:016x}{b:016x}{c:016x}{d:016x}")
}

fn starting(asked: Option<&api::QueueStartingPosition>) -> Result<StartingPosition, Failure> {
    let Some(asked) = asked else { return Ok(StartingPosition::Latest) };
    match (&asked.r#type, asked.timestamp) {
        (api::QueueStartingPositionType::AtTimestamp, Some(at)) => Ok(StartingPosition::AtTimestamp(at)),
        (api::QueueStartingPositionType::AtTimestamp, None) => {
            Err(Failure::validation("Timestamp is required for the starting position AT_TIMESTAMP."))
        }
        (_, Some(_)) => {
            Err(Failure::validation("Timestamp must be given only with the starting position AT_TIMESTAMP."))
        }
        (api::QueueStartingPositionType::TrimHorizon, None) => Ok(StartingPosition::TrimHorizon),
        (api::QueueStartingPositionType::Latest | api::QueueStartingPositionType::Unknown(_), None) => {
            Ok(StartingPosition::Latest)
        }
    }
}
