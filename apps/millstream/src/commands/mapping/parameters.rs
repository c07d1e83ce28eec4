//! How a mapping reads: what can be given when it is created, and changed later.

use aws_sdk_lambda::types::{
    DestinationConfig, EventSourceMappingMetric, EventSourceMappingMetricsConfig, Filter, FilterCriteria,
    FunctionResponseType, OnFailure,
};
use clap::Args;

#[derive(Debug, Default, Args)]
#[command(next_help_heading = "Batches and failures")]
pub(super) struct Parameters {
    /// Records of a batch, at most: 1 to 10000
    #[arg(long, value_name = "N")]
    pub(super) batch_size: Option<i32>,

    /// Seconds to wait for a batch to fill up: 0 to 300
    #[arg(long, value_name = "SECONDS")]
    pub(super) batch_window: Option<i32>,

    /// Batches of one shard at the same time, in order per partition key: 1 to 10
    #[arg(long, value_name = "N")]
    pub(super) parallelization: Option<i32>,

    /// How often a batch that failed is tried again; -1 until it expires
    #[arg(long, value_name = "N", allow_negative_numbers = true)]
    pub(super) retries: Option<i32>,

    /// Seconds after which a record is given up; -1 never
    #[arg(long, value_name = "SECONDS", allow_negative_numbers = true)]
    pub(super) max_age: Option<i32>,

    /// Cut a batch that failed in two and try both halves
    #[arg(long, value_name = "BOOLEAN", num_args = 0..=1, default_missing_value = "true", require_equals = true)]
    pub(super) bisect: Option<bool>,

    /// The function says which records of a batch failed (ReportBatchItemFailures)
    #[arg(long, value_name = "BOOLEAN", num_args = 0..=1, default_missing_value = "true", require_equals = true)]
    pub(super) report_failures: Option<bool>,

    /// Seconds of a tumbling window, over which the function gathers a state; 0 is none
    #[arg(long, value_name = "SECONDS")]
    pub(super) tumbling_window: Option<i32>,

    /// A pattern, in JSON: only records that match one of them go to the function; may be given several times
    #[arg(long = "filter", value_name = "JSON", conflicts_with = "no_filter")]
    pub(super) filters: Vec<String>,

    /// No filter any more
    #[arg(long)]
    pub(super) no_filter: bool,

    /// Where it is said which records were given up: the ARN of a queue, a topic, a bucket or a stream
    #[arg(long, value_name = "ARN", conflicts_with = "no_on_failure")]
    pub(super) on_failure: Option<String>,

    /// Records that are given up are told to nobody any more
    #[arg(long)]
    pub(super) no_on_failure: bool,

    /// Metrics to keep of it, such as EventCount; may be given several times
    #[arg(long = "metric", value_name = "METRIC")]
    pub(super) metrics: Vec<String>,

    /// Key that the filters are encrypted with
    #[arg(long, value_name = "ARN")]
    pub(super) kms_key: Option<String>,
}

impl Parameters {
    pub(super) fn response_types(&self) -> Option<Vec<FunctionResponseType>> {
        let report = self.report_failures?;
        Some(if report { vec![FunctionResponseType::ReportBatchItemFailures] } else { Vec::new() })
    }

    pub(super) fn filter_criteria(&self) -> Option<FilterCriteria> {
        let filters = self.filters.iter().map(|pattern| Filter::builder().pattern(pattern).build()).collect();
        let wanted = self.no_filter || !self.filters.is_empty();
        wanted.then(|| FilterCriteria::builder().set_filters(Some(filters)).build())
    }

    pub(super) fn destination(&self) -> Option<DestinationConfig> {
        let on_failure = match (&self.on_failure, self.no_on_failure) {
            (Some(arn), _) => OnFailure::builder().destination(arn).build(),
            (None, true) => OnFailure::builder().build(),
            (None, false) => return None,
        };
        Some(DestinationConfig::builder().on_failure(on_failure).build())
    }

    pub(super) fn metrics_config(&self) -> Option<EventSourceMappingMetricsConfig> {
        let metrics = self.metrics.iter().map(|metric| EventSourceMappingMetric::from(metric.as_str()));
        let metrics: Vec<_> = metrics.collect();
        let builder = EventSourceMappingMetricsConfig::builder();
        (!metrics.is_empty()).then(|| builder.set_metrics(Some(metrics)).build())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_given_is_not_sent() {
        let none = Parameters::default();
        assert_eq!((none.response_types(), none.filter_criteria()), (None, None));
        assert_eq!((none.destination(), none.metrics_config()), (None, None));
    }

    #[test]
    fn what_is_taken_back_is_sent_empty() {
        let back = Parameters {
            report_failures: Some(false),
            no_filter: true,
            no_on_failure: true,
            ..Parameters::default()
        };
        assert_eq!(back.response_types(), Some(vec![]));
        assert_eq!(back.filter_criteria().map(|criteria| criteria.filters().len()), Some(0));
        assert_eq!(back.destination().and_then(|config| config.on_failure?.destination), None);
    }

    #[test]
    fn what_is_given_is_sent() {
        let given = Parameters {
            report_failures: Some(true),
            filters: vec!["{}".into(), "[]".into()],
            on_failure: Some("arn".into()),
            metrics: vec!["EventCount".into()],
            ..Parameters::default()
        };
        assert_eq!(given.response_types(), Some(vec![FunctionResponseType::ReportBatchItemFailures]));
        assert_eq!(given.filter_criteria().map(|criteria| criteria.filters().len()), Some(2));
        assert_eq!(given.destination().and_then(|config| config.on_failure?.destination), Some("arn".into()));
        assert_eq!(
            given.metrics_config().map(|config| config.metrics().to_vec()),
            Some(vec![EventSourceMappingMetric::EventCount])
        );
    }
}
