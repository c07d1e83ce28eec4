use super::Handle;
use crate::Failure;
use crate::delivery::Asked;
use crate::error;
use crate::service::{Context, Lambda};
use api::{EventSourceMappingConfiguration, UpdateEventSourceMappingRequest};
use millstream_api_lambda as api;
use millstream_control::ChangeMapping;

impl Handle for api::UpdateEventSourceMapping {
    async fn handle(
        lambda: &Lambda,
        input: UpdateEventSourceMappingRequest,
        _context: Context<'_>,
    ) -> Result<EventSourceMappingConfiguration, Failure> {
        let home = lambda.home();
        let state = lambda.control().state();
        let mapping = lambda.mapping(&state, &input.uuid)?;
        let mut settings = mapping.settings.clone();
        asked(&input, &others(&input)).apply(lambda, &state, mapping.source.arn(), &mut settings.delivery)?;
        if let Some(function) = &input.function_name {
            (settings.function, settings.function_arn) = lambda.resolve_function(&state, function)?;
        }
        let number = |value: Option<i32>| value.and_then(|value| u32::try_from(value).ok());
        settings.batch_size = number(input.batch_size).unwrap_or(settings.batch_size);
        settings.window_secs =
            number(input.maximum_batching_window_in_seconds).unwrap_or(settings.window_secs);
        settings.enabled = input.enabled.unwrap_or(settings.enabled);
        let command = ChangeMapping { uuid: input.uuid, settings };
        let changed = lambda.control().submit(command).await.map_err(|error| error::submit(home, error))?;
        Ok(lambda.show_mapping(&changed))
    }
}

/// What is for other sources than Kinesis, or not built: whether it was asked for, and its name.
fn others(input: &UpdateEventSourceMappingRequest) -> [(bool, &'static str); 7] {
    let kafka = input.amazon_managed_kafka_event_source_config.is_some();
    let own_kafka = input.self_managed_kafka_event_source_config.is_some();
    let access = input.source_access_configurations.as_ref().is_some_and(|access| !access.is_empty());
    [
        (input.logging_config.is_some(), "LoggingConfig"),
        (input.scaling_config.is_some(), "ScalingConfig"),
        (access, "SourceAccessConfigurations"),
        (kafka, "AmazonManagedKafkaEventSourceConfig"),
        (own_kafka, "SelfManagedKafkaEventSourceConfig"),
        (input.document_db_event_source_config.is_some(), "DocumentDBEventSourceConfig"),
        (input.provisioned_poller_config.is_some(), "ProvisionedPollerConfig"),
    ]
}

fn asked<'a>(input: &'a UpdateEventSourceMappingRequest, others: &'a [(bool, &'static str)]) -> Asked<'a> {
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
