use super::Handle;
use crate::delivery::Asked;
use crate::mappings::{DEFAULT_BATCH_SIZE, known_position, resolve_source, starting_position};
use crate::service::{Context, Lambda};
use crate::settings::tags;
use crate::{Failure, error};
use api::{CreateEventSourceMappingRequest, EventSourceMappingConfiguration};
use millstream_api_lambda as api;
use millstream_control::{CreateMapping, DeliverySettings, MappingSettings};
use millstream_host::entropy;

impl Handle for api::CreateEventSourceMapping {
    fn first(input: &CreateEventSourceMappingRequest) -> Result<(), Failure> {
        input.starting_position.as_ref().map_or(Ok(()), known_position)
    }

    async fn handle(
        lambda: &Lambda,
        input: CreateEventSourceMappingRequest,
        _context: Context<'_>,
    ) -> Result<EventSourceMappingConfiguration, Failure> {
        let source_arn = input
            .event_source_arn
            .as_deref()
            .ok_or_else(|| Failure::invalid("Unrecognized event source."))?;
        let now = lambda.engine().now();
        let starting =
            starting_position(input.starting_position.as_ref(), input.starting_position_timestamp, now)?;
        let state = lambda.control().state();
        let mut delivery = DeliverySettings::default();
        asked(&input, &others(&input)).apply(lambda, &state, source_arn, &mut delivery)?;
        let (function, function_arn) = lambda.resolve_function(&state, &input.function_name)?;
        let source = resolve_source(lambda.home(), &state, source_arn)?;
        let uuid = entropy::uuid();
        let number = |value: Option<i32>| value.and_then(|value| u32::try_from(value).ok());
        let command = CreateMapping {
            arn: lambda.home().arn("lambda", format_args!("event-source-mapping:{uuid}")),
            uuid,
            source,
            starting,
            settings: MappingSettings {
                function,
                function_arn,
                batch_size: number(input.batch_size).unwrap_or(DEFAULT_BATCH_SIZE),
                window_secs: number(input.maximum_batching_window_in_seconds).unwrap_or_default(),
                enabled: input.enabled.unwrap_or(true),
                delivery,
            },
            tags: tags(input.tags)?,
        };
        let made = lambda.control().submit(command).await;
        let mapping = made.map_err(|error| error::submit(lambda.home(), error))?;
        Ok(lambda.show_mapping(&mapping))
    }
}

/// What is for other sources than Kinesis, or not built: whether it was asked for, and its name.
fn others(input: &CreateEventSourceMappingRequest) -> [(bool, &'static str); 10] {
    let kafka = input.amazon_managed_kafka_event_source_config.is_some();
    let own_kafka = input.self_managed_kafka_event_source_config.is_some();
    let access = input.source_access_configurations.as_ref().is_some_and(|access| !access.is_empty());
    [
        (input.logging_config.is_some(), "LoggingConfig"),
        (input.scaling_config.is_some(), "ScalingConfig"),
        (input.topics.is_some(), "Topics"),
        (input.queues.is_some(), "Queues"),
        (input.self_managed_event_source.is_some(), "SelfManagedEventSource"),
        (access, "SourceAccessConfigurations"),
        (kafka, "AmazonManagedKafkaEventSourceConfig"),
        (own_kafka, "SelfManagedKafkaEventSourceConfig"),
        (input.document_db_event_source_config.is_some(), "DocumentDBEventSourceConfig"),
        (input.provisioned_poller_config.is_some(), "ProvisionedPollerConfig"),
    ]
}

fn asked<'a>(input: &'a CreateEventSourceMappingRequest, others: &'a [(bool, &'static str)]) -> Asked<'a> {
    Asked {
        parallelization_factor: input.parallelization_factor,
        bisect: input.bisect_batch_on_function_error,
        retry_attempts: input.maximum_retry_attempts,
        record_age: input.maximum_record_age_in_seconds,
        tumbling_window: input.tumbling_window_in_seconds,
        response_types: input.function_response_types.as_deref(),
        filter_criteria: input.filter_criteria.as_ref(),
        destinations: input.destination_config.as_ref(),
        metrics: input.metrics_config.as_ref(),
        kms_key_arn: input.kms_key_arn.as_deref(),
        others,
    }
}
