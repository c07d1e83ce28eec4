//! A mapping as the service has it.

use crate::commands::table;
use aws_sdk_lambda::operation::get_event_source_mapping::GetEventSourceMappingOutput;
use aws_sdk_lambda::types::{
    EventSourceMappingConfiguration, EventSourceMappingMetric, EventSourcePosition, FunctionResponseType,
};
use serde_json::{Value, json};

#[derive(Debug)]
pub(super) struct Mapping {
    pub(super) uuid: String,
    pub(super) state: String,
    function_arn: String,
    source_arn: String,
    result: String,
    modified: String,
    json: Value,
}

/// Two types of the SDK have the same members.
macro_rules! mapping {
    ($of:expr) => {{
        let of = $of;
        let text = |value: Option<&str>| value.unwrap_or_default().to_owned();
        let filters = of.filter_criteria().map(|criteria| {
            criteria.filters().iter().filter_map(|filter| filter.pattern()).collect::<Vec<_>>()
        });
        let destination = of.destination_config().and_then(|config| config.on_failure()?.destination());
        let metrics = of.metrics_config().map(|config| {
            config.metrics().iter().map(EventSourceMappingMetric::as_str).collect::<Vec<_>>()
        });
        let responses: Vec<_> = of.function_response_types().iter().map(FunctionResponseType::as_str).collect();
        let modified = of.last_modified().copied().map(table::time);
        Mapping {
            uuid: text(of.uuid()),
            state: text(of.state()),
            function_arn: text(of.function_arn()),
            source_arn: text(of.event_source_arn()),
            result: text(of.last_processing_result()),
            modified: modified.clone().unwrap_or_default(),
            json: json!({
                "UUID": of.uuid(),
                "EventSourceMappingArn": of.event_source_mapping_arn(),
                "EventSourceArn": of.event_source_arn(),
                "FunctionArn": of.function_arn(),
                "State": of.state(),
                "StateTransitionReason": of.state_transition_reason(),
                "LastModified": modified,
                "LastProcessingResult": of.last_processing_result(),
                "StartingPosition": of.starting_position().map(EventSourcePosition::as_str),
                "StartingPositionTimestamp": of.starting_position_timestamp().copied().map(table::time),
                "BatchSize": of.batch_size(),
                "MaximumBatchingWindowInSeconds": of.maximum_batching_window_in_seconds(),
                "ParallelizationFactor": of.parallelization_factor(),
                "MaximumRetryAttempts": of.maximum_retry_attempts(),
                "MaximumRecordAgeInSeconds": of.maximum_record_age_in_seconds(),
                "BisectBatchOnFunctionError": of.bisect_batch_on_function_error(),
                "TumblingWindowInSeconds": of.tumbling_window_in_seconds(),
                "FunctionResponseTypes": responses,
                "Filters": filters,
                "OnFailure": destination,
                "Metrics": metrics,
                "KMSKeyArn": of.kms_key_arn(),
            }),
        }
    }};
}

pub(super) fn of_answer(answer: &GetEventSourceMappingOutput) -> Mapping {
    mapping!(answer)
}

pub(super) fn of_listed(listed: &EventSourceMappingConfiguration) -> Mapping {
    mapping!(listed)
}

impl Mapping {
    /// With AWS's names; filters, the destination and the metrics without the boxes that AWS packs them in.
    pub(super) fn to_json(&self) -> Value {
        self.json.clone()
    }

    /// Every member that is set, one a line.
    pub(super) fn render(&self) -> String {
        let shown = |value: &Value| match value {
            Value::Null => String::new(),
            Value::String(text) => text.clone(),
            Value::Array(values) => {
                let texts = values
                    .iter()
                    .map(|value| value.as_str().map_or_else(|| value.to_string(), str::to_owned));
                texts.collect::<Vec<_>>().join(", ")
            }
            other => other.to_string(),
        };
        let fact = |name: &'static str| (name, shown(&self.json[name]));
        table::facts(
            [
                "UUID",
                "State",
                "StateTransitionReason",
                "EventSourceArn",
                "FunctionArn",
                "LastModified",
                "LastProcessingResult",
                "StartingPosition",
                "StartingPositionTimestamp",
                "BatchSize",
                "MaximumBatchingWindowInSeconds",
                "ParallelizationFactor",
                "MaximumRetryAttempts",
                "MaximumRecordAgeInSeconds",
                "BisectBatchOnFunctionError",
                "TumblingWindowInSeconds",
                "FunctionResponseTypes",
                "Filters",
                "OnFailure",
                "Metrics",
                "KMSKeyArn",
            ]
            .map(fact),
        )
    }
}

/// The end of an ARN: what people call it.
fn short(arn: &str) -> String {
    let resource = arn.splitn(6, ':').last().unwrap_or(arn);
    resource.trim_start_matches("stream/").trim_start_matches("function:").to_owned()
}

pub(super) fn render_list(mappings: &[Mapping]) -> String {
    if mappings.is_empty() {
        return "There are no mappings. `millstream mapping create --stream STREAM --function FUNCTION` makes one".to_owned();
    }
    let mut table = table::Table::new(["uuid", "stream", "function", "state", "last result", "modified"]);
    for mapping in mappings {
        table.row([
            mapping.uuid.clone(),
            short(&mapping.source_arn),
            short(&mapping.function_arn),
            mapping.state.clone(),
            mapping.result.clone(),
            mapping.modified.clone(),
        ]);
    }
    table.render()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_arn_is_called_by_its_end() {
        assert_eq!(short("arn:aws:kinesis:us-east-1:000000000000:stream/signups"), "signups");
        assert_eq!(short("arn:aws:lambda:us-east-1:000000000000:function:enrich:3"), "enrich:3");
        assert_eq!(short("x"), "x");
    }

    #[test]
    fn a_mapping_shows_what_is_set() {
        let listed = EventSourceMappingConfiguration::builder()
            .uuid("u")
            .state("Enabled")
            .batch_size(100)
            .event_source_arn("arn:aws:kinesis:us-east-1:000000000000:stream/signups")
            .build();
        let mapping = of_listed(&listed);
        let text = mapping.render();
        assert!(text.contains("BatchSize") && text.contains("100"), "{text}");
        assert!(!text.contains("OnFailure"), "{text}");
        assert!(render_list(&[mapping]).contains("signups"));
        assert!(render_list(&[]).contains("There are no mappings"));
    }
}
