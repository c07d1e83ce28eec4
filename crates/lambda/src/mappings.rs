//! Event source mappings: what they may ask for, and how the API shows them.

use crate::Failure;
use crate::configuration::small;
use crate::delivery;
use crate::error::no_such_resource;
use crate::names::{Form, LATEST, Target};
use crate::service::Lambda;
use api::EventSourcePosition;
use millstream_api_lambda as api;
use millstream_control::{ConsumerStatus, Mapping, Source, StartingPosition, State, Stream, StreamStatus};
use millstream_types::{Arn, Home, Timestamp};

/// What AWS shows while a mapping has read nothing.
const NOTHING_YET: &str = "No records processed";

pub(crate) const DEFAULT_BATCH_SIZE: u32 = 100;

impl Lambda {
    /// The function of a mapping: its name, and the ARN that the mapping shows.
    pub(crate) fn resolve_function(&self, state: &State, text: &str) -> Result<(String, String), Failure> {
        let missing = |_| Failure::invalid("Function does not exist");
        let target = Target::parse(self.home(), text).map_err(missing)?;
        let found = target.find_version(self.home(), state).map_err(missing)?;
        let function = &found.function;
        // Recorded on AWS: a partial ARN's `$LATEST` is kept, a full one's is not.
        let arn = match (target.form, &target.qualifier) {
            (_, Some(qualifier)) if qualifier != LATEST => format!("{}:{qualifier}", function.arn),
            (Form::Partial, Some(_)) => format!("{}:{LATEST}", function.arn),
            (Form::Partial, None) | (Form::Name | Form::Full, _) => function.arn.clone(),
        };
        Ok((function.name.clone(), arn))
    }

    /// A mapping of the account and region that the request means.
    pub(crate) fn mapping<'a>(&self, state: &'a State, uuid: &str) -> Result<&'a Mapping, Failure> {
        let here = state.mappings.get(uuid).filter(|mapping| self.is_here(mapping));
        here.map(AsRef::as_ref).ok_or_else(no_such_resource)
    }

    pub(crate) fn is_here(&self, mapping: &Mapping) -> bool {
        let uuid = &mapping.uuid;
        mapping.arn == self.home().arn("lambda", format_args!("event-source-mapping:{uuid}"))
    }

    pub(crate) fn show_mapping(&self, mapping: &Mapping) -> api::EventSourceMappingConfiguration {
        let (position, timestamp) = match mapping.starting {
            StartingPosition::TrimHorizon => ("TRIM_HORIZON", None),
            StartingPosition::Latest => ("LATEST", None),
            StartingPosition::AtTimestamp(at) => ("AT_TIMESTAMP", Some(at)),
        };
        let last_result = self.mappings().last_result(&mapping.uuid);
        let last_result = last_result.or_else(|| mapping.last_result.clone());
        let mut shown = api::EventSourceMappingConfiguration {
            uuid: Some(mapping.uuid.clone()),
            starting_position: Some(position.into()),
            starting_position_timestamp: timestamp,
            batch_size: Some(small(mapping.settings.batch_size)),
            maximum_batching_window_in_seconds: Some(small(mapping.settings.window_secs)),
            event_source_arn: Some(mapping.source.arn().to_owned()),
            function_arn: Some(mapping.settings.function_arn.clone()),
            last_modified: Some(mapping.modified),
            last_processing_result: Some(last_result.unwrap_or_else(|| NOTHING_YET.to_owned())),
            state: Some(mapping.state.name().to_owned()),
            state_transition_reason: Some("User action".to_owned()),
            event_source_mapping_arn: Some(mapping.arn.clone()),
            ..Default::default()
        };
        delivery::show(&mapping.settings.delivery, &mut shown);
        shown
    }
}

/// The stream or consumer of an ARN, which must be there.
pub(crate) fn resolve_source(home: &Home, state: &State, arn: &str) -> Result<Source, Failure> {
    let missing = || Failure::invalid(format!("Stream not found: {arn}"));
    let parsed: Arn = arn.parse().map_err(|_no_arn| Failure::invalid("Unrecognized event source."))?;
    if parsed.service != "kinesis" {
        return Err(Failure::invalid(format!(
            "An event source of {} is not supported by this version of Millstream: only Kinesis streams and their \
             consumers are.",
            parsed.service
        )));
    }
    let name = parsed.stream_name().ok_or_else(missing)?;
    let key = home.beside(&parsed.region, &parsed.account).key(name);
    let stream = state.streams.get(&key).ok_or_else(missing)?;
    match stream.status {
        StreamStatus::Active | StreamStatus::Updating => {}
        StreamStatus::Creating => return Err(not_active("Stream", arn)),
        StreamStatus::Deleting => return Err(missing()),
    }
    let consumer_arn = consumer_of(stream, arn)?;
    Ok(Source { stream: stream.name.clone(), stream_arn: stream.arn.clone(), consumer_arn })
}

/// The consumer that an ARN below a stream's names, or none if it is the stream's own.
fn consumer_of(stream: &Stream, arn: &str) -> Result<Option<String>, Failure> {
    if arn == stream.arn {
        return Ok(None);
    }
    let consumer = stream
        .consumer_by_arn(arn)
        .filter(|consumer| consumer.status != ConsumerStatus::Deleting)
        .ok_or_else(|| Failure::invalid(format!("Stream not found: {arn}")))?;
    if consumer.status == ConsumerStatus::Creating {
        return Err(not_active("Stream consumer", arn));
    }
    Ok(Some(consumer.arn.clone()))
}

fn not_active(what: &str, arn: &str) -> Failure {
    Failure::invalid(format!("{what} {arn} is still being created. Wait until it is ACTIVE."))
}

/// AWS names the values in another order than its model.
pub(crate) fn known_position(position: &EventSourcePosition) -> Result<(), Failure> {
    match position {
        EventSourcePosition::TrimHorizon | EventSourcePosition::Latest | EventSourcePosition::AtTimestamp => {
            Ok(())
        }
        EventSourcePosition::Unknown(other) => Err(Failure::constraint(
            other,
            "startingPosition",
            "Member must satisfy enum value set: [LATEST, AT_TIMESTAMP, TRIM_HORIZON]",
        )),
    }
}

pub(crate) fn starting_position(
    position: Option<&EventSourcePosition>,
    timestamp: Option<Timestamp>,
    now: Timestamp,
) -> Result<StartingPosition, Failure> {
    let null = |member: &str| {
        Failure::invalid(format!(
            "1 validation error detected: Value null at '{member}' failed to satisfy constraint: Member must not be \
             null."
        ))
    };
    let position = position.ok_or_else(|| null("startingPosition"))?;
    known_position(position)?;
    if *position == EventSourcePosition::AtTimestamp {
        let at = timestamp.ok_or_else(|| null("startingPositionTimestamp"))?;
        if at > now {
            return Err(Failure::invalid("StartingPositionTimestamp must not be in the future."));
        }
        return Ok(StartingPosition::AtTimestamp(at));
    }
    if timestamp.is_some() {
        return Err(Failure::invalid(
            "StartingPositionTimestamp is allowed only with the StartingPosition AT_TIMESTAMP.",
        ));
    }
    let oldest = *position == EventSourcePosition::TrimHorizon;
    Ok(if oldest { StartingPosition::TrimHorizon } else { StartingPosition::Latest })
}
