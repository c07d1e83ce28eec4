//! Event source mappings: what they may ask for, and how the API shows them.

use crate::Failure;
use crate::configuration::small;
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

/// Members that creating and changing a mapping have in common and that are taken only with their default value.
#[derive(Debug)]
pub(crate) struct NotBuilt<'a> {
    pub(crate) parallelization_factor: Option<i32>,
    pub(crate) bisect: Option<bool>,
    pub(crate) retry_attempts: Option<i32>,
    pub(crate) record_age: Option<i32>,
    pub(crate) tumbling_window: Option<i32>,
    pub(crate) response_types: usize,
    pub(crate) filter_criteria: Option<&'a api::FilterCriteria>,
    pub(crate) destinations: Option<&'a api::DestinationConfig>,
    pub(crate) kms_key_arn: Option<&'a str>,
    pub(crate) metrics: Option<&'a api::EventSourceMappingMetricsConfig>,
    /// Whatever else there is: whether it was asked for, and its name.
    pub(crate) others: &'a [(bool, &'static str)],
}

impl NotBuilt<'_> {
    pub(crate) fn check(&self) -> Result<(), Failure> {
        self.check_words()?;
        let filters = self.filter_criteria.and_then(|criteria| criteria.filters.as_ref());
        let metrics = self.metrics.and_then(|config| config.metrics.as_ref());
        let on_failure = self
            .destinations
            .and_then(|destinations| destinations.on_failure.as_ref()?.destination.as_deref())
            .unwrap_or_default();
        let asked = [
            (self.parallelization_factor.is_some_and(|n| n != 1), "A ParallelizationFactor other than 1"),
            (self.bisect == Some(true), "BisectBatchOnFunctionError"),
            (self.retry_attempts.is_some_and(|n| n != -1), "A MaximumRetryAttempts other than -1"),
            (self.record_age.is_some_and(|n| n != -1), "A MaximumRecordAgeInSeconds other than -1"),
            (self.tumbling_window.is_some_and(|n| n != 0), "A TumblingWindowInSeconds other than 0"),
            (self.response_types > 0, "FunctionResponseTypes"),
            (filters.is_some_and(|filters| !filters.is_empty()), "FilterCriteria"),
            (!on_failure.is_empty(), "DestinationConfig.OnFailure"),
            (self.kms_key_arn.is_some_and(|arn| !arn.is_empty()), "KMSKeyArn"),
            (metrics.is_some_and(|metrics| !metrics.is_empty()), "MetricsConfig"),
        ];
        Failure::unless_built(asked.iter().chain(self.others).copied())
    }

    /// What AWS refuses too.
    fn check_words(&self) -> Result<(), Failure> {
        if self.destinations.is_some_and(|destinations| destinations.on_success.is_some()) {
            return Err(Failure::invalid(
                "Unsupported DestinationConfig parameter for given event source mapping type.",
            ));
        }
        match self.record_age {
            Some(age @ 0..60) => Err(Failure::constraint(
                &age.to_string(),
                "maximumRecordAgeInSeconds",
                "Member must be -1, or have value greater than or equal to 60",
            )),
            _ => Ok(()),
        }
    }
}

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
        api::EventSourceMappingConfiguration {
            uuid: Some(mapping.uuid.clone()),
            starting_position: Some(position.into()),
            starting_position_timestamp: timestamp,
            batch_size: Some(small(mapping.settings.batch_size)),
            maximum_batching_window_in_seconds: Some(small(mapping.settings.window_secs)),
            parallelization_factor: Some(1),
            event_source_arn: Some(mapping.source.arn().to_owned()),
            function_arn: Some(mapping.settings.function_arn.clone()),
            last_modified: Some(mapping.modified),
            last_processing_result: Some(last_result.unwrap_or_else(|| NOTHING_YET.to_owned())),
            state: Some(mapping.state.name().to_owned()),
            state_transition_reason: Some("User action".to_owned()),
            destination_config: Some(api::DestinationConfig {
                on_failure: Some(api::OnFailure::default()),
                ..Default::default()
            }),
            maximum_record_age_in_seconds: Some(-1),
            bisect_batch_on_function_error: Some(false),
            maximum_retry_attempts: Some(-1),
            tumbling_window_in_seconds: Some(0),
            function_response_types: Some(Vec::new()),
            event_source_mapping_arn: Some(mapping.arn.clone()),
            ..Default::default()
        }
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
